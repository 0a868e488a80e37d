"""Events that wait to be run: asynchronous invocations, as the queue keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Settled(StrEnum):
    """How an event came to its end; each has exactly one."""

    SUCCESS = "success"  # the function returned, and whoever wants to know was told
    FAILURE = "failure"  # it was given up, and whoever wants to know was told
    DROPPED = "dropped"  # its function is gone
    UNDELIVERABLE = "undeliverable"  # a destination or a dead-letter queue did not take its record


class Condition(StrEnum):
    """Why a destination gets a record, in AWS's words."""

    SUCCESS = "Success"
    RETRIES_EXHAUSTED = "RetriesExhausted"
    AGE_EXCEEDED = "EventAgeExceeded"
    NO_CONCURRENCY = "ZeroReservedConcurrency"
    RECURSION = "RecursiveInvocation"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedEvent:
    """One accepted event. Moments are Unix time in seconds.

    ``attempts`` counts invocations whose function failed, ``pauses`` those that found no room in
    a row. ``delivery`` is None while the function is still to run; then it is what is to be told
    to whom (`lamella.invoke.destinations`), and ``attempts`` stays as it is.
    """

    id: str
    account: str
    region: str
    name: str
    qualifier: str | None
    payload: bytes
    trace_id: str | None
    client_context: str | None
    accepted: float
    due: float
    attempts: int = 0
    pauses: int = 0
    delivery: Mapping[str, Any] | None = field(default=None)

    @property
    def function(self) -> tuple[str, str, str]:
        return self.account, self.region, self.name
