"""Log streams of functions: lines go to memory at once and to a file a moment later.

The hot path appends to a list; a timer of the loop writes what has gathered. One stream is one
file of JSON lines (``timestamp`` in Unix milliseconds, ``message``), below
``account/region/group/stream`` with names escaped, so that reading needs no index.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import orjson

FLUSH_SECONDS = 0.2
GATHER_BYTES = 1_048_576
EVENT_BYTES = 100
"""What an event costs beside its text, in memory and on the disk."""

STREAM_BYTES = 67_108_864
"""What one stream keeps at most; a function that prints without end cannot fill the disk alone."""

NAME_BYTES = 200

log = logging.getLogger(__name__)


class LogStream:
    """One stream. `append` never raises; see `LogStreams` for when lines reach the disk."""

    def __init__(self, path: Path, dirty: Callable[[LogStream], None]) -> None:
        self._path = path
        self._dirty = dirty
        self._lines: list[tuple[int, str]] = []
        self._gathered = 0
        self._kept = 0
        self._full = False
        self._failed = False

    def append(self, timestamp_ms: int, message: str) -> None:
        """Add one event; ``message`` is kept as it is, line break included."""
        if self._full:
            return
        size = len(message) + EVENT_BYTES
        if self._kept + size > STREAM_BYTES:
            self._full = True
            message = f"This stream holds {STREAM_BYTES} bytes; nothing more is kept.\n"
        if not self._lines:
            self._dirty(self)
        self._lines.append((timestamp_ms, message))
        self._gathered += size
        self._kept += size
        if self._gathered > GATHER_BYTES:
            self.write()

    def write(self) -> None:
        """Write what has gathered to the file; what cannot be written is lost, and said once."""
        lines, self._lines = self._lines, []
        self._gathered = 0
        if not lines:
            return
        try:
            self._write(lines)
        except OSError as error:
            if not self._failed:
                log.error("the log stream %s cannot be written: %s", self._path.stem, error)
            self._failed = True

    def _write(self, lines: list[tuple[int, str]]) -> None:
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


def file_name(name: str) -> str:
    """A group's or stream's name as a file name: escaped, never a path, of bounded length."""
    quoted = quote(name, safe="-_.$[]")
    if quoted.startswith("."):
        quoted = "%2E" + quoted[1:]
    if len(quoted) > NAME_BYTES:
        quoted = f"{quoted[:NAME_BYTES]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    return quoted


class LogStreams:
    """The streams of one server; `close` writes what is left."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._waiting: list[LogStream] = []
        self._timer: asyncio.TimerHandle | None = None

    def open(self, account: str, region: str, group: str, stream: str) -> LogStream:
        folder = self._root.joinpath(account, region, file_name(group))
        return LogStream(folder / f"{file_name(stream)}.jsonl", self._mark)

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
