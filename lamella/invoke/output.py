"""What the processes of one environment print: read from a pipe, cut into log events.

Each line, and each frame of a runtime's log (`lamella.invoke.frames`), becomes an event of the
environment's log stream; the last 4 KB are kept beside it for an invocation that asked for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections import deque
from collections.abc import Callable, Iterable

from lamella.invoke.frames import Cutter, Printed
from lamella.logs.append import LogStream
from lamella.model.limits import LOG_TAIL_BYTES
from lamella.sandbox.box import Pipe

READ_BYTES = 65_536
READS = 4
"""Reads of one turn; a pipe holds one `READ_BYTES`."""


class Output:
    """The reading end of an environment's standard output and error.

    `writer` is the descriptor to give to the processes and, where they may write frames
    (``framed``), `frames` the one for these: the same pipe, opened anew, so that a process that
    makes its output non-blocking loses no frame. `close_writers` gives up the server's own copies.
    ``keeps`` decides which events are logged; None: all of them.
    """

    def __init__(
        self,
        stream: LogStream,
        *,
        framed: bool = False,
        keeps: Callable[[Printed], bool] | None = None,
    ) -> None:
        self._stream = stream
        self._keeps = keeps
        self._reader, self.writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(self.writer, True)
        self.frames = -1
        if framed:
            self.frames = os.open(f"/proc/self/fd/{self.writer}", os.O_WRONLY | os.O_CLOEXEC)
        self._cutter = Cutter(framed=framed)
        self._last_ms = 0
        self._tail: deque[str] = deque()
        self._tail_size = 0
        self.heard: Callable[[str], None] | None = None
        """Told of each event that the processes print."""
        asyncio.get_running_loop().add_reader(self._reader, self.drain)

    def adopt(self, pipe: Pipe) -> None:
        """Read from another pipe, which processes write to already, before anything was printed."""
        asyncio.get_running_loop().remove_reader(self._reader)
        os.close(self._reader)
        self.close_writers()
        self._reader, self.writer, self.frames = pipe.reader, pipe.writer, pipe.frames
        asyncio.get_running_loop().add_reader(self._reader, self.drain)

    def drain(self) -> None:
        """Take in what has been printed so far.

        Of a process that prints faster than it is read only so much at a time: the pipe fills up
        and makes it wait, and other environments get their turn.
        """
        for _ in range(READS):
            try:
                data = os.read(self._reader, READ_BYTES)
            except BlockingIOError:
                return
            if not data:
                asyncio.get_running_loop().remove_reader(self._reader)
                return
            self._emit(self._cutter.cut(data))
            if self._cutter.crowded:
                return

    def say(self, message: str) -> None:
        """Add a line of the platform's own, after what has been printed so far."""
        self._emit(self._cutter.line())
        self._keep(_now_ms(), message)

    def note(self, message: str) -> None:
        """Add a line to the log alone: it is about an invocation that is over."""
        self._last_ms = max(self._last_ms, _now_ms())
        self._stream.append(self._last_ms, message)

    def end_process(self) -> None:
        """Whoever wrote is gone: what has begun is over."""
        self.drain()
        self._emit(self._cutter.rest())

    def _emit(self, events: Iterable[Printed]) -> None:
        for printed in events:
            text = printed.data.decode("utf-8", "replace")
            if self._keeps is None or self._keeps(printed):
                self._keep(printed.moment // 1000 or _now_ms(), text)
            if self.heard is not None:
                self.heard(text)

    def _keep(self, when: int, text: str) -> None:
        # Events of a stream are in the order of time: a frame's own time counts within that.
        self._last_ms = when = max(self._last_ms, min(when, _now_ms()))
        self._stream.append(when, text)
        piece = text[-LOG_TAIL_BYTES:]
        if not piece.endswith("\n"):
            piece += "\n"
        self._tail.append(piece)
        self._tail_size += len(piece)
        while self._tail_size - len(self._tail[0]) >= LOG_TAIL_BYTES:
            self._tail_size -= len(self._tail.popleft())

    def tail(self) -> bytes:
        """The last 4 KB since `forget_tail`, each event on a line of its own."""
        data = "".join(self._tail).encode()
        at = max(0, len(data) - LOG_TAIL_BYTES)
        # Not from the middle of a character on.
        while at and at < len(data) and data[at] & 0xC0 == 0x80:
            at += 1
        return data[at:]

    def forget_tail(self) -> None:
        self._tail.clear()
        self._tail_size = 0

    def close_writers(self) -> None:
        for descriptor in (self.writer, self.frames):
            if descriptor >= 0:
                os.close(descriptor)
        self.writer = self.frames = -1

    def close(self) -> None:
        self.close_writers()
        self.end_process()
        with contextlib.suppress(ValueError):
            asyncio.get_running_loop().remove_reader(self._reader)
        os.close(self._reader)


def _now_ms() -> int:
    return int(time.time() * 1000)
