"""What telemetry says of an environment's life: the records of the platform's events. Pure.

Times are seconds here and milliseconds in the records.
Source: https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from lamella.model.function import Function

Record = dict[str, Any]


class Restored(NamedTuple):
    """How long a restore took, and the part of it in which the function's own code ran: AWS bills
    that alone.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/snapstart-monitoring.html
    """

    seconds: float
    hooks: float

    @property
    def billed(self) -> int:
        return math.ceil(self.hooks * 1000)


class Done(NamedTuple):
    """An invocation that is over. ``status`` is set where the platform had to end it (``error``,
    ``timeout``); ``error_type`` also where the function reported an error; memory is bytes."""

    request_id: str
    seconds: float
    memory_used: int
    init_seconds: float | None = None
    status: str | None = None
    error_type: str | None = None
    trace: str = ""
    restored: Restored | None = None

    @property
    def billed(self) -> int:
        """Milliseconds: since August 2025 AWS bills the initialisation too, and with SnapStart what
        is billed of the restore.

        Source: https://aws.amazon.com/blogs/compute/aws-lambda-standardizes-billing-for-init-phase/
        """
        restored = self.restored.billed if self.restored is not None else 0
        return math.ceil((self.seconds + (self.init_seconds or 0.0)) * 1000 + restored)


def init_start(
    function: Function, kind: str, phase: str, runtime: tuple[str, str], stream: str
) -> Record:
    """``kind`` is the type of initialisation; ``runtime`` a version and its ARN; AWS names the
    environment by its log stream."""
    return {
        "initializationType": kind,
        "phase": phase,
        "runtimeVersion": runtime[0],
        "runtimeVersionArn": runtime[1],
        "functionName": function.name,
        "functionVersion": function.version,
        "instanceId": stream,
        "instanceMaxMemory": function.memory_size * 1_048_576,
    }


def init_runtime_done(kind: str, phase: str, error_type: str | None, *, in_time: bool) -> Record:
    record = {"initializationType": kind, "phase": phase, "status": _status(error_type, in_time)}
    return record if error_type is None else {**record, "errorType": error_type}


def init_report(
    kind: str, phase: str, seconds: float, error_type: str | None, *, in_time: bool
) -> Record:
    return {
        **init_runtime_done(kind, phase, error_type, in_time=in_time),
        "metrics": {"durationMs": _milliseconds(seconds)},
    }


def restore_start(function: Function, runtime: tuple[str, str], stream: str) -> Record:
    """``runtime`` and ``stream`` as in `init_start`."""
    return {
        "runtimeVersion": runtime[0],
        "runtimeVersionArn": runtime[1],
        "functionName": function.name,
        "functionVersion": function.version,
        "instanceId": stream,
        "instanceMaxMemory": function.memory_size * 1_048_576,
    }


def restore_runtime_done(error_type: str | None, *, in_time: bool) -> Record:
    status = _status(error_type, in_time)
    return {"status": status, **_typed(status, error_type)}


def restore_report(seconds: float, error_type: str | None, *, in_time: bool) -> Record:
    metrics = {"durationMs": _milliseconds(seconds)}
    return {**restore_runtime_done(error_type, in_time=in_time), "metrics": metrics}


def extension(name: str, state: str, events: tuple[str, ...]) -> Record:
    return {"name": name, "state": state, "events": list(events)}


def start(request_id: str, version: str, trace: str | None) -> Record:
    record = {"requestId": request_id, "version": version}
    return record if trace is None else {**record, "tracing": _tracing(trace)}


def runtime_done(
    request_id: str, trace: str, outcome: tuple[str, str | None], seconds: float, produced: int
) -> Record:
    """``outcome`` is a status and the type of an error."""
    status, error_type = outcome
    return {
        "requestId": request_id,
        "status": status,
        **_typed(status, error_type),
        "tracing": _tracing(trace),
        "metrics": {"durationMs": _milliseconds(seconds), "producedBytes": produced},
    }


def report(done: Done, function: Function) -> Record:
    metrics = {
        "durationMs": _milliseconds(done.seconds),
        "billedDurationMs": done.billed,
        "memorySizeMB": function.memory_size,
        "maxMemoryUsedMB": min(function.memory_size, math.ceil(done.memory_used / 1_048_576)),
    }
    if done.init_seconds is not None:
        metrics["initDurationMs"] = _milliseconds(done.init_seconds)
    if done.restored is not None:
        metrics["restoreDurationMs"] = _milliseconds(done.restored.seconds)
        metrics["billedRestoreDurationMs"] = done.restored.billed
    status = done.status or ("success" if done.error_type is None else "error")
    typed = _typed(status, done.error_type)
    return {"requestId": done.request_id, "metrics": metrics, "status": status, **typed}


def _typed(status: str, error_type: str | None) -> Record:
    """A status that speaks for itself has no type of error beside it."""
    return {} if error_type is None or status == "timeout" else {"errorType": error_type}


def _tracing(trace: str) -> Record:
    return {"type": "X-Amzn-Trace-Id", "value": trace}


def _status(error_type: str | None, in_time: bool) -> str:
    if not in_time:
        return "timeout"
    return "success" if error_type is None else "error"


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
