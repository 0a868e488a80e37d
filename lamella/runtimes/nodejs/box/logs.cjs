'use strict';
// The console in AWS's log formats: each call is one record.
//
// Records go as frames to the descriptor that _LAMBDA_TELEMETRY_LOG_FD names, so that one of
// several lines stays one; without it, or if a wrapper has closed it, to stdout, a line each.

const { fstatSync, writeSync } = require('node:fs');
const { format } = require('node:util');
const errors = require('./errors.cjs');

const LEVELS = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'];
const METHODS = { trace: 'TRACE', debug: 'DEBUG', info: 'INFO', log: 'INFO', warn: 'WARN', error: 'ERROR', fatal: 'FATAL' };
const FRAME = 0xa55a0000;
const JSON_FORM = 2;
const TEXT_FORM = 3;
const HEADER_BYTES = 16;

const current = { requestId: undefined };
let isJson = false;

function text(time, level, parameters) {
  // Before the first invocation the place of the id reads "undefined", as on AWS.
  return [time.toISOString(), String(current.requestId), level, format(...parameters)].join('\t');
}

function describe(error) {
  return {
    errorType: error?.constructor?.name ?? 'UnknownError',
    errorMessage: error.message,
    stackTrace: typeof error.stack === 'string' ? error.stack.split('\n') : [],
  };
}

function json(time, level, parameters) {
  const record = { timestamp: time.toISOString(), level, requestId: current.requestId };
  if (parameters.length === 1) {
    try {
      return JSON.stringify({ ...record, message: parameters[0] }, (_, value) =>
        (value instanceof Error ? Object.assign(describe(value), value) : value));
    } catch {
      return JSON.stringify({ ...record, message: format(parameters[0]) });
    }
  }
  const error = parameters.find((parameter) => parameter instanceof Error);
  return JSON.stringify({ ...record, message: format(...parameters), ...(error && describe(error)) });
}

/** Write all of `data`, also to a descriptor that somebody has made non-blocking. */
function writeAll(descriptor, data) {
  for (let at = 0; at < data.length;) {
    try {
      at += writeSync(descriptor, data, at);
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

function frames(descriptor) {
  const form = isJson ? JSON_FORM : TEXT_FORM;
  return (time, level, record) => {
    const size = Buffer.byteLength(record) + 1;
    const frame = Buffer.allocUnsafe(HEADER_BYTES + size);
    frame.writeUInt32BE(FRAME + ((LEVELS.indexOf(level) + 1) << 2) + form, 0);
    frame.writeUInt32BE(size, 4);
    frame.writeBigUInt64BE(BigInt(time.getTime()) * 1000n, 8);
    frame.write(record, HEADER_BYTES);
    frame[frame.length - 1] = 10;
    writeAll(descriptor, frame);
  };
}

/** A record on stdout is one line: line feeds within it are carriage returns, as on AWS. */
function lines(_time, _level, record) {
  process.stdout.write(record.replace(/\n/g, '\r') + '\n');
}

function sink() {
  const name = process.env._LAMBDA_TELEMETRY_LOG_FD;
  delete process.env._LAMBDA_TELEMETRY_LOG_FD;
  if (!/^\d{1,6}$/.test(name ?? '')) return lines;
  try {
    fstatSync(Number(name));
  } catch {
    return lines;
  }
  return frames(Number(name));
}

/** Put console's methods in place; levels below AWS_LAMBDA_LOG_LEVEL are silent. */
function patchConsole() {
  isJson = (process.env.AWS_LAMBDA_LOG_FORMAT || '').toUpperCase() === 'JSON';
  const render = isJson ? json : text;
  const write = sink();
  const least = Math.max(0, LEVELS.indexOf((process.env.AWS_LAMBDA_LOG_LEVEL || 'TRACE').toUpperCase()));
  for (const [method, level] of Object.entries(METHODS)) {
    console[method] = LEVELS.indexOf(level) < least
      ? () => {}
      : (...parameters) => {
        const time = new Date();
        write(time, level, render(time, level, parameters));
      };
  }
}

/** Log what ended an invocation, or the runtime. */
function failure(title, error) {
  if (isJson) console.error(error instanceof Error ? error : new Error(error));
  else console.error(title, errors.toLogged(error));
}

module.exports = { current, failure, patchConsole };
