"""Events of one stream's file, read forwards and backwards from a place, in portions.

A place is the byte at which a line begins: it stays true, as files are only appended to. No file
is held open or read as a whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

CHUNK = 32_768
LINE_BYTES = 2_097_152
"""No line is longer; what is was damaged and is passed over."""
EVENT_OVERHEAD = 26
ANSWER_BYTES = 1_048_576


@dataclass(frozen=True, slots=True)
class Entry:
    """One event. ``at`` and ``end`` are its line's bytes in the file; times are milliseconds."""

    stream: str
    at: int
    end: int
    timestamp: int
    ingested: int
    message: str
    id: str

    @property
    def size(self) -> int:
        return len(self.message) + EVENT_OVERHEAD


def forwards(path: Path, stream: str, at: int = 0) -> Iterator[Entry]:
    """The entries from a place on, as far as whole lines have been written."""
    mark = _mark(stream)
    left = b""
    place = at
    while True:
        chunk = _read(path, place + len(left), CHUNK)
        if not chunk:
            return
        data = left + chunk
        *lines, left = data.split(b"\n")
        for line in lines:
            entry = _entry(stream, mark, place, line)
            place += len(line) + 1
            if entry is not None:
                yield entry
        if len(left) > LINE_BYTES:
            return


def backwards(path: Path, stream: str, end: int | None = None) -> Iterator[Entry]:
    """The entries before a place (None: the end of the file), the last one first."""
    mark = _mark(stream)
    start = size(path) if end is None else min(end, size(path))
    held = b""
    while start > 0:
        before = max(0, start - CHUNK)
        held = _read(path, before, start - before) + held
        start = before
        # The first line may begin before what is held.
        cut = held.find(b"\n") + 1 if start else 0
        if start and not cut:
            if len(held) > LINE_BYTES:
                return
            continue
        at = start + cut
        lines = []
        for line in held[cut:].split(b"\n")[:-1]:
            lines.append((at, line))
            at += len(line) + 1
        for at, line in reversed(lines):
            entry = _entry(stream, mark, at, line)
            if entry is not None:
                yield entry
        held = held[:cut]


def size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def taken(entries: Iterator[Entry], wanted: Callable[[Entry], bool], limit: int) -> list[Entry]:
    """What is wanted of ``entries``, up to ``limit`` and to what one answer may hold."""
    found: list[Entry] = []
    total = 0
    for entry in entries:
        if not wanted(entry):
            continue
        total += entry.size
        if found and total > ANSWER_BYTES:
            break
        found.append(entry)
        if len(found) == limit:
            break
    return found


def first(path: Path, stream: str) -> Entry | None:
    return next(forwards(path, stream), None)


def last(path: Path, stream: str) -> Entry | None:
    return next(backwards(path, stream), None)


def _read(path: Path, at: int, count: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(at)
            return file.read(count)
    except FileNotFoundError:
        return b""


def _mark(stream: str) -> int:
    return int.from_bytes(hashlib.sha256(stream.encode()).digest()[:6], "big")


def _entry(stream: str, mark: int, at: int, line: bytes) -> Entry | None:
    """The event of a line; None for one that holds something else."""
    try:
        held = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    if "message" not in held:
        return None
    when = held["timestamp"]
    # 56 digits, as AWS's: they sort by time, then by stream and place.
    identifier = f"{when:020d}{mark:016d}{at:020d}"
    return Entry(
        stream=stream,
        at=at,
        end=at + len(line) + 1,
        timestamp=when,
        ingested=held.get("ingested", when),
        message=held["message"],
        id=identifier,
    )
