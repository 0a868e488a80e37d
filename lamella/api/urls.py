"""The front of function URLs: which requests are for one, who may ask it, what it answers.

A URL is asked by its name (``Host: ID.lambda-url.REGION.on.aws``, or any other domain behind the
region) or by a path, which needs no name (``/lambda-url/ID/…``). A name of that form never leads
anywhere but to a function. A path shares its origin with the API, so what is answered there may
neither script that origin nor set cookies for it.

What a request becomes for the function is `lamella.invoke.url_event`'s, what its result becomes
`lamella.invoke.url_answer`'s. Source: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from lamella.api import authorise, body, url_cors
from lamella.api.auth import credential
from lamella.api.caller import Caller
from lamella.api.known_urls import ACTION, Known, KnownUrls
from lamella.api.serialise import Header, Response
from lamella.api.sigv4 import Request
from lamella.api.streamed import BrokenOff, Parts, Receive, Streamed
from lamella.errors import AccessDenied, ApiError
from lamella.functions.access import Principal
from lamella.invoke import url_answer, url_event
from lamella.invoke.dispatch import Dispatcher
from lamella.invoke.stream import Streaming, Streams
from lamella.invoke.url_answer import Malformed, UrlAnswer
from lamella.invoke.url_event import Asked, Signer, Trace
from lamella.model import limits
from lamella.model.invocation import Outcome, Sink
from lamella.model.url import AWS_IAM, RESPONSE_STREAM, FunctionUrl

PATH = b"/lambda-url/"
NAMED = b".lambda-url."
FORBIDDEN = (
    "Forbidden. For troubleshooting Function URL authorization issues, see: "
    "https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"
)
ON_LOOP_BYTES = 262_144

_NAME = re.compile(rb"([a-z0-9]{32})\.lambda-url\.([a-z0-9-]+)\.[a-z0-9.-]+(?::\d+)?", re.I)
_IN_PATH = re.compile(rb"/lambda-url/([a-z0-9]{32})(/.*)?", re.DOTALL)
_JSON: Header = (b"content-type", b"application/json")
_UNTRUSTED: Header = (
    b"content-security-policy",
    b"sandbox allow-downloads allow-forms allow-modals allow-popups allow-scripts",
)
# What a browser applies to the whole origin, which is the API's too.
_OF_THE_ORIGIN = frozenset(
    {
        b"alt-svc",
        b"clear-site-data",
        b"nel",
        b"origin-agent-cluster",
        b"public-key-pins",
        b"report-to",
        b"reporting-endpoints",
        b"service-worker-allowed",
        b"strict-transport-security",
    }
)

Identify = Callable[[bytes], Awaitable[Caller]]
"""Who signed a request with this body. Raises what a wrong signature is answered with."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a request is for: the URL's id, its region if the name says it, and the path behind it.

    ``prefix`` is what stands before that path where the URL is asked by a path, else "".
    """

    url_id: str
    region: str | None
    path: bytes
    prefix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """One request: what was signed, ASGI's scope of it, and how to learn who signed it."""

    target: Target
    request: Request
    scope: Mapping[str, Any]
    request_id: str
    receive: Receive
    identify: Identify


def address(endpoint: str, url_id: str) -> str:
    """Where a client of ``endpoint`` (``http://host:port``) reaches a URL."""
    return f"{endpoint}{PATH.decode()}{url_id}/"


def target(host: bytes, raw_path: bytes) -> Target | None:
    """The URL that a request is for; None if it is for the API. An id may be one of no URL."""
    if NAMED in host.lower():
        named = _NAME.fullmatch(host)
        if named is None:
            return Target("", None, raw_path, "")
        url_id, region = (part.decode().lower() for part in named.groups())
        return Target(url_id, region, raw_path, "")
    if raw_path.startswith(PATH):
        found = _IN_PATH.fullmatch(raw_path)
        if found is None:
            return Target("", None, raw_path, "")
        return Target(
            found[1].decode(), None, found[2] or b"/", f"{PATH.decode()}{found[1].decode()}"
        )
    return None


