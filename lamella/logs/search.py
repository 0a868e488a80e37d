"""Events of several streams in the order of time, in portions that go on where the last one ended."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lamella.logs.read import ANSWER_BYTES, Entry, forwards

SCAN_BYTES = 67_108_864
"""What one search looks at; where there is more it says so, and may have found nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is looked for. ``start`` and ``end`` are Unix milliseconds (the end is not in it),
    ``after`` the id of the last event that was looked at before."""

    matches: Callable[[str], bool]
    start: int | None = None
    end: int | None = None
    after: str = ""
    limit: int = 10_000


@dataclass(frozen=True, slots=True)
class Found:
    """The events, and the id to go on after; "" where all was looked at."""

    events: list[Entry]
    next: str


def search(streams: Iterable[tuple[str, Path]], wanted: Search) -> Found:
    """Look through streams, given by name and file."""
    least = wanted.start or 0
    sources = [_of_stream(name, path, wanted) for name, path in streams if _reaches(path, least)]
    events: list[Entry] = []
    looked = total = 0
    for entry in heapq.merge(*sources, key=lambda each: each.id):
        looked += entry.end - entry.at
        if wanted.matches(entry.message):
            total += entry.size
            if events and total > ANSWER_BYTES:
                return Found(events, events[-1].id)
            events.append(entry)
        if len(events) == wanted.limit or looked > SCAN_BYTES:
            return Found(events, entry.id)
    return Found(events, "")


def _of_stream(name: str, path: Path, wanted: Search) -> Iterator[Entry]:
    for entry in forwards(path, name):
        if wanted.start is not None and entry.timestamp < wanted.start:
            continue
        if wanted.end is not None and entry.timestamp >= wanted.end:
            continue
        if entry.id > wanted.after:
            yield entry


def _reaches(path: Path, start: int) -> bool:
    """Whether a file may hold events as late as ``start``; what clients put may lie two hours ahead."""
    try:
        return (path.stat().st_mtime + 7_200) * 1000 >= start
    except FileNotFoundError:
        return False
