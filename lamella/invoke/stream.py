"""Invocations whose answers are read while they are written.

The invocation is one like any other (`lamella.invoke.dispatch`) and runs to its end in a task of
its own, whether its answer is read or not: as on AWS, a caller that goes away does not stop the
function. Between the runtime and the reader at most `HELD_BYTES` and what one read of a socket
brings are held; a runtime that is faster than the reader has to wait.

Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-response-streaming.html
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any

from lamella.model.invocation import Outcome, Sink

HELD_BYTES = 262_144
PART_BYTES = 1_048_576
"""A buffered answer is handed out in parts of this size."""


Invoke = Callable[[Sink], Coroutine[Any, Any, Outcome]]
"""`Dispatcher.invoke` with everything but its ``sink``."""


class Flow:
    """A response on its way from the runtime (a `Sink`) to one reader."""

    def __init__(self) -> None:
        self.version = ""
        self.content_type: str | None = None
        self._parts: deque[bytes] = deque()
        self._held = 0
        self._resume: Callable[[], None] | None = None
        self._news = asyncio.Event()
        self._ended = False
        self._unread = False

    def chosen(self, version: str) -> None:
        self.version = version

    def begin(self, content_type: str, resume: Callable[[], None]) -> None:
        self.content_type = content_type
        self._resume = resume

    def write(self, data: bytes) -> bool:
        if self._unread:
            return True
        self._parts.append(data)
        self._held += len(data)
        self._news.set()
        return self._held < HELD_BYTES

    def end(self) -> None:
        """Nothing comes any more."""
        self._ended = True
        self._news.set()

    async def wait(self) -> None:
        """Return when there are bytes to read, or there will be none."""
        await self._news.wait()

    async def read(self) -> bytes:
        """What has come since the last time, waiting for some; ``b""`` at the end."""
        while not self._parts and not self._ended:
            self._news.clear()
            await self._news.wait()
        data = b"".join(self._parts)
        self._parts.clear()
        self._let_go()
        return data

    def give_up(self) -> None:
        """Nobody reads any more: what still comes is thrown away."""
        self._unread = True
        self._parts.clear()
        self._let_go()

    def _let_go(self) -> None:
        full, self._held = self._held >= HELD_BYTES, 0
        if full and self._resume is not None:
            self._resume()


class Streaming:
    """One invocation under way. Read `parts` to their end or close them; then `outcome` is there.

    ``streamed`` says whether the function streams: the answer of one that does not is in
    `outcome` whole, and handed out as parts too. ``content_type`` is what a streaming function
    gave its response.
    """

    def __init__(self, flow: Flow, task: asyncio.Task[Outcome]) -> None:
        self._flow = flow
        self._task = task

    @property
    def version(self) -> str:
        return self._flow.version

    @property
    def streamed(self) -> bool:
        return self._flow.content_type is not None

    @property
    def content_type(self) -> str:
        return self._flow.content_type or "application/json"

    @property
    def outcome(self) -> Outcome:
        """How it ended. Raises what the dispatcher raises."""
        return self._task.result()

    async def parts(self) -> AsyncGenerator[bytes, None]:
        """The response as it comes. An error of a function is no part of it: see `outcome`."""
        try:
            while data := await self._flow.read():
                yield data
            outcome = await asyncio.shield(self._task)
            if not self.streamed and outcome.function_error is None:
                for start in range(0, len(outcome.payload), PART_BYTES):
                    yield outcome.payload[start : start + PART_BYTES]
        finally:
            self.give_up()

    def give_up(self) -> None:
        """Nobody will read (more of) the parts."""
        self._flow.give_up()


class Streams:
    """Starts invocations that stream; one for a server."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Outcome]] = set()

    async def start(self, invoke: Invoke) -> Streaming:
        """Invoke, and return when the first bytes of the response are there or all is over.

        Raises what ``invoke`` raises as long as nothing of the response has come.
        """
        flow = Flow()
        task = asyncio.get_running_loop().create_task(invoke(flow))
        self._tasks.add(task)
        task.add_done_callback(lambda ended: self._over(ended, flow))
        try:
            await flow.wait()
        except asyncio.CancelledError:
            flow.give_up()
            raise
        streaming = Streaming(flow, task)
        if task.done() and not streaming.streamed:
            _ = streaming.outcome
        return streaming

    def _over(self, task: asyncio.Task[Outcome], flow: Flow) -> None:
        self._tasks.discard(task)
        flow.end()
        if not task.cancelled():
            task.exception()  # a reader that is gone does not ask for it