class UrlFront:
    """Answers requests to function URLs; one for a server, on its event loop.

    ``refusal`` writes an error as a response.
    """

    def __init__(
        self,
        known: KnownUrls,
        dispatcher: Dispatcher,
        streams: Streams,
        refusal: Callable[[ApiError], Response],
    ) -> None:
        self._known = known
        self._dispatcher = dispatcher
        self._streams = streams
        self._refusal = refusal

    async def answer(self, asking: Asking) -> tuple[str, Response | Streamed]:
        """The function's name ("" for an unknown URL) and the answer. Raises body.Disconnected."""
        known = await self._known.find(asking.target.url_id)
        if known is None or asking.target.region not in (None, known.url.region):
            return "", nobody()
        url, headers = known.url, asking.request.headers
        if url.cors is not None and url_cors.is_preflight(asking.request.method, headers):
            return url.function, Response(200, url_cors.preflight(url.cors, headers), b"")
        trace = url_event.trace(headers.get(b"x-amzn-trace-id", b"").decode("latin-1"))
        try:
            answer = await self._ask(known, asking, trace)
        except Malformed:
            answer = failed()
        except ApiError as error:
            answer = self._refusal(error)
        dressed = dress(answer.headers, url, asking)
        dressed.append((b"x-amzn-trace-id", trace.root.encode()))
        if isinstance(answer, Streamed):
            return url.function, Streamed(answer.status, dressed, answer.parts)
        return url.function, Response(answer.status, dressed, answer.body)

    async def _ask(self, known: Known, asking: Asking, trace: Trace) -> Response | Streamed:
        url = known.url
        content = await body.read(asking.receive, asking.request.headers, "Invoke")
        signer = await self._admit(known, asking, content)
        asked = as_asked(asking, trace)
        if len(content) <= ON_LOOP_BYTES:
            event = url_event.event(url, asked, content, signer)
        else:
            event = await asyncio.to_thread(url_event.event, url, asked, content, signer)
        if len(event) > limits.SYNC_REQUEST_BYTES:
            raise body.too_large("Invoke", limits.SYNC_REQUEST_BYTES)
        invoke = partial(
            self._dispatcher.invoke,
            *(url.account, url.region, url.function, url.qualifier),
            event,
            request_id=asking.request_id,
            trace_id=trace.header,
        )
        if url.invoke_mode == RESPONSE_STREAM:
            return await self._stream(invoke, head=asking.request.method == "HEAD")
        return await whole(await invoke())

    async def _admit(self, known: Known, asking: Asking, content: bytes) -> Signer | None:
        """Who signed a request that must be signed. Raises AccessDenied and what `Identify` does."""
        url = known.url
        if url.auth_type != AWS_IAM:
            if not known.public:
                raise AccessDenied(FORBIDDEN)
            return None
        if not credential(asking.request):
            raise AccessDenied(FORBIDDEN)
        caller = await asking.identify(content)
        authorise.check_one(caller, ACTION, url.function_arn)
        if caller.account != url.account:
            who = Principal(caller.account, caller.principal_arn)
            if not await self._known.allows(url, who):
                raise AccessDenied(FORBIDDEN)
        key = credential(asking.request).partition("/")[0]
        return Signer(caller.account, caller.principal_arn, key)

    async def _stream(self, invoke: Callable[..., Any], *, head: bool) -> Response | Streamed:
        """The answer as the function writes it. Raises Malformed."""

        async def run(sink: Sink) -> Outcome:
            outcome: Outcome = await invoke(sink=sink)
            return outcome

        streaming = await self._streams.start(run)
        if not streaming.streamed:
            return await whole(streaming.outcome)
        parts = streaming.parts()
        try:
            answer = await begin(streaming, parts)
        except BaseException:
            await parts.aclose()
            raise
        if head or answer.status in (204, 304):
            await parts.aclose()
            return Response(answer.status, answer.headers, b"")
        return Streamed(answer.status, answer.headers, rest(streaming, answer.body, parts))


async def begin(streaming: Streaming, parts: Parts) -> UrlAnswer:
    """Status and headers of a streamed answer, and as its body what of that has come already."""
    if streaming.content_type != url_answer.PRELUDE_TYPE:
        first = await anext(parts, b"")
        if not first and streaming.outcome.function_error is not None:
            raise Malformed("The function failed before it wrote anything.")
        return UrlAnswer(200, [url_answer.header("content-type", streaming.content_type)], first)
    data = b""
    while url_answer.PRELUDE_END not in data:
        if len(data) > url_answer.PRELUDE_BYTES:
            raise Malformed("The prelude has no end.")
        more = await anext(parts, b"")
        if not more:
            raise Malformed("The response ended in its prelude.")
        data += more
    head, _, first = data.partition(url_answer.PRELUDE_END)
    answer = url_answer.prelude(head)
    return UrlAnswer(answer.status, answer.headers, first)


async def rest(streaming: Streaming, first: bytes, parts: Parts) -> Parts:
    """The body. Where the function fails half way the connection is cut, as nothing else says it."""
    async with aclosing(parts):
        yield first
        async for part in parts:
            yield part
        if streaming.outcome.function_error is not None:
            raise BrokenOff


async def whole(outcome: Outcome) -> Response:
    """The answer of a function that does not stream. Raises Malformed."""
    if outcome.function_error is not None:
        return failed()
    if len(outcome.payload) <= ON_LOOP_BYTES:
        answer = url_answer.read(outcome.payload)
    else:
        answer = await asyncio.to_thread(url_answer.read, outcome.payload)
    return Response(answer.status, answer.headers, answer.body)


def failed() -> Response:
    """What AWS answers when a function fails or its result is no answer."""
    return Response(502, [_JSON], b"Internal Server Error")


def nobody() -> Response:
    """What AWS answers where there is no such URL."""
    headers = [_JSON, (b"x-amzn-errortype", b"AccessDeniedException")]
    return Response(403, headers, b'{"Message":null}')


def dress(headers: list[Header], url: FunctionUrl, asking: Asking) -> list[Header]:
    """The answer's headers with those of CORS, and confined where a path is shared."""
    if url.cors is not None:
        headers = [header for header in headers if header[0] not in url_cors.OWN]
        headers += url_cors.answer_headers(url.cors, asking.request.headers.get(b"origin"))
    prefix = asking.target.prefix.encode()
    if not prefix:
        return list(headers)
    own = (header for header in headers if header[0] not in _OF_THE_ORIGIN)
    return [*(_confined(name, value, prefix) for name, value in own), _UNTRUSTED]


def _confined(name: bytes, value: bytes, prefix: bytes) -> Header:
    if name == b"set-cookie":
        return name, value + b"; Path=" + prefix + b"/"
    if name == b"location" and value.startswith(b"/") and not value.startswith(b"//"):
        return name, prefix + value
    return name, value


def as_asked(asking: Asking, trace: Trace) -> Asked:
    scope, request = asking.scope, asking.request
    client = scope.get("client")
    return Asked(
        method=request.method,
        path=asking.target.path.decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        headers=[
            (name.decode("latin-1"), value.decode("utf-8", "replace"))
            for name, value in request.raw_headers
        ],
        protocol=f"HTTP/{scope['http_version']}",
        source=client[0] if client else "",
        scheme=scope["scheme"],
        port=scope["server"][1],
        request_id=asking.request_id,
        trace_id=trace.root,
        at=datetime.now(UTC),
    )
