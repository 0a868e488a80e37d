'use strict';
// The heap's limits, out of the way of what was compiled ahead.
//
// V8 takes a compiled module from a cache only if it was compiled under the same flags, and up to
// Node.js 23 the flags that set a heap's size count among them: with them Node.js compiles every
// module of its own anew, which took a sixth of a start. The heap has its limits once it is made,
// so the flags go back to their defaults until somebody needs them: a worker's heap is made by
// the same flags, for which reason they are put back before the first worker.

const LIMIT = /^--max-(?:semi|old)-space-size=\d+$/;
const LAST_AFFECTED = 23;

/** V8's flags without loading all of node:v8, which costs more than is gained, and silently. */
function binding() {
  const before = Object.getOwnPropertyDescriptor(process, 'noDeprecation');
  Object.defineProperty(process, 'noDeprecation', { value: true, configurable: true, writable: true, enumerable: true });
  try {
    return process.binding('v8');
  } catch {
    return undefined;
  } finally {
    if (before === undefined) delete process.noDeprecation;
    else Object.defineProperty(process, 'noDeprecation', before);
  }
}

/** Call `act` before a worker is made, in whatever way `Worker` is come by. */
function beforeWorkers(act) {
  const threads = require('node:worker_threads');
  const watched = new Proxy(threads.Worker, {
    construct(target, parameters, made) {
      act();
      return Reflect.construct(target, parameters, made);
    },
  });
  threads.Worker.prototype.constructor = watched;
  threads.Worker = watched;
  require('node:module').syncBuiltinESMExports();
}

function free() {
  const flags = process.execArgv.filter((option) => LIMIT.test(option));
  if (flags.length === 0 || Number.parseInt(process.versions.node, 10) > LAST_AFFECTED) return;
  const v8 = binding();
  if (v8 === undefined) return;
  for (const flag of flags) v8.setFlagsFromString(flag.replace(/\d+$/, '0'));
  beforeWorkers(() => flags.forEach((flag) => v8.setFlagsFromString(flag)));
}

module.exports = { free };
