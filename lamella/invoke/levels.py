"""Which lines of a log are kept: the levels of LoggingConfig. Pure.

Levels are numbers, `TRACE` to `FATAL`, as in the frames of AWS's runtime clients. They count for
functions that log JSON; what is plain text is kept as it is.

Source: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from lamella.invoke.frames import Printed

TRACE, DEBUG, INFO, WARN, ERROR, FATAL = range(1, 7)

LEVELS: Final = {
    "TRACE": TRACE,
    "DEBUG": DEBUG,
    "INFO": INFO,
    "WARN": WARN,
    "ERROR": ERROR,
    "FATAL": FATAL,
    # Python's names for two of them.
    "WARNING": WARN,
    "CRITICAL": FATAL,
}

_MOMENTS: Final = ("timestamp", "time", "@timestamp", "Timestamp")
_RFC_3339: Final = re.compile(
    r"\d{4}-(0\d|1[0-2])-([0-2]\d|3[01])[Tt ]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?"
    r"([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)"
)


def of_event(printed: Printed) -> int:
    """The level of an event that a function printed: its frame's; that of a JSON object with a
    level and a time; else INFO, as AWS has it."""
    if printed.level:
        return printed.level
    found = json_object(printed.data)
    if found is None:
        return INFO
    level = found.get("level")
    moment = next((found[name] for name in _MOMENTS if name in found), None)
    timed = isinstance(moment, str) and _RFC_3339.fullmatch(moment)
    return LEVELS.get(level.upper(), INFO) if timed and isinstance(level, str) else INFO


def json_object(text: bytes | str) -> dict[str, Any] | None:
    """The object that a line is; None for anything else."""
    if text[:1] not in (b"{", "{"):
        return None
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def of_platform(kind: str, record: Mapping[str, Any]) -> int:
    """The level of one of the platform's own events: AWS's table."""
    status = record.get("status", "success")
    match kind:
        case "platform.logsDropped":
            return WARN
        case "platform.initRuntimeDone" | "platform.runtimeDone" | "platform.restoreRuntimeDone":
            return DEBUG if status == "success" else WARN
        case "platform.initReport":
            if status != "success":
                return WARN
            return DEBUG if record["initializationType"] == "on-demand" else INFO
        case "platform.initStart":
            return INFO if record.get("runtimeVersion") else DEBUG
        case "platform.extension":
            return INFO if record["state"] == "Ready" else WARN
        case _:
            return INFO if status == "success" else WARN
