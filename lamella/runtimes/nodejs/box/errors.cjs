'use strict';
// Errors as AWS's Node.js runtime names, words and logs them.

const { types } = require('node:util');

function named(name) {
  const made = class extends Error {};
  Object.defineProperty(made, 'name', { value: name });
  Object.defineProperty(made.prototype, 'name', { value: `Runtime.${name}`, writable: true });
  return made;
}

const ImportModuleError = named('ImportModuleError');
const HandlerNotFound = named('HandlerNotFound');
const MalformedHandlerName = named('MalformedHandlerName');
const MalformedStreamingHandler = named('MalformedStreamingHandler');
const InvalidStreamingOperation = named('InvalidStreamingOperation');
const UserCodeSyntaxError = named('UserCodeSyntaxError');
const CallbackHandlerDeprecated = named('CallbackHandlerDeprecated');

class UnhandledPromiseRejection extends named('UnhandledPromiseRejection') {
  constructor(reason, promise) {
    super(reason);
    this.reason = reason;
    this.promise = promise;
  }
}

function isError(value) {
  return types.isNativeError(value) || value instanceof Error || Boolean(
    value && value.name && value.message && value.stack);
}

/** What is posted for `error`: errorType, errorMessage, trace. */
function toResponse(error) {
  try {
    if (isError(error)) {
      return {
        errorType: String(error.name),
        errorMessage: error.message,
        trace: String(error.stack).split('\n'),
      };
    }
    return { errorType: typeof error, errorMessage: String(error), trace: [] };
  } catch {
    return {
      errorType: 'handled',
      errorMessage: 'callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack',
    };
  }
}

function enumerable(error) {
  return {
    errorType: error.name,
    errorMessage: error.message,
    code: error.code,
    ...error,
    stack: typeof error.stack === 'string' ? error.stack.split('\n') : [],
  };
}

/** The text that follows "Invoke Error" in the log. */
function toLogged(error) {
  try {
    return '\t' + JSON.stringify(error, (_, value) => (value instanceof Error ? enumerable(value) : value));
  } catch {
    return '\t' + JSON.stringify(toResponse(error));
  }
}

module.exports = {
  ImportModuleError,
  HandlerNotFound,
  MalformedHandlerName,
  MalformedStreamingHandler,
  InvalidStreamingOperation,
  UserCodeSyntaxError,
  CallbackHandlerDeprecated,
  UnhandledPromiseRejection,
  isError,
  toResponse,
  toLogged,
};
