"""What the processes of one environment print: read from a pipe, cut into log events.

Each line becomes an event of the environment's log stream; while an invocation that asked for
its log runs, the last 4 KB are kept beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable

from lamella.logs.append import LogStream
from lamella.model.limits import LOG_TAIL_BYTES

READ_BYTES = 65_536
READS = 4
"""Reads of one turn; a pipe holds one `READ_BYTES`."""

LINES = 256
"""Events that one read makes at most; the lines after them become one event together."""

LINE_BYTES = 262_144
"""A longer line is cut: CloudWatch Logs keeps events of up to 256 KB."""


class Output:
    """The reading end of an environment's standard output and error.

    `writer` is the descriptor to give to the processes; `close_writer` gives up the server's
    own copy once they have it.
    """

    def __init__(self, stream: LogStream) -> None:
        self._stream = stream
        self._reader, self.writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(self.writer, True)
        self._partial = b""
        self._tail = b""
        self.heard: Callable[[str], None] | None = None
        """Told of each line that the processes print."""
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
            self._take(data)

    def say(self, message: str) -> None:
        """Add a line of the platform's own, after what has been printed so far."""
        if self._partial:
            self._emit(self._partial)
            self._partial = b""
        data = message.encode()
        self._tail = (self._tail + data)[-LOG_TAIL_BYTES:]
        self._stream.append(_now_ms(), message)

    def _take(self, data: bytes) -> None:
        self._tail = (self._tail + data)[-LOG_TAIL_BYTES:]
        lines = (self._partial + data).split(b"\n", LINES)
        rest = lines.pop()
        for line in lines:
            self._emit(line + b"\n")
        whole, newline, self._partial = rest.rpartition(b"\n")
        if newline:
            self._emit(whole + newline)
        if len(self._partial) > LINE_BYTES:
            self._emit(self._partial)
            self._partial = b""

    def _emit(self, line: bytes) -> None:
        # AWS's Python client separates the lines of one record by carriage returns.
        text = line.decode("utf-8", "replace")
        self._stream.append(_now_ms(), text)
        if self.heard is not None:
            self.heard(text)

    def tail(self) -> bytes:
        """The last 4 KB since `forget_tail`."""
        return self._tail

    def forget_tail(self) -> None:
        self._tail = b""

    def close_writer(self) -> None:
        if self.writer >= 0:
            os.close(self.writer)
            self.writer = -1

    def close(self) -> None:
        self.close_writer()
        self.drain()
        if self._partial:
            self._emit(self._partial)
            self._partial = b""
        with contextlib.suppress(ValueError):
            asyncio.get_running_loop().remove_reader(self._reader)
        os.close(self._reader)


def _now_ms() -> int:
    return int(time.time() * 1000)
