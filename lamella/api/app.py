"""HTTP in, one operation, HTTP out: a plain ASGI application.

Always three hops: here, `contract`, the operation. Operations that are coroutine functions run on
the event loop; the others run, with the reading of their input, in threads of the app's own.
This is the boundary at which any exception becomes an answer; no traceback leaves the server.
"""

from __future__ import annotations

import asyncio
import inspect
import ipaddress
import logging
import os
import time
from collections.abc import Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from lamella.api import authorise, aws_chunked, body, streamed
from lamella.api.access import AccessLog
from lamella.api.auth import Auth, credential
from lamella.api.caller import Caller
from lamella.api.contract import Contract, Operation
from lamella.api.metrics import RequestMetrics
from lamella.api.neighbourhood import PATH, Neighbourhood
from lamella.api.pages import METRICS, POOL, File, Pages
from lamella.api.parse import parse_query
from lamella.api.protocols.sent import Sent
from lamella.api.reach import why_not
from lamella.api.registry import OnLoop, Plain, Served
from lamella.api.serialise import Header, Response
from lamella.api.services import Services
from lamella.api.sigv4 import Request
from lamella.api.streamed import Receive, Send, Streamed
from lamella.api.urls import Asking, Target, UrlFront, target
from lamella.errors import ApiError, NotBuilt, ServiceError, UnknownOperation

Scope = MutableMapping[str, Any]
Answer = Response | Streamed | File
Running = Callable[[], AbstractAsyncContextManager[Any]]

THREADS = 32
CHUNK_BYTES = 262_144

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Exchange:
    """One request on its way; ``operation`` and ``subject`` are for the log.

    ``error`` writes errors (with the request's ID) where the protocol is not Lambda's.
    """

    request_id: str
    method: str
    raw_path: bytes
    query: Mapping[str, list[str]]
    headers: Mapping[bytes, bytes]
    scope: Scope
    operation: str = "Unknown"
    subject: str = ""
    error: Callable[[ApiError, str], Response] | None = None


