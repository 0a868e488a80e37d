'use strict';
// A runtime that was started before anybody knew for which function.

const fs = require('node:fs');

const ORDERS = 7;
const SAYS = 8;
const PIECE = 65536;

function readAll(descriptor) {
  const parts = [];
  for (;;) {
    const part = Buffer.allocUnsafe(PIECE);
    const size = fs.readSync(descriptor, part);
    if (size === 0) return Buffer.concat(parts).toString();
    parts.push(part.subarray(0, size));
  }
}

/** Wait until it is said which function this is; the environment is that function's then. */
function becomeFunction() {
  const { env } = process;
  fs.writeSync(SAYS, '\n');
  fs.closeSync(SAYS);
  const told = readAll(ORDERS);
  fs.closeSync(ORDERS);
  // Nobody is told anything when the server has ended.
  if (told === '') process.exit(1);
  const variables = new Map(told.split('\0').map((variable) => {
    const equals = variable.indexOf('=');
    return [variable.slice(0, equals), variable.slice(equals + 1)];
  }));
  // What is right already is left alone: whenever TZ is set, Node.js looks for its zone anew.
  for (const name of Object.keys(env)) if (variables.get(name) !== env[name]) delete env[name];
  for (const [name, value] of variables) if (env[name] !== value) env[name] = value;
  process.chdir(env.PWD);
}

/** `begin`, at once or when this has become a function's runtime: called from the same place. */
function whenKnown(client, begin) {
  if (process.env._LAMELLA_WAITS === undefined) {
    setImmediate(begin);
    return;
  }
  client.whenConnected(() => {
    becomeFunction();
    setImmediate(begin);
  });
}

module.exports = { whenKnown };
