"""One line a request, written in batches so that a request pays for an append and no more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TextIO

import orjson

INTERVAL_SECONDS = 0.2
SUBJECT_CHARACTERS = 100

Entry = tuple[float, int, str, str, float, str]
Format = Callable[[Entry], str]


class AccessLog:
    """Requests on their way to a stream. ``form`` is ``text`` or ``json``.

    ``record`` is for the event loop's thread; ``run`` writes what has come every 200 ms until it
    is cancelled, ``flush`` at once.
    """

    def __init__(self, stream: TextIO, form: str = "text") -> None:
        self._stream = stream
        self._format: Format = {"text": as_text, "json": as_json}[form]
        self._entries: list[Entry] = []

    def record(
        self, status: int, operation: str, subject: str, seconds: float, request_id: str
    ) -> None:
        self._entries.append((time.time(), status, operation, subject, seconds, request_id))

    def flush(self) -> None:
        if self._entries:
            entries, self._entries = self._entries, []
            self._stream.write("".join(map(self._format, entries)))
            self._stream.flush()

    async def run(self) -> None:
        try:
            while True:
                await asyncio.sleep(INTERVAL_SECONDS)
                self.flush()
        finally:
            self.flush()


def as_text(entry: Entry) -> str:
    """``12:00:01 201 PublishLayerVersion shared-code 35.2 ms 5f0c…``, in local time."""
    at, status, operation, subject, seconds, request_id = entry
    clock = time.strftime("%H:%M:%S", time.localtime(at))
    # A name comes from the client: it must not be able to begin a line of its own.
    shown = subject if subject.isprintable() else ascii(subject)
    return (
        f"{clock} {status} {operation} {shown[:SUBJECT_CHARACTERS] or '-'} "
        f"{seconds * 1000:.1f} ms {request_id}\n"
    )


def as_json(entry: Entry) -> str:
    at, status, operation, subject, seconds, request_id = entry
    return (
        orjson.dumps(
            {
                "time": round(at, 3),
                "status": status,
                "operation": operation,
                "subject": subject[:SUBJECT_CHARACTERS],
                "ms": round(seconds * 1000, 3),
                "requestId": request_id,
            }
        ).decode()
        + "\n"
    )
