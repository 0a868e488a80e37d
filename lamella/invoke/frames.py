"""The bytes that a runtime writes, cut into lines and frames. Pure.

AWS's runtime clients write a log record as a frame to the descriptor that
``_LAMBDA_TELEMETRY_LOG_FD`` names: 4 bytes of type (its last byte holds the record's level, and
whether it is JSON or text), 4 of length, 8 of time in microseconds, all big-endian, then the
message, so that a record of several lines stays one. Here that descriptor leads into the same
pipe as the standard output: what a process prints and what it logs keep their order. Bytes that
are no frame are text, and end with their line.

Whatever runs in the box may write anything: what is held is bounded, and so is what one portion
of bytes is cut into.

Source: the log sinks of https://github.com/aws/aws-lambda-python-runtime-interface-client
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

EVENT_BYTES: Final = 262_144
"""A longer line or message is cut: CloudWatch Logs keeps events of up to 256 KB."""

EVENTS: Final = 256
"""Events that one portion makes at most; the text after them becomes one event."""

_TYPES: Final = bytes(level << 2 | form for level in range(7) for form in (2, 3))
_HEADER: Final = re.compile(
    # A length of 16 MB and more is no length: such bytes are text. The first clients had no time.
    rb"\xa5\x5a\x00(?:([" + re.escape(_TYPES) + rb"])\x00(.{3})(.{8})|\x01\x00(.{3}))",
    re.DOTALL,
)
_MAGIC: Final = b"\xa5\x5a\x00"
_HEADER_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Printed:
    """One event: its bytes, the level its frame names (1 TRACE to 6 FATAL, 0 none) and the moment
    in Unix microseconds that it names (0: none)."""

    data: bytes
    level: int = 0
    moment: int = 0


class Cutter:
    """Cuts what one pipe brings. ``framed`` says that frames are looked for."""

    def __init__(self, *, framed: bool) -> None:
        self._framed = framed
        self._held = b""
        self._line = bytearray()
        self._message = bytearray()
        self._left = 0
        self._level = self._moment = 0
        self._found: list[Printed] = []
        self._flood = bytearray()
        self.crowded = False
        """Whether the last portion held more than `EVENTS`."""

    def cut(self, data: bytes) -> list[Printed]:
        """The events that ``data`` completes, in order."""
        found: list[Printed] = []
        self._found = found
        if self._framed:
            self._scan(data)
        else:
            self._text(data)
        self.crowded = len(found) >= EVENTS
        self._end_flood()
        return found

    def line(self) -> list[Printed]:
        """End the line that has begun; a frame that has begun goes on."""
        found: list[Printed] = []
        self._found = found
        if self._held:
            held, self._held = self._held, b""
            self._text(held)
        self._end_line()
        return found

    def rest(self) -> list[Printed]:
        """End everything that has begun: who wrote it is gone."""
        found = self.line()
        if self._left:
            self._left = 0
            if self._message:
                found.append(Printed(bytes(self._message), self._level, self._moment))
                self._message.clear()
        return found

    def _scan(self, data: bytes) -> None:
        if self._held:
            data = self._held + data
            self._held = b""
        at = 0
        while at < len(data):
            if self._left:
                taken = data[at : at + self._left]
                at += len(taken)
                self._left -= len(taken)
                self._more(taken)
                continue
            header = _HEADER.search(data, at)
            if header is None:
                stop = _may_begin(data, at)
                self._text(data[at:stop])
                self._held = data[stop:]
                return
            self._text(data[at : header.start()])
            at = header.end()
            kind, length, moment, old_length = header.groups()
            self._left = int.from_bytes(length or old_length)
            self._level = kind[0] >> 2 if kind else 0
            self._moment = int.from_bytes(moment) if moment else 0
            if not self._left:
                self._emit(b"", self._level, self._moment)

    def _more(self, part: bytes) -> None:
        """Go on with a frame's message; one that is too long becomes several events."""
        message = self._message
        message += part
        while len(message) > EVENT_BYTES:
            at = _whole(message)
            self._emit(bytes(message[:at]), self._level, self._moment)
            del message[:at]
        if not self._left:
            self._emit(bytes(message), self._level, self._moment)
            message.clear()

    def _text(self, data: bytes) -> None:
        if not data:
            return
        first, newline, after = data.partition(b"\n")
        self._grow(first + newline)
        if not newline:
            return
        self._end_line()
        if not after:
            return
        lines = after.split(b"\n", max(1, EVENTS - len(self._found)))
        rest = lines.pop()
        for line in lines:
            self._grow(line + b"\n")
            self._end_line()
        whole, newline, rest = rest.rpartition(b"\n")
        if newline:
            self._grow(whole + newline)
            self._end_line()
        self._grow(rest)

    def _grow(self, part: bytes) -> None:
        line = self._line
        line += part
        while len(line) > EVENT_BYTES:
            at = _whole(line)
            self._emit(bytes(line[:at]), 0, 0)
            del line[:at]

    def _end_line(self) -> None:
        if self._line:
            self._emit(bytes(self._line), 0, 0)
            self._line.clear()

    def _emit(self, data: bytes, level: int, moment: int) -> None:
        if len(self._found) < EVENTS:
            self._found.append(Printed(data, level, moment))
            return
        if len(self._flood) + len(data) >= EVENT_BYTES:
            self._end_flood()
        if self._flood and not self._flood.endswith(b"\n"):
            self._flood += b"\n"
        self._flood += data

    def _end_flood(self) -> None:
        """What came after the most events is one of them."""
        if self._flood:
            self._found.append(Printed(bytes(self._flood)))
            self._flood.clear()


def _may_begin(data: bytes, start: int) -> int:
    """Where at the end of ``data`` a header may have begun that is not complete yet."""
    at = data.find(_MAGIC[:1], max(start, len(data) - _HEADER_BYTES + 1))
    while at >= 0:
        if _is_beginning(data[at:]):
            return at
        at = data.find(_MAGIC[:1], at + 1)
    return len(data)


def _is_beginning(data: bytes) -> bool:
    return (
        _MAGIC.startswith(data[:3])
        and (len(data) < 4 or data[3] in _TYPES or data[3] == 1)
        and (len(data) < 5 or data[4] == 0)
    )


def _whole(data: bytearray) -> int:
    """How much of ``data`` makes one event, without breaking a character in two."""
    at = EVENT_BYTES
    while at > EVENT_BYTES - 4 and data[at] & 0xC0 == 0x80:
        at -= 1
    return at if data[at] & 0xC0 != 0x80 else EVENT_BYTES
