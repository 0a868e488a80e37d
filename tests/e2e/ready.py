"""Functions that tell everything that they see of their environment."""

from __future__ import annotations

SHELL = """
cat /proc/self/status | grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp|Sig(Ign|Blk))'
cat /proc/self/limits
awk '{print $5, $9}' /proc/self/mountinfo | sort -u
touch /opt/x /var/task/x /var/runtime/x /x 2>&1; touch /tmp/x; rm /tmp/x
cat /proc/1/comm; ls /proc | grep -cE '^[0-9]+$'
stat -f -c '%b %c' /tmp; stat -c '%u %g %a %n' /tmp /opt /var/task
hostname; pwd; ulimit -a; id; ls /opt /opt/both /var/task; cat /opt/both/which
"""
NODE = """
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
exports.handler = async (event) => {
  if (event && event.write) fs.writeFileSync('/tmp/mine', Buffer.alloc(event.write));
  return {
    env: process.env, names: Object.keys(process.env).sort(),
    cwd: process.cwd(), argv: process.argv, execArgv: process.execArgv, title: process.title,
    cache: Object.keys(require.cache), paths: module.paths, main: require.main.filename,
    layer: require('from-layer'), stack: new Error('x').stack.split('\\n'),
    loading, command: fs.readFileSync('/proc/self/cmdline', 'latin1'),
    descriptors: descriptors(), tmp: fs.readdirSync('/tmp'),
    shell: execFileSync('/bin/sh', ['-c', `SHELL`], { encoding: 'latin1' }),
  };
};
function descriptors() {
  const links = fs.readdirSync('/proc/self/fd').flatMap((each) => {
    try { return [fs.readlinkSync('/proc/self/fd/' + each).replace(/\\d+/g, 'N')]; } catch { return []; }
  });
  return links.sort();
}
Error.stackTraceLimit = 50;
const loading = new Error('loading').stack.split('\\n');
console.log('printed at the start');
""".replace("SHELL", SHELL)
RUBY = """
require 'json'
LOADING = caller
puts 'printed at the start'
def handler(event:, context:)
  File.binwrite('/tmp/mine', "\\0" * event['write']) if event && event['write']
  { env: ENV.to_h, names: ENV.keys.sort, cwd: Dir.pwd, argv: ARGV, program: $PROGRAM_NAME,
    path: $LOAD_PATH, loaded: $LOADED_FEATURES, loading: LOADING, stack: caller,
    command: File.read('/proc/self/cmdline'), encoding: Encoding.default_external.to_s,
    descriptors: Dir.children('/proc/self/fd').filter_map { |each|
      begin File.readlink('/proc/self/fd/' + each).gsub(/\\d+/, 'N'); rescue SystemCallError; end
    }.sort, tmp: Dir.children('/tmp'),
    shell: `SHELL` }
end
""".replace("SHELL", SHELL)
CUSTOM = """#!/usr/bin/python3
import glob, json, os, re, subprocess, sys, urllib.request
print('printed at the start', flush=True)
base = 'http://' + os.environ['AWS_LAMBDA_RUNTIME_API'] + '/2018-06-01/runtime/invocation/'
def link(each):
    try: return re.sub('[0-9]+', 'N', os.readlink(each))
    except OSError: return ''
while True:
    with urllib.request.urlopen(base + 'next') as asked:
        event, id = json.load(asked), asked.headers['Lambda-Runtime-Aws-Request-Id']
    if event and event.get('write'): open('/tmp/mine', 'wb').write(bytes(event['write']))
    said = dict(env=dict(os.environ), names=sorted(os.environ), cwd=os.getcwd(), argv=sys.argv,
        command=open('/proc/self/cmdline').read(), parent=open(f'/proc/{os.getppid()}/comm').read(),
        descriptors=sorted(map(link, glob.glob('/proc/self/fd/*'))), pid=os.getpid(),
        tmp=os.listdir('/tmp'),
        shell=subprocess.run(['/bin/sh', '-c', '''SHELL'''], capture_output=True, text=True).stdout)
    data = json.dumps(said).encode()
    urllib.request.urlopen(base + id + '/response', data).read()
""".replace("SHELL", SHELL)
