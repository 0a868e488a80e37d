"""One invocation: what goes to the runtime and what comes back."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What a runtime gets from ``next``. ``deadline_ms`` is Unix time in milliseconds."""

    request_id: str
    payload: bytes
    deadline_ms: int
    function_arn: str
    trace_id: str
    client_context: str | None = None
    cognito_identity: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What a runtime posted. ``error_type`` is None for a response, else the error's name."""

    payload: bytes
    error_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the caller of Invoke gets.

    ``function_error`` is the value of ``X-Amz-Function-Error`` or None; ``log_tail`` the last
    4 KB of the invocation's log lines when they were asked for.
    """

    payload: bytes
    executed_version: str
    function_error: str | None = None
    log_tail: bytes | None = None
