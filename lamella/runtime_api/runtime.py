"""The runtime of one environment as the Runtime API sees it: its state and its invocation.

Owns what a call of the runtime means (which of `lamella.model.lifecycle`'s transitions it is, what
the invocation's caller gets). Reading and writing HTTP is left to `lamella.runtime_api.server`.
Nothing here awaits: every method runs to its end inside one callback of the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from lamella.errors import LamellaError
from lamella.model.invocation import Event, Reply
from lamella.model.lifecycle import RUNTIME, RuntimeEvent, RuntimeState
from lamella.model.limits import RESPONSE_BYTES, STREAMED_RESPONSE_BYTES
from lamella.runtime_api.restore import Stage


def _too_large(limit: int) -> Reply:
    return Reply(
        b'{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload size '
        b'exceeded maximum allowed payload size (%d bytes)."}' % limit,
        "Function.ResponseSizeTooLarge",
    )


TOO_LARGE = _too_large(RESPONSE_BYTES)
STREAM_TOO_LARGE = _too_large(STREAMED_RESPONSE_BYTES)
TRUNCATED = Reply(
    b'{"errorType":"Runtime.TruncatedResponse","errorMessage":"Response was truncated."}',
    "Runtime.TruncatedResponse",
)
"""A streamed response whose connection broke: what is sent of it cannot be taken back."""


class RuntimeGone(LamellaError):
    """The Runtime API was closed before the runtime answered."""

    def __init__(self) -> None:
        super().__init__("the runtime ended before it answered")


_TAKEN = frozenset(
    {
        RuntimeState.RUNNING,
        RuntimeState.INVOCATION_RESPONSE,
        RuntimeState.INVOCATION_ERROR_RESPONSE,
    }
)


class Line(Protocol):
    """A connection of the runtime on which an invocation can be sent."""

    def deliver(self, event: Event) -> None: ...

    def drop(self) -> None:
        """Close at once; ``Runtime.lost`` follows."""


class Runtime:
    """State of one runtime process from its start to its end.

    ``on_idle`` is called each time the runtime asks for ``next`` with nothing left to do. ``stage``
    says what SnapStart is to it, if anything.
    """

    def __init__(self, on_idle: Callable[[], None], stage: Stage | None = None) -> None:
        self.state = RuntimeState.RESTORING if stage is Stage.RESTORED else RuntimeState.STARTED
        self._stage = stage
        self.event: Event | None = None
        self._request_id: bytes | None = None
        self.initialised: asyncio.Future[Reply | None] = asyncio.get_running_loop().create_future()
        self._on_idle = on_idle
        self._answer: asyncio.Future[Reply] | None = None
        self._waiting: Line | None = None
        self._served: Line | None = None

    @property
    def idle(self) -> bool:
        return self._waiting is not None and self.event is None

    @property
    def undelivered(self) -> bool:
        """Whether an invocation waits for a `next` that has not come."""
        return self.event is not None and self.state not in _TAKEN

    def invoke(self, event: Event) -> asyncio.Future[Reply]:
        """Send ``event`` to the waiting ``next``, or to the one that comes.

        Raises RuntimeError while another invocation is under way.
        """
        if self.event is not None:
            raise RuntimeError(f"invocation {self.event.request_id} is under way")
        self.event = event
        self._answer = asyncio.get_running_loop().create_future()
        if self._waiting is not None:
            self._deliver(self._waiting)
        return self._answer

    def knows(self, request_id: bytes) -> bool:
        """Whether ``request_id`` is the invocation that the runtime was given last."""
        return request_id == self._request_id

    def next(self, line: Line) -> bool:
        """``line`` asks for the next invocation. False where the state forbids it.

        A later ``next`` takes the place of an earlier one, whose connection is dropped: one
        connection at most holds an invocation's bytes.
        """
        after = RUNTIME.get((self.state, RuntimeEvent.NEXT))
        if after is None:
            return False
        self.state = after
        for earlier in (self._waiting, self._served):
            if earlier is not None and earlier is not line:
                earlier.drop()
        if not self.initialised.done():
            self.initialised.set_result(None)
        if self.event is not None:
            self._deliver(line)
            return True
        self._waiting = line
        self._served = None
        self._on_idle()
        return True

    def restore(self) -> bool:
        """The runtime has been initialised and asks to be restored. False where that is illegal.

        Of one that is to be a snapshot nothing more is expected.
        """
        allowed = self.begin(RuntimeEvent.RESTORE)
        if allowed and self._stage is Stage.SNAPSHOT and not self.initialised.done():
            self.initialised.set_result(None)
        return allowed

    def _deliver(self, line: Line) -> None:
        assert self.event is not None
        self.state = RUNTIME[self.state, RuntimeEvent.DELIVERED]
        # Not before: a second answer to the last one is refused as such, whoever waits already.
        self._request_id = self.event.request_id.encode()
        self._waiting = None
        self._served = line
        line.deliver(self.event)

    def begin(self, event: RuntimeEvent) -> bool:
        """A response or an error (``event`` says which) starts. False where that is illegal."""
        after = RUNTIME.get((self.state, event))
        if after is None:
            return False
        self.state = after
        return True

    def cut(self) -> None:
        """The connection broke before the response was whole; the runtime may post it again."""
        self.state = RUNTIME.get((self.state, RuntimeEvent.CUT), self.state)

    def finish(self, reply: Reply) -> None:
        """The answer that began is whole: the caller gets ``reply``."""
        self.state = RUNTIME[self.state, RuntimeEvent.SENT]
        self.event = None
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_result(reply)

    def fail_init(self, reply: Reply) -> None:
        """The error whose ``begin`` (INIT_ERROR, RESTORE_ERROR) was allowed is whole."""
        if not self.initialised.done():
            self.initialised.set_result(reply)

    def lost(self, line: Line) -> None:
        """``line`` is closed. An event that it did not get waits for the next ``next``."""
        if self._waiting is line:
            self._waiting = None
        if self._served is line:
            self._served = None

    def end(self) -> None:
        """The runtime is gone: whoever waits for it gets RuntimeGone."""
        self._waiting = self._served = None
        for waited in (self.initialised, self._answer):
            if waited is not None and not waited.done():
                waited.set_exception(RuntimeGone())
                # Nobody need look: the end of the process says the same.
                waited.exception()
