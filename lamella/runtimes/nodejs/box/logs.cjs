'use strict';
// The console in AWS's log formats, one line on stdout for each call.

const { format } = require('node:util');

const LEVELS = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'];
const METHODS = { trace: 'TRACE', debug: 'DEBUG', info: 'INFO', log: 'INFO', warn: 'WARN', error: 'ERROR', fatal: 'FATAL' };

const current = { requestId: undefined };

function text(level, parameters) {
  // Before the first invocation the place of the id reads "undefined", as on AWS.
  const line = [new Date().toISOString(), String(current.requestId), level, format(...parameters)];
  // A record is one line: line feeds within it are carriage returns, as on AWS.
  return line.join('\t').replace(/\n/g, '\r');
}

function describe(error) {
  return {
    errorType: error?.constructor?.name ?? 'UnknownError',
    errorMessage: error.message,
    stackTrace: typeof error.stack === 'string' ? error.stack.split('\n') : [],
  };
}

function json(level, parameters) {
  const record = { timestamp: new Date().toISOString(), level, requestId: current.requestId };
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

/** Put console's methods in place; levels below AWS_LAMBDA_LOG_LEVEL are silent. */
function patchConsole() {
  const render = (process.env.AWS_LAMBDA_LOG_FORMAT || '').toUpperCase() === 'JSON' ? json : text;
  const least = Math.max(0, LEVELS.indexOf((process.env.AWS_LAMBDA_LOG_LEVEL || 'TRACE').toUpperCase()));
  for (const [method, level] of Object.entries(METHODS)) {
    console[method] = LEVELS.indexOf(level) < least
      ? () => {}
      : (...parameters) => { process.stdout.write(render(level, parameters) + '\n'); };
  }
}

module.exports = { current, patchConsole };
