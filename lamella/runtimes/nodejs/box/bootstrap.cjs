'use strict';
// Runs a Node.js function: loads its handler, then answers one invocation after the other.

// First of all: whatever is loaded after it is loaded sooner.
require('./heap.cjs').free();

const { RuntimeClient } = require('./client.cjs');
const errors = require('./errors.cjs');
const logs = require('./logs.cjs');
const streaming = require('./streaming.cjs');
const { load } = require('./load.cjs');
const { whenKnown } = require('./waiting.cjs');

const { existsSync } = require('node:fs');
const { enableCompileCache } = require('node:module');

const COMPILED = '/opt/nodejs/.compile-cache';
const { env } = process;
const client = new RuntimeClient(env._LAMELLA_WAITS || env.AWS_LAMBDA_RUNTIME_API);

let withoutCallbacks = false;
let handler;
let whenEmpty = () => {};
let openStream;

function parseHeader(headers, name) {
  const value = headers[name];
  return value ? JSON.parse(value) : undefined;
}

/** The invocation's context without what answers it. */
function describe(headers) {
  const deadline = Number(headers['lambda-runtime-deadline-ms']);
  return {
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: parseHeader(headers, 'lambda-runtime-client-context'),
    identity: parseHeader(headers, 'lambda-runtime-cognito-identity'),
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    awsRequestId: headers['lambda-runtime-aws-request-id'],
    getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
  };
}

function serialise(result) {
  let text;
  try {
    text = JSON.stringify(result);
  } catch {
    throw new Error('Unable to stringify response body');
  }
  return text === undefined ? 'null' : text;
}

function isPromise(value) {
  return Boolean(value && typeof value.then === 'function');
}

function onInvocation({ status, headers, body }) {
  if (status !== 200) process.exit(1);
  client.rest();
  const id = headers['lambda-runtime-aws-request-id'];
  logs.current.requestId = id;
  setTrace(headers['lambda-runtime-trace-id']);
  if (handler[streaming.STREAMING] === 'response') stream(id, headers, body);
  else invoke(id, headers, body);
}

function setTrace(trace) {
  if (trace) env._X_AMZN_TRACE_ID = trace;
  else delete env._X_AMZN_TRACE_ID;
}

/** The functions by which a handler answers; only the first answer counts. */
function answers(id) {
  let answered = false;
  let waits = true;
  const once = (act) => {
    if (answered) return;
    answered = true;
    whenEmpty = () => {};
    act();
  };
  const failed = (error) => once(() => {
    logs.failure('Invoke Error', error);
    client.fail(id, errors.toResponse(error), onInvocation);
  });
  const succeeded = (result) => {
    if (answered) return;
    const text = serialise(result);
    once(() => client.respond(id, text, onInvocation));
  };
  const attempt = (result) => {
    try {
      succeeded(result);
    } catch (error) {
      failed(error);
    }
  };
  const done = (error, result) => (error === undefined || error === null ? attempt(result) : failed(error));
  const callback = (error, result) => {
    if (answered) return;
    if ((error === undefined || error === null) && waits) whenEmpty = () => setImmediate(attempt, result);
    else done(error, result);
  };
  const members = {
    get callbackWaitsForEmptyEventLoop() { return waits; },
    set callbackWaitsForEmptyEventLoop(value) { waits = Boolean(value); },
    succeed: (result) => done(null, result),
    fail: (error) => done(error === undefined || error === null ? 'handled' : error),
    done,
  };
  return { callback, failed, attempt, members };
}

/** `members` first, getters and all, as AWS's context has them. */
function contextOf(members, headers) {
  return withoutCallbacks ? describe(headers) : Object.assign(members, describe(headers));
}

function invoke(id, headers, body) {
  const { callback, failed, attempt, members } = answers(id);
  whenEmpty = () => attempt(null);
  try {
    const result = handler(JSON.parse(body.toString()), contextOf(members, headers), callback);
    if (isPromise(result)) result.then(members.succeed, failed);
    else if (withoutCallbacks) attempt(result);
  } catch (error) {
    failed(error);
  }
}

async function stream(id, headers, body) {
  const response = client.stream(id, handler[streaming.HIGH_WATER_MARK]);
  openStream = response;
  let answered = false;
  const finish = (error) => {
    if (answered) return;
    answered = true;
    whenEmpty = () => {};
    openStream = undefined;
    if (error === undefined) {
      response.settle(undefined, onInvocation);
      return;
    }
    logs.failure('Invoke Error', error);
    const described = errors.toResponse(error);
    if (response.opened) response.settle(described, onInvocation);
    else client.fail(id, described, onInvocation);
  };
  const ended = new Promise((resolve, reject) => {
    response.once('finish', resolve);
    response.once('error', reject);
  });
  whenEmpty = () => finish();
  try {
    const context = contextOf({ callbackWaitsForEmptyEventLoop: true }, headers);
    const result = handler(JSON.parse(body.toString()), response, context);
    if (!isPromise(result)) {
      throw new errors.MalformedStreamingHandler('Streaming does not support non-async handlers.');
    }
    await Promise.all([result, Promise.race([ended, result.then(() => ended)])]);
    finish();
  } catch (error) {
    finish(error === undefined || error === null ? 'handled' : error);
  }
}

/** What nobody caught ends the runtime, once the error has been posted. */
function fatal(title, error, status) {
  logs.failure(title, error);
  whenEmpty = () => {};
  const end = () => process.exit(status);
  if (client.busy) end();
  else if (openStream !== undefined && openStream.opened) openStream.settleLast(errors.toResponse(error), end);
  else client.failLast(logs.current.requestId, errors.toResponse(error), end);
}

/** Whoever takes three arguments expects the third to be the callback, unless it streams. */
function refuseCallback() {
  if (handler.length < 3 || handler[streaming.STREAMING] === 'response') return;
  throw new errors.CallbackHandlerDeprecated(
    'ERROR: AWS Lambda has removed support for callback-based function handlers starting with Node.js 24. ' +
    'You need to modify this function to use a supported handler signature to use Node.js 24 or later. ' +
    'For more information see https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html.');
}

/** Layers' modules were compiled ahead, where this Node.js can read that. */
function useCompiled() {
  if (enableCompileCache && !env.NODE_V8_COVERAGE && existsSync(COMPILED)) enableCompileCache(COMPILED);
}

async function main() {
  // From Node.js 24 on there are neither callbacks nor what belongs to them.
  withoutCallbacks = Number(/\d+/.exec(env.AWS_EXECUTION_ENV || '0')) >= 24;
  logs.patchConsole();
  streaming.install();
  process.on('uncaughtException', (error) => fatal('Uncaught Exception', error, 129));
  process.on('unhandledRejection', (reason, promise) =>
    fatal('Unhandled Promise Rejection', new errors.UnhandledPromiseRejection(reason, promise), 128));
  process.on('beforeExit', () => whenEmpty());
  try {
    useCompiled();
    handler = await load(env.LAMBDA_TASK_ROOT || '/var/task', env._HANDLER);
    if (withoutCallbacks) refuseCallback();
  } catch (error) {
    fatal('Uncaught Exception', error, 129);
    return;
  }
  client.next(onInvocation);
}

whenKnown(client, main);
