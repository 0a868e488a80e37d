"""Log streams of functions: lines go to memory at once and to a file a moment later.

The hot path appends to a list; a timer of the loop writes what has gathered. One stream is one
file of JSON lines (``timestamp`` in Unix milliseconds, ``message``), below
``account/region/group/stream`` with names escaped, so that reading needs no index.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import orjson

FLUSH_SECONDS = 0.2
GATHER_CHARACTERS = 1_048_576


class LogStream:
    """One stream. `append` never blocks; see `LogStreams` for when lines reach the disk."""

    def __init__(self, path: Path, dirty: Callable[[LogStream], None]) -> None:
        self._path = path
        self._dirty = dirty
        self._lines: list[tuple[int, str]] = []
        self._size = 0

    def append(self, timestamp_ms: int, message: str) -> None:
        """Add one event; ``message`` is kept as it is, line break included."""
        if not self._lines:
            self._dirty(self)
        self._lines.append((timestamp_ms, message))
        self._size += len(message)
        if self._size > GATHER_CHARACTERS:
            self.write()

    def write(self) -> None:
        """Write what has gathered to the file."""
        lines, self._lines = self._lines, []
        self._size = 0
        if not lines:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as file:
            file.write(
                b"".join(
                    orjson.dumps(
                        {"timestamp": when, "message": message}, option=orjson.OPT_APPEND_NEWLINE
                    )
                    for when, message in lines
                )
            )


class LogStreams:
    """The streams of one server; `close` writes what is left."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._waiting: list[LogStream] = []
        self._timer: asyncio.TimerHandle | None = None

    def open(self, account: str, region: str, group: str, stream: str) -> LogStream:
        parts = [quote(part, safe="-_.$[]") for part in (account, region, group, stream)]
        return LogStream(self._root.joinpath(*parts).with_name(parts[-1] + ".jsonl"), self._mark)

    def _mark(self, stream: LogStream) -> None:
        self._waiting.append(stream)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._flush)

    def _flush(self) -> None:
        self._timer = None
        waiting, self._waiting = self._waiting, []
        for stream in waiting:
            stream.write()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._flush()
