"""What telemetry says of an environment's life: the records of the platform's events. Pure.

Times are seconds here and milliseconds in the records.
Source: https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html
"""

from __future__ import annotations

import math
from typing import Any

from lamella.model.function import Function

Record = dict[str, Any]


def init_start(function: Function, kind: str, phase: str, runtime: tuple[str, str]) -> Record:
    """``kind`` is the type of initialisation; ``runtime`` a version and its ARN."""
    return {
        "initializationType": kind,
        "phase": phase,
        "runtimeVersion": runtime[0],
        "runtimeVersionArn": runtime[1],
        "functionName": function.name,
        "functionVersion": function.version,
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


def extension(name: str, state: str, events: tuple[str, ...]) -> Record:
    return {"name": name, "state": state, "events": list(events)}


def start(request_id: str, version: str, trace: str) -> Record:
    return {"requestId": request_id, "version": version, "tracing": _tracing(trace)}


def runtime_done(request_id: str, trace: str, status: str, seconds: float, produced: int) -> Record:
    return {
        "requestId": request_id,
        "status": status,
        "tracing": _tracing(trace),
        "metrics": {"durationMs": _milliseconds(seconds), "producedBytes": produced},
    }


def report(
    request_id: str,
    status: str,
    seconds: float,
    function: Function,
    memory_used: int,
    init_seconds: float | None,
) -> Record:
    metrics = {
        "durationMs": _milliseconds(seconds),
        "billedDurationMs": math.ceil((seconds + (init_seconds or 0.0)) * 1000),
        "memorySizeMB": function.memory_size,
        "maxMemoryUsedMB": min(function.memory_size, math.ceil(memory_used / 1_048_576)),
    }
    if init_seconds is not None:
        metrics["initDurationMs"] = _milliseconds(init_seconds)
    return {"requestId": request_id, "status": status, "metrics": metrics}


def _tracing(trace: str) -> Record:
    return {"type": "X-Amzn-Trace-Id", "value": trace}


def _status(error_type: str | None, in_time: bool) -> str:
    if not in_time:
        return "timeout"
    return "success" if error_type is None else "error"


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
