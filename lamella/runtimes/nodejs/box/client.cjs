'use strict';
// The Runtime API over one kept connection.
//
// An answer and the question for the next invocation leave in one write, because the question
// follows at once in any case. The connection holds the event loop only while the question is
// open: a handler whose loop runs empty must be noticed.

const net = require('node:net');
const { Writable } = require('node:stream');

const PREFIX = '/2018-06-01/runtime/';
const HEAD_END = Buffer.from('\r\n\r\n');

/** Takes bytes, hands out whole answers: {status, headers, body}. */
class Answers {
  constructor(onAnswer) {
    this.onAnswer = onAnswer;
    this.parts = [];
    this.size = 0;
    this.answer = null;
  }

  push(data) {
    this.parts.push(data);
    this.size += data.length;
    while (this.step());
  }

  step() {
    if (this.answer === null) {
      const data = this.joined();
      const end = data.indexOf(HEAD_END);
      if (end < 0) return false;
      this.answer = readHead(data.toString('utf8', 0, end));
      this.keep(data.subarray(end + 4));
    }
    if (this.size < this.answer.length) return false;
    const data = this.joined();
    const { status, headers, length } = this.answer;
    this.answer = null;
    this.keep(data.subarray(length));
    this.onAnswer({ status, headers, body: data.subarray(0, length) });
    return this.size > 0;
  }

  joined() {
    if (this.parts.length > 1) this.parts = [Buffer.concat(this.parts, this.size)];
    return this.size === 0 ? Buffer.alloc(0) : this.parts[0];
  }

  keep(rest) {
    this.parts = rest.length === 0 ? [] : [rest];
    this.size = rest.length;
  }
}

function readHead(text) {
  const lines = text.split('\r\n');
  const headers = Object.create(null);
  for (let i = 1; i < lines.length; i += 1) {
    const colon = lines[i].indexOf(':');
    headers[lines[i].slice(0, colon).toLowerCase()] = lines[i].slice(colon + 1).trim();
  }
  return { status: Number(lines[0].slice(9, 12)), headers, length: Number(headers['content-length'] || 0) };
}

class RuntimeClient {
  constructor(address) {
    const colon = address.lastIndexOf(':');
    this.common = `HTTP/1.1\r\nHost: ${address}\r\nUser-Agent: aws-lambda-nodejs/${process.version}-lamella\r\n`;
    this.question = `GET ${PREFIX}invocation/next ${this.common}\r\n`;
    this.expected = [];
    this.socket = net.connect({ host: address.slice(0, colon), port: Number(address.slice(colon + 1)), noDelay: true });
    const answers = new Answers((answer) => this.expected.shift()(answer));
    this.socket.on('data', (data) => answers.push(data));
    // The server is gone, and with it whoever could read a complaint.
    this.socket.on('error', () => process.exit(1));
    this.socket.on('close', () => process.exit(1));
  }

  /** Whether an answer is awaited: nothing else can be said on this connection then. */
  get busy() {
    return this.expected.length > 0;
  }

  /** Call `then` once the server can be spoken to. */
  whenConnected(then) {
    this.socket.once('connect', then);
  }

  /** Ask for the first invocation. */
  next(onInvocation) {
    this.send(this.question, [onInvocation]);
  }

  /** Answer and ask for the next invocation. */
  respond(id, body, onInvocation) {
    const head = this.head(`invocation/${id}/response`, 'application/json', Buffer.byteLength(body));
    this.send(head + body + this.question, [ignore, onInvocation]);
  }

  fail(id, error, onInvocation) {
    this.send(this.errorRequest(`invocation/${id}/error`, error) + this.question, [ignore, onInvocation]);
  }

  /** Post a last error; `done` is called when it has arrived. */
  failLast(id, error, done) {
    const path = id === undefined ? 'init/error' : `invocation/${id}/error`;
    this.send(this.errorRequest(path, error), [done]);
  }

  errorRequest(path, error) {
    const body = JSON.stringify(error);
    const type = `Lambda-Runtime-Function-Error-Type: ${headerSafe(error.errorType)}\r\n`;
    return this.head(path, 'application/json', Buffer.byteLength(body), type) + body;
  }

  head(path, contentType, length, more = '') {
    return `POST ${PREFIX}${path} ${this.common}Content-Type: ${contentType}\r\n${more}Content-Length: ${length}\r\n\r\n`;
  }

  send(data, callbacks) {
    this.expected.push(...callbacks);
    this.socket.ref();
    this.socket.write(data);
  }

  /** While the handler runs, the connection must not keep the event loop alive. */
  rest() {
    this.socket.unref();
  }

  /** A stream whose first write opens the response. */
  stream(id, highWaterMark) {
    return new ResponseStream(this, id, highWaterMark);
  }
}

class ResponseStream extends Writable {
  constructor(client, id, highWaterMark) {
    super(highWaterMark === undefined ? {} : { highWaterMark });
    this.client = client;
    this.id = id;
    this.contentType = 'application/octet-stream';
    this.opened = false;
    this._onBeforeFirstWrite = undefined;
  }

  setContentType(contentType) {
    this.contentType = contentType;
  }

  open() {
    if (this.opened) return;
    this.opened = true;
    const { client } = this;
    client.socket.write(
      `POST ${PREFIX}invocation/${this.id}/response ${client.common}` +
      `Content-Type: ${headerSafe(this.contentType)}\r\n` +
      'Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n' +
      'Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n');
    if (this._onBeforeFirstWrite) this._onBeforeFirstWrite((data) => this.chunk(data, ignore));
  }

  chunk(data, done) {
    const bytes = typeof data === 'string' ? Buffer.from(data) : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    if (bytes.length === 0) {
      done();
      return;
    }
    const { socket } = this.client;
    socket.ref();
    socket.write(`${bytes.length.toString(16)}\r\n`);
    socket.write(bytes);
    socket.write('\r\n', () => {
      if (!this.client.busy) socket.unref();
      done();
    });
  }

  write(chunk, ...rest) {
    const plain = chunk !== null && typeof chunk === 'object' && !ArrayBuffer.isView(chunk);
    return super.write(plain ? JSON.stringify(chunk) : chunk, ...rest);
  }

  _write(chunk, _encoding, callback) {
    this.open();
    this.chunk(chunk, callback);
  }

  /** End the response, with the error it broke off with if there is one, and ask for more. */
  settle(error, onInvocation) {
    this.client.send(this.last(error) + this.client.question, [ignore, onInvocation]);
  }

  /** End the response with a last error; `done` is called when it has arrived. */
  settleLast(error, done) {
    this.client.send(this.last(error), [done]);
  }

  last(error) {
    this.open();
    let trailers = '';
    if (error !== undefined) {
      trailers = `Lambda-Runtime-Function-Error-Type: ${headerSafe(error.errorType)}\r\n` +
        `Lambda-Runtime-Function-Error-Body: ${Buffer.from(JSON.stringify(error)).toString('base64')}\r\n`;
    }
    return `0\r\n${trailers}\r\n`;
  }
}

function headerSafe(value) {
  return String(value).replace(/[^\x20-\x7e]/g, '?').slice(0, 256);
}

function ignore() {}

module.exports = { RuntimeClient };
