'use strict';
const fs = require('node:fs');
const { execSync } = require('node:child_process');

const pause = (seconds) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, seconds * 1000);

let init = process.env.INIT;
if (['sleep', 'once'].includes(init) && !fs.existsSync('/tmp/begun')) {
  fs.writeFileSync('/tmp/begun', '');
  init = init === 'once' ? 'raise' : pause(60);
}
if (init === 'raise') throw new TypeError('not ready');
if (init === 'exit') process.exit(3);
process.on('SIGTERM', () => { fs.writeSync(1, 'told to end\n'); process.exit(0); });
let count = 0;

function contextOf(context) {
  const members = ['identity', 'clientContext', 'callbackWaitsForEmptyEventLoop'];
  if (Number(/\d+/.exec(process.env.AWS_EXECUTION_ENV)[0]) < 24) members.push('succeed', 'fail', 'done');
  else members.pop();
  return {
    missing: members.filter((name) => !(name in context)),
    id: context.awsRequestId,
    name: context.functionName,
    version: context.functionVersion,
    arn: context.invokedFunctionArn,
    memory: context.memoryLimitInMB,
    group: context.logGroupName,
    stream: context.logStreamName,
    left: context.getRemainingTimeInMillis(),
    client: context.clientContext && context.clientContext.custom,
  };
}

const recurse = (depth) => recurse(depth + 1) + 1;

const actions = {
  echo: (value) => value,
  size: (value) => value.length,
  large: (value) => 'x'.repeat(value),
  context: (_, context) => contextOf(context),
  raise: (value) => { throw new TypeError(value); },
  chain: (value) => { throw new Error(value, { cause: new TypeError('the cause') }); },
  exit: (value) => process.exit(value),
  crash: () => { process.kill(process.pid, 'SIGKILL'); pause(10); },
  memory: () => { for (const held = []; ;) held.push(Buffer.alloc(10000000, 1)); },
  sleep: (value) => pause(value),
  env: () => process.env,
  sh: (value) => execSync(`${value}\ntrue`, { shell: '/bin/sh', encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }),
  print: () => {
    process.stdout.write('to the output\n');
    process.stderr.write('to the error\n');
    process.stdout.write('two\nlines\n');
  },
  log: () => { console.warn('a record'); console.debug('a hidden record'); },
  count: () => { count += 1; return count; },
  later: () => { setTimeout(() => fs.writeFileSync('/tmp/later', ''), 50); },
  trace: () => process.env._X_AMZN_TRACE_ID,
  layer: () => [require('shared').FROM, require('own').FROM],
  recurse: () => recurse(0),
  nothing: () => undefined,
  unanswerable: () => { const round = {}; round.round = round; return round; },
};

exports.handler = async (event, context) => actions[event.do](event.value, context);

exports.streamed = awslambda.streamifyResponse(async (event, stream) => {
  stream.setContentType('text/plain');
  for (const part of ['one,', 'two,', 'three']) stream.write(part);
  stream.end();
});
