"""The client of both sides: HTTP/1.1 over one kept connection, and next to nothing else.

`Connection` blocks and is for one caller; `callers` drives several at once from one thread.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

REGION = "eu-west-1"
HEAD_END = b"\r\n\r\n"
SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    head: bytes
    body: bytes

    @property
    def good(self) -> bool:
        """Whether the function ran and returned."""
        return self.status in {200, 201, 202} and b"function-error" not in self.head.lower()


def request(method: str, path: str, body: bytes = b"") -> bytes:
    """The bytes of a request, with a credential scope that says the region."""
    scope = f"AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/lambda/aws4_request"
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Authorization: {scope}, SignedHeaders=host, Signature=0\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def invocation(function: str, body: bytes = b"{}") -> bytes:
    return request("POST", f"/2015-03-31/functions/{function}/invocations", body)


def parse(data: bytes | bytearray) -> Answer | None:
    """The answer at the start of ``data``, or None while some of it is still to come."""
    end = data.find(HEAD_END)
    if end < 0:
        return None
    head, body = bytes(data[:end]), bytes(data[end + 4 :])
    lower = head.lower()
    status = int(head[9:12])
    if b"transfer-encoding: chunked" in lower:
        return Answer(status, head, body) if body.endswith(b"0\r\n\r\n") else None
    at = lower.find(b"content-length:")
    length = int(lower[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
    return Answer(status, head, body) if len(body) >= length else None


class Connection:
    """One caller's connection to ``127.0.0.1:port``."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> Answer:
        self._socket.sendall(data)
        said = bytearray()
        while (answer := parse(said)) is None:
            part = self._socket.recv(65536)
            if not part:
                raise ConnectionError(f"the server closed the connection after {bytes(said)!r}")
            said += part
        return answer

    def timed(self, data: bytes) -> float:
        """Milliseconds from the first byte out to the last byte in. The answer must be good."""
        began = time.perf_counter()
        answer = self.send(data)
        took = (time.perf_counter() - began) * 1000
        if not answer.good:
            raise RuntimeError(f"{answer.status}: {answer.head!r} {answer.body[:500]!r}")
        return took


class _Caller(asyncio.Protocol):
    """Sends what is left of ``waiting``, one after the other, each after the last one's answer."""

    def __init__(self, waiting: deque[bytes], done: asyncio.Future[list[float]]) -> None:
        self._waiting = waiting
        self._done = done
        self._said = bytearray()
        self._times: list[float] = []
        self._began = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send(self) -> None:
        if not self._waiting:
            self._end(None)
            return
        assert self._transport is not None
        self._began = time.perf_counter()
        self._transport.write(self._waiting.popleft())

    def data_received(self, data: bytes) -> None:
        self._said += data
        answer = parse(self._said)
        if answer is None:
            return
        self._times.append((time.perf_counter() - self._began) * 1000)
        self._said.clear()
        if answer.good:
            self.send()
        else:
            self._end(RuntimeError(f"{answer.status}: {answer.body[:500]!r}"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or ConnectionError("the server closed the connection"))

    def _end(self, error: Exception | None) -> None:
        if self._done.done():
            return
        if error is None:
            self._done.set_result(self._times)
        else:
            self._done.set_exception(error)
        assert self._transport is not None
        self._transport.close()


@dataclass(frozen=True, slots=True)
class Rush:
    """Several callers at once: each request's milliseconds, and the seconds until all were answered."""

    times: list[float]
    seconds: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.times) / self.seconds


async def _rush(port: int, shares: list[deque[bytes]]) -> Rush:
    loop = asyncio.get_running_loop()
    ends: list[asyncio.Future[list[float]]] = [loop.create_future() for _ in shares]
    there = [
        await loop.create_connection(partial(_Caller, share, end), "127.0.0.1", port)
        for share, end in zip(shares, ends, strict=True)
    ]
    began = time.perf_counter()
    for _, caller in there:
        caller.send()
    times = [took for taken in await asyncio.gather(*ends) for took in taken]
    return Rush(times, time.perf_counter() - began)


def callers(port: int, data: bytes, *, count: int, each: int) -> Rush:
    """``count`` callers at once, each with a connection of its own and ``each`` requests."""
    return asyncio.run(_rush(port, [deque([data] * each) for _ in range(count)]))


def drained(port: int, requests: Iterable[bytes], *, width: int) -> Rush:
    """All ``requests``, once each, by ``width`` callers who take the next one when they are free."""
    shared = deque(requests)
    return asyncio.run(_rush(port, [shared] * width))
