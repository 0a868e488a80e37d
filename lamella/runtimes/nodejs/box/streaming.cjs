'use strict';
// The global `awslambda`: response streaming, and its HTTP prelude.

const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');
const HIGH_WATER_MARK = Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark');
const PRELUDE_TYPE = 'application/vnd.awslambda.http-integration-response';

function streamifyResponse(handler, options) {
  handler[STREAMING] = 'response';
  if (options && options.highWaterMark !== undefined) {
    handler[HIGH_WATER_MARK] = Number(options.highWaterMark);
  }
  return handler;
}

const HttpResponseStream = {
  /** `stream` with status code, headers and cookies in front of its first byte. */
  from(stream, prelude) {
    stream.setContentType(PRELUDE_TYPE);
    const head = JSON.stringify(prelude);
    stream._onBeforeFirstWrite = (write) => {
      write(head);
      write(new Uint8Array(8));
    };
    return stream;
  },
};

function install() {
  globalThis.awslambda = { streamifyResponse, HttpResponseStream };
}

module.exports = { install, STREAMING, HIGH_WATER_MARK };
