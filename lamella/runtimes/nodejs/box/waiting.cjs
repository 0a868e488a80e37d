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
  for (const name of Object.keys(env)) delete env[name];
  for (const variable of told.split('\0')) {
    const equals = variable.indexOf('=');
    env[variable.slice(0, equals)] = variable.slice(equals + 1);
  }
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
