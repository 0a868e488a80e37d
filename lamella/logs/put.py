"""PutLogEvents: which events are taken, which are too old or too new, and what is refused. Pure.

Source: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lamella.errors import LogsInvalidParameter
from lamella.logs.read import EVENT_OVERHEAD

BATCH_BYTES = 1_048_576
DAY = 86_400_000
OLDEST = 14 * DAY
NEWEST = 2 * 3_600_000
SPAN = DAY

Events = list[tuple[int, str]]


def accepted(
    events: Sequence[Mapping[str, Any]], now: int, retention: int | None
) -> tuple[Events, dict[str, int]]:
    """The events to keep, and RejectedLogEventsInfo; moments are Unix milliseconds.

    Raises LogsInvalidParameter for a batch that is too large, out of order or over a day long.
    """
    size = sum(len(each["message"].encode()) + EVENT_OVERHEAD for each in events)
    if size > BATCH_BYTES:
        raise LogsInvalidParameter(f"Upload too large: {size} bytes exceeds limit of {BATCH_BYTES}")
    times = [each["timestamp"] for each in events]
    if times != sorted(times):
        raise LogsInvalidParameter(
            "Log events in a single PutLogEvents request must be in chronological order."
        )
    if times and times[-1] - times[0] > SPAN:
        raise LogsInvalidParameter(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours."
        )
    expired = sum(when < now - retention * DAY for when in times) if retention else 0
    old = max(expired, sum(when < now - OLDEST for when in times))
    new = sum(when > now + NEWEST for when in times)
    rejected: dict[str, int] = {}
    if expired:
        rejected["expiredLogEventEndIndex"] = expired
    if old > expired:
        rejected["tooOldLogEventEndIndex"] = old
    if new:
        rejected["tooNewLogEventStartIndex"] = len(times) - new
    kept = events[old : len(events) - new]
    return [(each["timestamp"], each["message"]) for each in kept], rejected