class App:
    """The ASGI application.

    ``served`` maps operation names to functions; an operation of the model that is not there is
    answered with 501. ``running`` is entered when the server starts and left when it ends.
    """

    def __init__(
        self,
        *,
        contract: Contract,
        served: Mapping[str, Served],
        neighbours: Neighbourhood,
        services: Services,
        auth: Auth,
        pages: Pages,
        access: AccessLog,
        metrics: RequestMetrics,
        urls: UrlFront | None = None,
        running: Running | None = None,
        threads: int = THREADS,
    ) -> None:
        self._contract = contract
        self._on_loop = {
            name: cast("OnLoop", function)
            for name, function in served.items()
            if inspect.iscoroutinefunction(function)
        }
        self._in_thread = {
            name: cast("Plain", function)
            for name, function in served.items()
            if name not in self._on_loop
        }
        self._neighbours = neighbours
        self._services = services
        self._auth = auth
        self._pages = pages
        self._access = access
        self._metrics = metrics
        self._urls = urls
        self._running = running
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="operation")

    def asked_by(self, auth: Auth) -> App:
        """The same application, for callers whom ``auth`` identifies."""
        other = copy(self)
        other._auth = auth
        return other

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        raw_query = scope["query_string"]
        exchange = Exchange(
            request_id=new_request_id(),
            method=scope["method"],
            raw_path=scope["raw_path"],
            query=parse_query(raw_query) if raw_query else {},
            headers=dict(scope["headers"]),
            scope=scope,
        )
        try:
            answer = await self._answer(exchange, receive)
        except ApiError as error:
            answer = self._refusal(exchange, error)
        except body.Disconnected:
            return
        except Exception:  # the boundary: whatever happened, the client gets an answer
            log.exception("%s failed, request %s", exchange.operation, exchange.request_id)
            answer = self._refusal(exchange, unexpected(exchange.request_id))
        status = await _send(answer, exchange, receive, send)
        seconds = time.perf_counter() - started
        # What was sent leaves at the end of this turn of the loop; it need not wait for this.
        asyncio.get_running_loop().call_soon(self._observe, exchange, status, seconds)

    def _observe(self, exchange: Exchange, status: int, seconds: float) -> None:
        self._metrics.observe(exchange.operation, status, seconds)
        self._access.record(
            status, exchange.operation, exchange.subject, seconds, exchange.request_id
        )

    async def _answer(self, exchange: Exchange, receive: Receive) -> Answer:
        wanted = target(exchange.headers.get(b"host", b""), exchange.raw_path)
        if wanted is not None and self._urls is not None:
            return await self._url(self._urls, exchange, receive, wanted)
        found = self._contract.match(exchange.method, exchange.raw_path, exchange.query)
        if found is None:
            if exchange.raw_path == PATH:
                return await self._neighbour(exchange, receive)
            return await self._page(exchange)
        operation, labels = found
        name = exchange.operation = operation.name
        if labels:
            exchange.subject = labels[0]
        if body.is_large(exchange.headers):
            await self._admit(exchange, receive)
        content = await body.read(receive, exchange.headers, name)
        caller = await self._caller(exchange, content, "lambda")
        content = aws_chunked.decoded(exchange.headers, content)
        on_loop = self._on_loop.get(name)
        if on_loop is not None:
            request = operation.read(labels, exchange.query, exchange.headers, content)
            authorise.check(caller, "lambda", name, request)
            return operation.answer(await on_loop(self._services, caller, request))
        in_thread = self._in_thread.get(name)
        if in_thread is None:
            raise NotBuilt(why_not(name))
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, self._work, in_thread, operation, labels, exchange, caller, content
        )

    def _work(
        self,
        function: Plain,
        operation: Operation,
        labels: list[str],
        exchange: Exchange,
        caller: Caller,
        content: bytes,
    ) -> Response | Streamed:
        request = operation.read(labels, exchange.query, exchange.headers, content)
        authorise.check(caller, "lambda", operation.name, request)
        if not labels:
            exchange.subject = str(request.get("FunctionName") or "")
        return operation.answer(function(self._services, caller, request))

    async def _neighbour(self, exchange: Exchange, receive: Receive) -> Answer:
        """The answer of a service beside Lambda."""
        in_thread = partial(asyncio.get_running_loop().run_in_executor, self._threads)
        scope = credential(self._signed(exchange))
        sent = Sent(exchange.query, exchange.headers, b"")
        neighbour = await in_thread(self._neighbours.find, scope, sent)
        if neighbour is not None:
            exchange.error = neighbour.error
        content = await body.read(receive, exchange.headers, body.NEIGHBOUR)
        sent = Sent(exchange.query, exchange.headers, content)
        if neighbour is None:
            neighbour = await in_thread(self._neighbours.find, scope, sent)
            if neighbour is None:
                return await self._page(exchange)
            exchange.error = neighbour.error
        caller = await self._caller(exchange, content, neighbour.name)
        asked = await in_thread(neighbour.asked, sent)
        exchange.operation = asked.name
        return cast("Answer", await asked.answer(self._services, caller, in_thread))

    async def _url(
        self, urls: UrlFront, exchange: Exchange, receive: Receive, wanted: Target
    ) -> Answer:
        exchange.operation = "FunctionUrl"
        asking = Asking(
            target=wanted,
            request=self._signed(exchange, "lambda"),
            scope=exchange.scope,
            request_id=exchange.request_id,
            receive=receive,
            identify=lambda content: self._caller(exchange, content, "lambda"),
        )
        exchange.subject, answer = await urls.answer(asking)
        return answer

    def _refusal(self, exchange: Exchange, error: ApiError) -> Response:
        if exchange.error is not None:
            return exchange.error(error, exchange.request_id)
        return self._contract.error(error)

    async def _page(self, exchange: Exchange) -> Response | File:
        path = exchange.raw_path.decode("latin-1")
        if path == METRICS and not is_local(exchange.scope):
            authorise.unlimited(await self._caller(exchange, b"", ""), METRICS)
        account = None
        if path == POOL and not self._pages.is_operator(exchange.query):
            caller = await self._caller(exchange, b"", "")
            authorise.unlimited(caller, POOL)
            account = caller.account
        page = await self._pages.answer(exchange.method, path, exchange.query, account)
        if page is None:
            raise UnknownOperation(f"{exchange.method} {path} is not an operation of Lambda.")
        exchange.operation, answer = page
        return answer

    @staticmethod
    def _signed(exchange: Exchange, service: str = "") -> Request:
        return Request(
            exchange.method,
            exchange.raw_path,
            exchange.query,
            exchange.headers,
            exchange.scope["headers"],
            service,
        )

    async def _admit(self, exchange: Exchange, receive: Receive) -> None:
        """Refuse what will be refused anyway before a large body is taken in."""
        try:
            await self._auth.admit(self._signed(exchange, "lambda"))
        except ApiError:
            await body.discard(receive, exchange.headers)
            raise

    async def _caller(self, exchange: Exchange, content: bytes, service: str) -> Caller:
        """Who sent a request to a service (its name in signatures; any, if that is "")."""
        scope = exchange.scope
        identity = await self._auth.identify(self._signed(exchange, service), content)
        host = exchange.headers.get(b"host")
        address = host.decode("latin-1") if host else "{}:{}".format(*scope["server"])
        trace = exchange.headers.get(b"x-amzn-trace-id")
        return Caller(
            identity.account,
            identity.region,
            f"{scope['scheme']}://{address}",
            exchange.request_id,
            identity.principal_arn,
            identity.access_key,
            identity.limits,
            None if trace is None else trace.decode("latin-1"),
        )

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        async with AsyncExitStack() as stack:
            await receive()
            writer = asyncio.create_task(self._access.run())
            stack.callback(self._access.flush)
            stack.callback(writer.cancel)
            stack.callback(self._threads.shutdown, wait=False, cancel_futures=True)
            try:
                if self._running is not None:
                    await stack.enter_async_context(self._running())
            except Exception as error:  # the boundary: the server reports it and ends
                log.exception("the server could not start")
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


