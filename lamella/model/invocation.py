"""One invocation: what goes to the runtime and what comes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class Sink(Protocol):
    """Takes a streamed response while the runtime writes it, for a caller who wants it so.

    A runtime that does not stream never calls `begin`: its whole answer is in the `Reply`.
    """

    def chosen(self, version: str) -> None:
        """An environment of this version has the invocation."""
        ...

    def begin(self, content_type: str, resume: Callable[[], None]) -> None:
        """A streamed response starts; ``resume`` is called to be given more after it was full."""
        ...

    def write(self, data: bytes) -> bool:
        """Take the next bytes. False when no more should come until ``resume``."""
        ...


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
    sink: Sink | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What a runtime posted. ``error_type`` is None for a response, else the error's name.

    Of a response that went to a `Sink` the payload is empty, or the error that it ended with.
    """

    payload: bytes
    error_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the caller of Invoke gets.

    ``function_error`` is the value of ``X-Amz-Function-Error`` or None, ``error_type`` the error's
    own name; ``log_tail`` the last 4 KB of the invocation's log lines when they were asked for;
    ``trace_id`` is the trace header under which it ran.
    """

    payload: bytes
    executed_version: str
    function_error: str | None = None
    log_tail: bytes | None = None
    error_type: str | None = None
    trace_id: str = ""
