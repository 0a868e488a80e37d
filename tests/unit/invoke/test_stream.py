"""Between a runtime that streams and its reader: order, back-pressure, readers that leave."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from lamella.errors import ServiceError
from lamella.invoke.stream import HELD_BYTES, PART_BYTES, Flow, Streaming, Streams
from lamella.model.invocation import Outcome, Sink


async def started(play: Callable[[Sink], Coroutine[Any, Any, Outcome]]) -> Streaming:
    return await Streams().start(play)


def nothing() -> None: ...


def test_parts_come_in_order_and_then_the_outcome() -> None:
    async def play(sink: Sink) -> Outcome:
        sink.chosen("7")
        sink.begin("text/x", nothing)
        sink.write(b"one")
        await asyncio.sleep(0)
        sink.write(b"two")
        return Outcome(payload=b"", executed_version="7")

    async def run() -> None:
        streaming = await started(play)
        assert (streaming.version, streaming.streamed) == ("7", True)
        assert streaming.content_type == "text/x"
        assert b"".join([part async for part in streaming.parts()]) == b"onetwo"
        assert streaming.outcome.executed_version == "7"

    asyncio.run(run())


def test_an_answer_that_is_not_streamed_comes_in_parts() -> None:
    async def play(sink: Sink) -> Outcome:
        return Outcome(payload=b"x" * (PART_BYTES + 1), executed_version="7")

    async def run() -> None:
        streaming = await started(play)
        assert not streaming.streamed
        assert [len(part) async for part in streaming.parts()] == [PART_BYTES, 1]

    asyncio.run(run())


def test_an_error_before_anything_came_is_raised_and_one_after_it_ends_the_parts() -> None:
    async def early(sink: Sink) -> Outcome:
        raise ServiceError("early")

    async def late(sink: Sink) -> Outcome:
        sink.begin("text/x", nothing)
        sink.write(b"one")
        raise ServiceError("late")

    async def run() -> None:
        with pytest.raises(ServiceError, match="early"):
            await started(early)
        parts = (await started(late)).parts()
        assert await anext(parts) == b"one"
        with pytest.raises(ServiceError, match="late"):
            await anext(parts)

    asyncio.run(run())


def test_a_writer_waits_for_its_reader() -> None:
    async def run() -> None:
        flow, resumed = Flow(), []
        flow.begin("text/x", lambda: resumed.append(True))
        assert flow.write(b"x" * (HELD_BYTES - 1))
        assert not flow.write(b"x")
        assert len(await flow.read()) == HELD_BYTES
        assert resumed == [True]
        assert flow.write(b"y")
        assert await flow.read() == b"y"
        flow.end()
        assert await flow.read() == b""
        assert resumed == [True]

    asyncio.run(run())


def test_a_reader_that_leaves_stops_nobody() -> None:
    async def play(sink: Sink) -> Outcome:
        ended = asyncio.Event()
        sink.begin("text/x", ended.set)
        while sink.write(b"x" * 65_536):
            pass
        await ended.wait()
        assert sink.write(b"more, which nobody reads")
        return Outcome(payload=b"", executed_version="7")

    async def run() -> None:
        streaming = await started(play)
        parts = streaming.parts()
        assert await anext(parts)
        await parts.aclose()
        while not streaming._task.done():
            await asyncio.sleep(0)
        assert streaming.outcome.executed_version == "7"

    asyncio.run(run())