def is_local(scope: Scope) -> bool:
    """Whether the other end of the connection is on this machine."""
    try:
        return ipaddress.ip_address((scope.get("client") or ("",))[0]).is_loopback
    except ValueError:
        return False


def unexpected(request_id: str) -> ServiceError:
    """What a client is told of a failure that nobody foresaw."""
    return ServiceError(
        f"An internal error occurred; the server's log has it under request ID {request_id}."
    )


async def _send(answer: Answer, exchange: Exchange, receive: Receive, send: Send) -> int:
    """Send an answer; return its status."""
    request_id = (b"x-amzn-requestid", exchange.request_id.encode())
    if isinstance(answer, Streamed):
        head = exchange.method == "HEAD"
        await streamed.send(answer, request_id, receive, send, head=head)
        return answer.status
    if isinstance(answer, File):
        await _send_file(answer, request_id, send, head=exchange.method == "HEAD")
        return 200
    headers = [*answer.headers, request_id]
    if answer.status != 204:
        headers.append((b"content-length", b"%d" % len(answer.body)))
    if answer.status == 413:  # some of the body may still be on its way
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
    return answer.status


async def _send_file(file: File, request_id: Header, send: Send, *, head: bool) -> None:
    headers = [
        (b"content-type", b"application/zip"),
        (b"content-length", b"%d" % file.size),
        request_id,
    ]
    opened = await asyncio.to_thread(file.path.open, "rb")
    try:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        chunk = b"" if head else await asyncio.to_thread(opened.read, CHUNK_BYTES)
        while chunk:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            chunk = await asyncio.to_thread(opened.read, CHUNK_BYTES)
        await send({"type": "http.response.body", "body": b""})
    finally:
        opened.close()


def new_request_id() -> str:
    """A random UUID, version 4, at a third of `uuid.uuid4`'s cost."""
    digits = os.urandom(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
