"""Streamed responses go to the sink of their invocation, as fast as it takes them."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable

from lamella.model.invocation import Reply
from lamella.model.limits import STREAMED_RESPONSE_BYTES
from lamella.runtime_api.runtime import STREAM_TOO_LARGE, TRUNCATED
from tests.unit.runtime_api.stage import STREAM, Client, Play, Stage, chunks, event


class Basin:
    """A sink that holds ``room`` bytes and then is full."""

    def __init__(self, room: int = 1 << 40) -> None:
        self.room = room
        self.data = bytearray()
        self.content_type: str | None = None
        self.resume: Callable[[], None] = lambda: None
        self._news = asyncio.Event()

    def chosen(self, version: str) -> None:
        """Versions are the dispatcher's."""

    def begin(self, content_type: str, resume: Callable[[], None]) -> None:
        self.content_type = content_type
        self.resume = resume

    def write(self, data: bytes) -> bool:
        self.data += data
        self._news.set()
        return len(self.data) < self.room

    async def until(self, size: int) -> None:
        while len(self.data) < size:
            self._news.clear()
            await asyncio.wait_for(self._news.wait(), 20)


async def running(stage: Stage, basin: Basin) -> tuple[Client, asyncio.Future[Reply]]:
    client = await stage.waiting()
    future = stage.api.invoke(event(sink=basin))
    assert (await client.answer()).status == 200
    return client, future


def test_chunks_arrive_before_the_response_is_whole(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        basin = Basin()
        client, future = await running(stage, basin)
        client.send(STREAM.replace(b"\r\n\r\n", b"\r\nContent-Type: text/x\r\n\r\n") + b"3\r\none")
        await basin.until(3)
        assert basin.content_type == "text/x"
        assert not future.done()
        client.send(b"\r\n" + chunks(b"two"))
        assert (await client.answer()).status == 202
        assert await future == Reply(b"")
        assert bytes(basin.data) == b"onetwo"
        client.request("GET", "invocation/next")
        await stage.api.wait_idle()

    play(scenario)


def test_an_answer_that_is_not_streamed_is_a_reply(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        basin = Basin()
        client, future = await running(stage, basin)
        assert (await client.call("POST", "invocation/r1/response", b"whole")).status == 202
        assert await future == Reply(b"whole")
        assert basin.content_type is None

    play(scenario)


def test_an_error_comes_behind_what_was_streamed(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        basin = Basin()
        client, future = await running(stage, basin)
        trailers = (
            b"Lambda-Runtime-Function-Error-Type: Function.E\r\n"
            b"Lambda-Runtime-Function-Error-Body: " + b64encode(b"{}") + b"\r\n"
        )
        client.send(STREAM + chunks(b"half", trailers=trailers))
        assert await future == Reply(b"{}", "Function.E")
        assert bytes(basin.data) == b"half"

    play(scenario)


def test_a_full_sink_stops_the_runtime_until_it_is_emptied(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        basin = Basin(room=1)
        client, future = await running(stage, basin)
        client.send(STREAM)
        part = b"%x\r\n%s\r\n" % (65_536, b"z" * 65_536)
        sent = 0
        # what the sockets' buffers and one read hold goes on; then nothing does
        while client.writer.transport.get_write_buffer_size() == 0:
            client.send(part)
            sent += 1
            await asyncio.sleep(0)
        before = len(basin.data)
        await (await stage.client()).call("GET", "nowhere")
        assert len(basin.data) == before < sent * 65_536
        basin.room = 1 << 40
        basin.resume()
        client.send(b"0\r\n\r\n")
        assert (await client.answer()).status == 202
        assert await future == Reply(b"")
        assert len(basin.data) == sent * 65_536

    play(scenario)


def test_a_stream_whose_connection_breaks_cannot_be_sent_again(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        basin = Basin()
        client, future = await running(stage, basin)
        client.send(STREAM + b"9\r\nhal")
        await basin.until(3)
        client.close()
        assert await future is TRUNCATED
        again = await stage.client()
        assert (await again.call("POST", "invocation/r1/response", b"whole")).status == 403

    play(scenario)


def test_a_stream_has_a_limit(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        basin = Basin()
        client, future = await running(stage, basin)
        client.send(STREAM)
        part = b"%x\r\n%s\r\n" % (4_194_304, bytes(4_194_304))
        for _ in range(STREAMED_RESPONSE_BYTES // 4_194_304):
            client.send(part)
            await client.writer.drain()
            await basin.until(1)
            basin.data.clear()
        assert not future.done()
        client.send(b"1\r\nx\r\n0\r\n\r\n")
        assert await future is STREAM_TOO_LARGE

    play(scenario)
