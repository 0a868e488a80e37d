'use strict';
// Measures what is loaded, inside of a box: the handler of a function that exists to be measured.
// The twin of lamella_profile.py, for Node.js 18 and everything newer; its answers are alike.

const fs = require('node:fs');
const path = require('node:path');
const Module = require('node:module');

const TASK = __dirname;
const TARGET = path.join(TASK, 'lamella_profile.txt');
const ANSWER = '/tmp/lamella-profile.json';
const MOST_IMPORTS = 20000;
const MOST_TEXT = 300;
const MOST_ANSWER = 5500000;
const IMPORT_SECONDS = 120;
// A package of ES modules alone cannot be required.
const MODULES_ALONE = new Set(['ERR_REQUIRE_ESM', 'ERR_PACKAGE_PATH_NOT_EXPORTED', 'ERR_REQUIRE_ASYNC_MODULE']);

/** Every file that is loaded by require: who asked for it, when, and how long that took. */
class Recorder {
  constructor() {
    this.rows = [];
    this.stack = [-1];
    this.real = Module.prototype.load;
  }

  begin() {
    const recorder = this;
    this.zero = performance.now();
    Module.prototype.load = function load(file) {
      return recorder.load(this, file);
    };
  }

  end() {
    Module.prototype.load = this.real;
    this.seconds = (performance.now() - this.zero) / 1000;
  }

  /** Everything from now until the function returned is called is caused by this. */
  enter(name, origin) {
    const began = performance.now();
    const row = [name, this.stack.at(-1), (began - this.zero) / 1000, 0, origin];
    this.stack.push(this.rows.length);
    this.rows.push(row);
    return () => {
      row[3] = (performance.now() - began) / 1000;
      this.stack.pop();
    };
  }

  load(module, file) {
    if (this.rows.length >= MOST_IMPORTS) return this.real.call(module, file);
    const leave = this.enter(shown(file), null);
    const row = this.rows[this.stack.at(-1)];
    try {
      const found = this.real.call(module, file);
      row[4] = text(file);
      return found;
    } finally {
      leave();
    }
  }
}

/** A file by its package: what follows the last node_modules, or the function's folder. */
function shown(file) {
  const name = text(file);
  return name.slice(name.lastIndexOf('/node_modules/') + 1).replace(/^node_modules\/|^\/?var\/task\//, '');
}

function text(value) {
  return typeof value === 'string' ? value.slice(0, MOST_TEXT) : '';
}

/** An error as one line; to ask it may fail, too. */
function said(error) {
  try {
    return `${error.name}: ${error.message}`.split('\n')[0].slice(0, 2 * MOST_TEXT);
  } catch {
    return 'Error';
  }
}

/** Do what loads something, and tell; the first error ends it. */
async function record(acts) {
  const recorder = new Recorder();
  let fault = null;
  recorder.begin();
  try {
    for (const act of acts) {
      const pending = act(recorder);
      if (pending) await pending;
    }
  } catch (error) {
    fault = said(error);
  }
  recorder.end();
  return { seconds: recorder.seconds, imports: recorder.rows, error: fault };
}

function loaded(name, recorder) {
  try {
    require(name);
  } catch (error) {
    if (error && MODULES_ALONE.has(error.code)) return imported(name, recorder);
    throw error;
  }
  return undefined;
}

/** ES modules are loaded where nobody can look on: the package is told as one. */
async function imported(name, recorder) {
  const description = folders().map((folder) => path.join(folder, name, 'package.json')).find(fs.existsSync);
  const leave = recorder.enter(text(name), text(description));
  try {
    await import(name);
  } finally {
    leave();
  }
}

/** Load another handler as the runtime does; what that has cost. */
function coldStart(target) {
  if (process.env._HANDLER === 'lamella_profile.handler') process.env._HANDLER = target;
  const { load } = require('/var/runtime/load.cjs');
  return record([async (recorder) => {
    const leave = recorder.enter(text(target), `${TASK}/`);
    // What is required is loaded when this returns, ES modules are not: then whose the time is,
    // nobody can tell.
    const pending = load(TASK, target);
    if (recorder.rows.length === 1) recorder.rows[0][4] = 'esm:';
    try {
      await pending;
    } finally {
      leave();
    }
  }]);
}

/** What the layers bring that can be required: the folders of node_modules. */
function packages() {
  const found = new Set();
  for (const folder of folders()) {
    for (const name of listed(folder)) {
      if (!name.startsWith('@')) found.add(name);
      // Types are for compilers.
      else if (name !== '@types') listed(path.join(folder, name)).forEach((each) => found.add(`${name}/${each}`));
    }
  }
  return [...found].filter((name) => name.length <= MOST_TEXT).sort();
}

function folders() {
  const major = /\d+/.exec(process.env.AWS_EXECUTION_ENV || '')[0];
  return [`/opt/nodejs/node${major}/node_modules`, '/opt/nodejs/node_modules'];
}

function listed(folder) {
  try {
    return fs.readdirSync(folder).filter((name) => /^[@\w]/.test(name) && fs.statSync(path.join(folder, name)).isDirectory());
  } catch {
    return [];
  }
}

/** `record` in a process of its own. */
async function measured(names) {
  clear();
  const { spawn } = require('node:child_process');
  const command = [...process.execArgv, __filename, ...names];
  const child = spawn(process.execPath, command, { stdio: 'ignore', detached: true });
  let isLate = false;
  const end = () => {
    // Everything that the process began goes with it, but for what hides from it.
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch { /* it has ended */ }
  };
  const timer = setTimeout(() => { isLate = true; end(); }, IMPORT_SECONDS * 1000);
  const how = await new Promise((resolve) => {
    child.on('exit', (code, signal) => resolve(signal || `exit code ${code}`));
  });
  clearTimeout(timer);
  end();
  if (fs.existsSync(ANSWER) && fs.statSync(ANSWER).size <= MOST_ANSWER) {
    return JSON.parse(fs.readFileSync(ANSWER, 'utf8'));
  }
  return {
    error: isLate
      ? `the import took longer than ${IMPORT_SECONDS} seconds`
      : `the process ended during the import (${how})`,
  };
}

/** Each process finds the empty /tmp that a cold start finds. */
function clear() {
  for (const name of fs.readdirSync('/tmp')) fs.rmSync(path.join('/tmp', name), { recursive: true, force: true });
}

async function child(names) {
  const told = await record(names.map((name) => (recorder) => loaded(name, recorder)));
  fs.writeFileSync(`${ANSWER}.part`, JSON.stringify(told));
  fs.renameSync(`${ANSWER}.part`, ANSWER);
  // What the packages have begun is not waited for.
  process.exit(0);
}

let started = null;
if (require.main === module) child(process.argv.slice(2));
else if (fs.existsSync(TARGET)) started = coldStart(fs.readFileSync(TARGET, 'utf8'));

exports.handler = async (event) => {
  if (event.packages) return packages();
  if (event.import) return measured(event.import);
  return started;
};
