"""The listeners of boxes: who is answered there, and what one box can make the server hold."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from lamella.api.doors import BODY_BYTES, CONNECTIONS, Doors

SECONDS = 20
HALF = BODY_BYTES // 2 + 1_000
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Counting:
    """An application that takes bodies in, and answers with their length and the client."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        body = f"{size} {scope['client']}".encode()
        await send({"type": "http.response.body", "body": body})


class Front:
    """A door on a port of this machine."""

    def __init__(self) -> None:
        self.doors = Doors()
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(64)
        self._address = self._listener.getsockname()
        self._writers: list[asyncio.StreamWriter] = []

    async def open(self) -> Front:
        self.door = await self.doors.open(self._listener)
        return self

    async def connect(self) -> Streams:
        reader, writer = await asyncio.open_connection(*self._address)
        self._writers.append(writer)
        return reader, writer

    async def close(self) -> None:
        self.door.close()
        for writer in self._writers:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
        self._listener.close()

    async def post(self, size: int, *, of: int | None = None) -> Streams:
        """Send a request; with ``of`` its body is to be that long."""
        reader, writer = await self.connect()
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (of or size))
        writer.write(b"x" * size)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        return reader, writer

    async def ask(self, size: int) -> bytes:
        """The answer to a request, whole."""
        reader, writer = await self.post(size)
        answer = await reader.readuntil(b"0\r\n\r\n")
        writer.close()
        return answer


@contextlib.asynccontextmanager
async def front() -> AsyncIterator[Front]:
    made = await Front().open()
    try:
        yield made
    finally:
        await made.close()


def run(script: Callable[[Front], Awaitable[None]]) -> None:
    async def running() -> None:
        async with asyncio.timeout(SECONDS), front() as made:
            await script(made)

    asyncio.run(running())


def test_who_asks_is_not_taken_for_this_machine() -> None:
    async def script(front: Front) -> None:
        front.doors.lead_to(Counting())
        assert b"\r\n3 None\r\n" in await front.ask(3)

    run(script)


def test_what_is_asked_before_the_server_is_up_is_answered_then() -> None:
    async def script(front: Front) -> None:
        asked = asyncio.ensure_future(front.ask(3))
        while not front.door.connections:
            await asyncio.sleep(0)
        front.doors.lead_to(Counting())
        assert (await asked).startswith(b"HTTP/1.1 200")

    run(script)


def test_a_box_has_so_many_connections_and_no_more() -> None:
    async def script(front: Front) -> None:
        front.doors.lead_to(Counting())
        held = [await front.connect() for _ in range(CONNECTIONS)]
        while len(front.door.connections) < CONNECTIONS:
            await asyncio.sleep(0)
        reader, _ = await front.connect()
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        for _, writer in held:
            writer.close()
        while front.door.connections:
            await asyncio.sleep(0)
        assert (await front.ask(3)).startswith(b"HTTP/1.1 200")

    run(script)


def test_unanswered_bodies_of_a_box_are_bounded_together() -> None:
    async def script(front: Front) -> None:
        front.doors.lead_to(Counting())
        _, writer = await front.post(HALF, of=HALF + 1)
        while front.door.held < HALF:
            await asyncio.sleep(0)
        reader, other = await front.post(HALF)
        with contextlib.suppress(ConnectionError):  # what it still sends may end in a reset
            assert (await reader.read(12)) == b"HTTP/1.1 413"
        other.close()
        writer.close()
        while front.door.held:
            await asyncio.sleep(0)
        assert (await front.ask(HALF)).startswith(b"HTTP/1.1 200")
        assert front.door.held == 0

    run(script)


def test_what_is_malformed_leaves_no_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def script(front: Front) -> None:
        front.doors.lead_to(Counting())
        reader, writer = await front.connect()
        writer.write(b"\0 garbage\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 400")
        writer.close()

    run(script)
    assert not caplog.records


def test_a_door_that_is_closed_ends_its_connections() -> None:
    async def script(front: Front) -> None:
        reader, _ = await front.post(1, of=2)
        while not front.door.held:
            await asyncio.sleep(0)
        front.door.close()
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        assert not front.door.held
        with pytest.raises(OSError):
            await front.connect()

    run(script)
