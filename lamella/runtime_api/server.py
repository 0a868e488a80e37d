"""The Runtime API of one environment: HTTP on a listener that only this environment can reach.

Owns the protocol (routes, headers, bodies, limits of what a hostile client may send); what a
call means is `lamella.runtime_api.runtime`'s. Bodies pass through as bytes.

What a client can make the server hold is bounded: `CONNECTIONS` connections, `HEAD_BYTES` of
unfinished head, chunk head or trailers each, and one answer of `RESPONSE_BYTES` in all, because
bodies are kept only where the runtime's state expects one. A streamed response goes to the
invocation's `Sink` as it comes, and is read no faster than that takes it. Malformed HTTP costs its sender the
connection and nobody else anything.

Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html; error bodies as AWS's
Runtime Interface Emulator sends them.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Final, cast

import httptools

from lamella.model.invocation import Event, Reply, Sink
from lamella.model.lifecycle import RuntimeEvent
from lamella.model.limits import RESPONSE_BYTES, STREAMED_RESPONSE_BYTES
from lamella.runtime_api import extension_calls, restore, wire
from lamella.runtime_api.extension_calls import Call
from lamella.runtime_api.extensions import About, Extensions, Line, Said
from lamella.runtime_api.restore import Restore, Stage
from lamella.runtime_api.runtime import STREAM_TOO_LARGE, TOO_LARGE, TRUNCATED, Runtime
from lamella.runtime_api.telemetry import Telemetry

_log = logging.getLogger(__name__)

CONNECTIONS: Final = 64
MESSAGES: Final = 8
"""Requests that one read may bring: no client asks again before it was answered."""
# The clients of AWS send causes of errors of up to 1 MiB in a header.
HEAD_BYTES: Final = 1_310_720
DISCARD_BYTES: Final = 8 * RESPONSE_BYTES
JOIN_BYTES: Final = 65_536

_PREFIX: Final = b"/2018-06-01/runtime/"
_NEXT: Final = _PREFIX + b"invocation/next"
_INVOCATION: Final = _PREFIX + b"invocation/"
_INIT_ERROR: Final = _PREFIX + b"init/error"
_IMPORTS: Final = b"/2018-06-01/lamella/imports"
CALL_BYTES: Final = 65_536
"""What an extension may send with one call, or a runtime that tells what it imported."""
_ANSWERS: Final = {b"response": RuntimeEvent.RESPONSE, b"error": RuntimeEvent.ERROR}
_OF_INIT: Final = (RuntimeEvent.INIT_ERROR, RuntimeEvent.RESTORE_ERROR)


class RuntimeApi:
    """Serves one environment's runtime; make one inside a running event loop.

    ``on_idle`` is called each time the runtime asks for ``next`` with nothing left to do.
    ``extensions`` and ``telemetry`` answer what extensions ask; without them nobody may
    subscribe or has been started, but those inside the runtime may register. ``on_imports``
    is given what the runtime says it imported, once; without it there is no such call. ``restore``
    is what SnapStart is to the runtime; without it there are no such calls.
    """

    def __init__(
        self,
        *,
        on_idle: Callable[[], None] | None = None,
        extensions: Extensions | None = None,
        telemetry: Telemetry | None = None,
        on_imports: Callable[[bytes], None] | None = None,
        restore: Restore | None = None,
    ) -> None:
        self._on_idle = on_idle
        self.restore = restore
        self.on_imports = on_imports
        nobody = Extensions(About("", "", "", ""), ())
        self.extensions = nobody if extensions is None else extensions
        self.telemetry = Telemetry(unreachable) if telemetry is None else telemetry
        self._free = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self.runtime = Runtime(self._idled, None if restore is None else restore.stage)

    def begin_plainly(self) -> None:
        """Before anything is served: a runtime that was to be restored goes all the way itself."""
        if self.restore is not None and self.restore.stage is Stage.RESTORED:
            self.restore = replace(self.restore, stage=Stage.PLAIN)
            self.runtime = Runtime(self._idled, Stage.PLAIN)

    async def serve(self, listener: socket.socket) -> None:
        """Answer on ``listener`` (bound, in whichever network namespace) until ``close``."""
        listener.setblocking(False)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), sock=listener)

    async def initialised(self) -> Reply | None:
        """None at the first ``next``, the posted Reply at ``init/error`` or ``restore/error``.

        Raises RuntimeGone when the API is closed first.
        """
        return await asyncio.shield(self.runtime.initialised)

    @property
    def idle(self) -> bool:
        """Whether the runtime waits in ``next``: the environment is free."""
        return self.runtime.idle

    @property
    def undelivered(self) -> bool:
        """Whether an invocation waits for a `next` that has not come."""
        return self.runtime.undelivered

    async def wait_idle(self) -> None:
        """Return when the runtime waits in ``next``."""
        while not self.runtime.idle:
            self._free.clear()
            await self._free.wait()

    def invoke(self, event: Event) -> asyncio.Future[Reply]:
        """Send ``event`` to the waiting ``next``, or to the one that comes.

        The Future ends with the posted response or error; it raises RuntimeGone when
        the API is closed first. Raises RuntimeError while another invocation is under way.
        """
        return self.runtime.invoke(event)

    def close(self) -> None:
        """Close the listener and every connection at once; whoever waits gets RuntimeGone."""
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._connections):
            connection.drop()
        self.runtime.end()

    def take_imports(self, _: Extensions, __: Telemetry, body: bytes, line: Line) -> Said:
        """The call with which the runtime tells what it imported."""
        tell, self.on_imports = self.on_imports, None
        if tell is not None:
            tell(body)
        return Said(202, b'{"status":"OK"}\n')

    def take_restore(self, _: Extensions, __: Telemetry, body: bytes, line: Line) -> Said | None:
        """The call with which the runtime asks to be restored: at once, unless it is to be kept."""
        kept = self.restore is not None and self.restore.stage is Stage.SNAPSHOT
        return None if kept else Said(200, b"")

    def _idled(self) -> None:
        self._free.set()
        if self._on_idle is not None:
            self._on_idle()

    def admit(self, connection: _Connection) -> bool:
        if len(self._connections) >= CONNECTIONS:
            return False
        self._connections.add(connection)
        return True

    def forget(self, connection: _Connection) -> None:
        self._connections.discard(connection)


async def unreachable(port: int) -> socket.socket:
    raise ConnectionError(f"nothing listens on port {port}")


class _Connection(asyncio.Protocol):
    """One connection; requests are answered in the order in which they came."""

    def __init__(self, api: RuntimeApi) -> None:
        self._api = api
        self._runtime = api.runtime
        self._transport: asyncio.Transport
        self._parser = httptools.HttpRequestParser(self)
        self._unfinished = 0
        self._messages = 0
        self._waiting = False
        self._closed = False
        self._keep_alive = True
        self._reset_request()

    def _reset_request(self) -> None:
        self._url = b""
        self._error_type = b""
        self._error_body = b""
        self._content_type = b""
        self._streams = False
        self._fields: dict[bytes, bytes] = {}
        self._call: Call | None = None
        self._sink: Sink | None = None
        self._expects = False
        self._accepts: RuntimeEvent | None = None
        self._refusal: bytes | None = None
        self._body: bytes | bytearray = b""
        self._size = 0

    # The transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods of asyncio's without being subclasses of them.
        self._transport = cast("asyncio.Transport", transport)
        if not self._api.admit(self):
            self._closed = True
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed = True
        self._abandon()
        self._api.forget(self)

    def data_received(self, data: bytes) -> None:
        if self._closed:
            return
        self._unfinished += len(data)
        self._messages = 0
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError:
            _log.exception("Runtime API: a request could not be handled")
            self.drop()
            return
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.drop()
            return
        if self._unfinished > HEAD_BYTES and not self._closed:
            self._transport.write(wire.HEAD_TOO_LARGE)
            self._end()

    def pause_writing(self) -> None:
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._transport.resume_reading()

    # What the runtime asks of its line

    def deliver(self, event: Event) -> None:
        self._waiting = False
        if self._transport.get_write_buffer_size() > JOIN_BYTES:
            # It asks again and again without reading what it got.
            self.drop()
            return
        head = wire.invocation_head(event)
        if not self._keep_alive:
            head = wire.closing(head)
        if len(event.payload) <= JOIN_BYTES:
            self._transport.write(head + event.payload)
        else:
            self._transport.write(head)
            self._transport.write(event.payload)
        if not self._keep_alive:
            self._end()

    def deliver_event(self, said: Said) -> None:
        self._waiting = False
        if not self._closed:
            self._write(wire.answer_of(said))

    def drop(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._transport.abort()
        self._abandon()

    def _end(self) -> None:
        """Close once everything written is sent."""
        self._closed = True
        self._transport.close()
        self._abandon()

    def _abandon(self) -> None:
        if self._sink is not None:
            self._runtime.finish(TRUNCATED)
        elif self._accepts is not None:
            self._runtime.cut()
        self._accepts = self._sink = None
        self._body = b""
        self._waiting = False
        self._call = None
        self._runtime.lost(self)
        self._api.extensions.lost(self)

    # The parser

    def on_message_begin(self) -> None:
        if self._waiting:
            # Nothing can be asked behind a `next` that is not answered.
            self.drop()
        self._reset_request()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        size = len(name)
        if size == 34 and name.lower() == b"lambda-runtime-function-error-type":
            self._error_type = value
        elif size == 34 and name.lower() == b"lambda-runtime-function-error-body":
            self._error_body = value
        elif size == 12 and name.lower() == b"content-type":
            self._content_type = value
        elif size == 37 and name.lower() == b"lambda-runtime-function-response-mode":
            self._streams = value.lower() == b"streaming"
        elif name[:17].lower() == extension_calls.FIELD:
            self._fields[name.lower()] = value
        elif size == 13 and name.lower() == b"authorization":
            self._fields[b"authorization"] = value
        elif size == 6 and name.lower() == b"expect":
            self._expects = value.lower() == b"100-continue"

    def on_headers_complete(self) -> None:
        self._unfinished = 0
        if self._closed:
            return
        self._refusal = self._route(self._parser.get_method(), self._url)
        if self._expects and self._refusal is None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_chunk_header(self) -> None:
        self._unfinished = 0

    def on_body(self, body: bytes) -> None:
        self._unfinished = 0
        self._size += len(body)
        if self._sink is not None:
            self._pour(self._sink, body)
        elif self._accepts is None and (self._call is None or self._size > CALL_BYTES):
            self._body = b""
            if self._size > DISCARD_BYTES:
                self.drop()
        elif self._size > RESPONSE_BYTES:
            self._refuse_size()
        elif self._size == len(body):
            self._body = body
        else:
            # One growing buffer: a list of the parts would cost forty bytes for each of them.
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)
            self._body += body

    def _pour(self, sink: Sink, body: bytes) -> None:
        if self._size > STREAMED_RESPONSE_BYTES:
            self._refuse_size()
        elif not sink.write(body):
            self._transport.pause_reading()

    def _resume(self) -> None:
        if not self._closed:
            self._transport.resume_reading()

    def on_message_complete(self) -> None:
        self._unfinished = 0
        if self._closed:
            return
        self._messages += 1
        if self._messages > MESSAGES:
            self.drop()
            return
        self._keep_alive = self._parser.should_keep_alive()
        if self._refusal is not None:
            self._write(self._refusal)
        elif self._call is not None:
            self._answer_call(self._call)
        elif self._accepts is None:
            self._next()
        else:
            self._accept(self._accepts)

    # Routes

    def _route(self, method: bytes, url: bytes) -> bytes | None:
        """What to refuse the request with, or None; a body is kept only if it is wanted."""
        if url == _NEXT:
            return None if method == b"GET" else wire.NOT_ALLOWED
        if url == _INIT_ERROR:
            return self._expect_body(method, RuntimeEvent.INIT_ERROR)
        if url.startswith(extension_calls.PREFIXES):
            return self._route_call(method, url)
        if url == _IMPORTS and self._api.on_imports is not None:
            self._call = self._api.take_imports
            return None if method == b"POST" else wire.NOT_ALLOWED
        if self._api.restore is not None and url in restore.CALLS:
            return self._route_restore(self._api.restore, method, url)
        if url.startswith(_INVOCATION):
            request_id, _, action = url[len(_INVOCATION) :].partition(b"/")
            event = _ANSWERS.get(action)
            if event is not None:
                if method == b"POST" and not self._runtime.knows(request_id):
                    return wire.UNKNOWN_ID
                return self._expect_body(method, event)
        return wire.NOT_FOUND

    def _route_restore(self, about: Restore, method: bytes, url: bytes) -> bytes | None:
        """The same for what a runtime with SnapStart asks."""
        if url == restore.ERROR:
            return self._expect_body(method, RuntimeEvent.RESTORE_ERROR)
        if method != b"GET":
            return wire.NOT_ALLOWED
        if url == restore.CREDENTIALS:
            return wire.answer_of(about.answer(self._fields.get(b"authorization", b"")))
        self._call, state = self._api.take_restore, self._runtime.state
        return None if self._runtime.restore() else wire.illegal(state, RuntimeEvent.RESTORE)

    def _route_call(self, method: bytes, url: bytes) -> bytes | None:
        """The same for what extensions ask."""
        found = extension_calls.route(method, url, self._fields)
        if found is None:
            return wire.NOT_FOUND
        if isinstance(found, Said):
            return wire.answer_of(found)
        self._call = found
        return None

    def _answer_call(self, call: Call) -> None:
        body, self._body, self._call = bytes(self._body), b"", None
        self._waiting = True
        said = call(self._api.extensions, self._api.telemetry, body, self)
        if said is not None:
            self.deliver_event(said)

    def _expect_body(self, method: bytes, event: RuntimeEvent) -> bytes | None:
        if method != b"POST":
            return wire.NOT_ALLOWED
        state = self._runtime.state
        if not self._runtime.begin(event):
            return wire.illegal(state, event)
        self._accepts = event
        invoked = self._runtime.event
        if self._streams and event is RuntimeEvent.RESPONSE and invoked and invoked.sink:
            self._sink = invoked.sink
            self._sink.begin(self._content_type.decode("latin-1"), self._resume)
        return None

    def _next(self) -> None:
        self._waiting = True
        state = self._runtime.state
        if not self._runtime.next(self):
            self._waiting = False
            self._write(wire.illegal(state, RuntimeEvent.NEXT))

    def _accept(self, event: RuntimeEvent) -> None:
        self._accepts = self._sink = None
        payload = bytes(self._body)
        self._body = b""
        if event in _OF_INIT:
            name = wire.error_name(self._error_type) or "Runtime.Unknown"
            self._runtime.fail_init(Reply(payload, name))
        elif event is RuntimeEvent.ERROR:
            name = wire.error_name(self._error_type) or "Function.Unknown"
            self._runtime.finish(Reply(payload, name))
        elif self._error_type:
            self._runtime.finish(wire.streamed_error(self._error_type, self._error_body))
        else:
            self._runtime.finish(Reply(payload))
        self._write(wire.ACCEPTED)

    def _refuse_size(self) -> None:
        """The caller gets its error now; the rest of the body is read and thrown away."""
        event, self._accepts = self._accepts, None
        sink, self._sink = self._sink, None
        self._body = b""
        self._refusal = wire.EXCEEDED
        if sink is not None:
            self._runtime.finish(STREAM_TOO_LARGE)
        elif event in _OF_INIT:
            self._runtime.fail_init(TOO_LARGE)
        else:
            self._runtime.finish(TOO_LARGE)

    def _write(self, response: bytes) -> None:
        if self._keep_alive:
            self._transport.write(response)
        else:
            self._transport.write(wire.closing(response))
            self._end()
