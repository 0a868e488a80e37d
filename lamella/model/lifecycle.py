"""The lives of a runtime and of its execution environment, as tables.

A table maps ``(state, event)`` to the next state; what is not in it is illegal. The names of a
runtime's states are those AWS puts into its ``InvalidStateTransition`` messages. Who raises the
events, and what happens on the way, is left to `lamella.runtime_api` and `lamella.invoke`.

Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from lamella.errors import LamellaError

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)


class RuntimeState(StrEnum):
    STARTED = "Started"
    INIT_ERROR = "InitError"
    RESTORING = "Restoring"
    RESTORE_ERROR = "RestoreError"
    READY = "Ready"
    RUNNING = "Running"
    INVOCATION_RESPONSE = "InvocationResponse"
    INVOCATION_ERROR_RESPONSE = "InvocationErrorResponse"
    RESPONSE_SENT = "ResponseSent"


class RuntimeEvent(StrEnum):
    """What the runtime does (``NEXT``, ``RESPONSE``, ``ERROR``, ``INIT_ERROR``, and with SnapStart
    ``RESTORE`` and ``RESTORE_ERROR``) or meets."""

    NEXT = "next"
    DELIVERED = "delivered"
    RESPONSE = "response"
    ERROR = "error"
    SENT = "sent"
    CUT = "cut"
    INIT_ERROR = "init error"
    RESTORE = "restore next"
    RESTORE_ERROR = "restore error"


class EnvironmentState(StrEnum):
    NEW = "New"
    INIT = "Init"
    IDLE = "Idle"
    INVOKE = "Invoke"
    FINISHING = "Finishing"
    FAILED = "Failed"
    SHUTDOWN = "Shutdown"
    ENDED = "Ended"


class EnvironmentEvent(StrEnum):
    START = "start"
    INITIALISED = "initialised"
    INVOKE = "invoke"
    ANSWERED = "answered"
    FREE = "free"
    FAULT = "fault"
    STOP = "stop"
    EXITED = "exited"


class ExtensionState(StrEnum):
    STARTED = "Started"
    REGISTERED = "Registered"
    READY = "Ready"
    RUNNING = "Running"
    INIT_ERROR = "InitError"
    EXIT_ERROR = "ExitError"
    EXITED = "Exited"
    LAUNCH_ERROR = "LaunchError"


class ExtensionEvent(StrEnum):
    """What an extension does, or meets (``DELIVERED``, ``EXIT``, ``FAULT`` of its launch)."""

    REGISTER = "register"
    NEXT = "next"
    DELIVERED = "delivered"
    INIT_ERROR = "init error"
    EXIT_ERROR = "exit error"
    EXIT = "exit"
    FAULT = "fault"


# `next` may be repeated while an invocation runs: the call is idempotent, a client that lost its
# connection gets the same invocation again. CUT is an answer whose connection broke half way.
# With SnapStart a runtime asks what it is to be restored as when its initialisation is done.
RUNTIME: Mapping[tuple[RuntimeState, RuntimeEvent], RuntimeState] = {
    (RuntimeState.STARTED, RuntimeEvent.NEXT): RuntimeState.READY,
    (RuntimeState.STARTED, RuntimeEvent.INIT_ERROR): RuntimeState.INIT_ERROR,
    (RuntimeState.STARTED, RuntimeEvent.RESTORE): RuntimeState.RESTORING,
    (RuntimeState.INIT_ERROR, RuntimeEvent.CUT): RuntimeState.STARTED,
    (RuntimeState.RESTORING, RuntimeEvent.RESTORE): RuntimeState.RESTORING,
    (RuntimeState.RESTORING, RuntimeEvent.NEXT): RuntimeState.READY,
    (RuntimeState.RESTORING, RuntimeEvent.RESTORE_ERROR): RuntimeState.RESTORE_ERROR,
    (RuntimeState.RESTORE_ERROR, RuntimeEvent.CUT): RuntimeState.RESTORING,
    (RuntimeState.READY, RuntimeEvent.NEXT): RuntimeState.READY,
    (RuntimeState.READY, RuntimeEvent.DELIVERED): RuntimeState.RUNNING,
    (RuntimeState.RUNNING, RuntimeEvent.NEXT): RuntimeState.RUNNING,
    (RuntimeState.RUNNING, RuntimeEvent.DELIVERED): RuntimeState.RUNNING,
    (RuntimeState.RUNNING, RuntimeEvent.RESPONSE): RuntimeState.INVOCATION_RESPONSE,
    (RuntimeState.RUNNING, RuntimeEvent.ERROR): RuntimeState.INVOCATION_ERROR_RESPONSE,
    (RuntimeState.INVOCATION_RESPONSE, RuntimeEvent.SENT): RuntimeState.RESPONSE_SENT,
    (RuntimeState.INVOCATION_RESPONSE, RuntimeEvent.CUT): RuntimeState.RUNNING,
    (RuntimeState.INVOCATION_ERROR_RESPONSE, RuntimeEvent.SENT): RuntimeState.RESPONSE_SENT,
    (RuntimeState.INVOCATION_ERROR_RESPONSE, RuntimeEvent.CUT): RuntimeState.RUNNING,
    (RuntimeState.RESPONSE_SENT, RuntimeEvent.NEXT): RuntimeState.READY,
}

# An extension may ask again while it is served: the call is idempotent, as the runtime's is.
EXTENSION: Mapping[tuple[ExtensionState, ExtensionEvent], ExtensionState] = {
    (ExtensionState.STARTED, ExtensionEvent.REGISTER): ExtensionState.REGISTERED,
    (ExtensionState.STARTED, ExtensionEvent.FAULT): ExtensionState.LAUNCH_ERROR,
    (ExtensionState.STARTED, ExtensionEvent.EXIT): ExtensionState.EXITED,
    (ExtensionState.REGISTERED, ExtensionEvent.NEXT): ExtensionState.READY,
    (ExtensionState.REGISTERED, ExtensionEvent.INIT_ERROR): ExtensionState.INIT_ERROR,
    (ExtensionState.REGISTERED, ExtensionEvent.EXIT_ERROR): ExtensionState.EXIT_ERROR,
    (ExtensionState.REGISTERED, ExtensionEvent.EXIT): ExtensionState.EXITED,
    (ExtensionState.READY, ExtensionEvent.NEXT): ExtensionState.READY,
    (ExtensionState.READY, ExtensionEvent.DELIVERED): ExtensionState.RUNNING,
    (ExtensionState.READY, ExtensionEvent.EXIT_ERROR): ExtensionState.EXIT_ERROR,
    (ExtensionState.READY, ExtensionEvent.EXIT): ExtensionState.EXITED,
    (ExtensionState.RUNNING, ExtensionEvent.NEXT): ExtensionState.READY,
    (ExtensionState.RUNNING, ExtensionEvent.EXIT_ERROR): ExtensionState.EXIT_ERROR,
    (ExtensionState.RUNNING, ExtensionEvent.EXIT): ExtensionState.EXITED,
    (ExtensionState.INIT_ERROR, ExtensionEvent.INIT_ERROR): ExtensionState.INIT_ERROR,
    (ExtensionState.INIT_ERROR, ExtensionEvent.EXIT): ExtensionState.EXITED,
    (ExtensionState.EXIT_ERROR, ExtensionEvent.EXIT_ERROR): ExtensionState.EXIT_ERROR,
    (ExtensionState.EXIT_ERROR, ExtensionEvent.EXIT): ExtensionState.EXITED,
}

# A failed environment starts anew with its /tmp kept, as part of the next invocation: that is
# AWS's reset, and also what follows an INIT that took too long.
ENVIRONMENT: Mapping[tuple[EnvironmentState, EnvironmentEvent], EnvironmentState] = {
    (EnvironmentState.NEW, EnvironmentEvent.START): EnvironmentState.INIT,
    (EnvironmentState.NEW, EnvironmentEvent.STOP): EnvironmentState.ENDED,
    (EnvironmentState.INIT, EnvironmentEvent.INITIALISED): EnvironmentState.IDLE,
    (EnvironmentState.INIT, EnvironmentEvent.FAULT): EnvironmentState.FAILED,
    (EnvironmentState.INIT, EnvironmentEvent.STOP): EnvironmentState.SHUTDOWN,
    (EnvironmentState.IDLE, EnvironmentEvent.INVOKE): EnvironmentState.INVOKE,
    (EnvironmentState.IDLE, EnvironmentEvent.FAULT): EnvironmentState.FAILED,
    (EnvironmentState.IDLE, EnvironmentEvent.STOP): EnvironmentState.SHUTDOWN,
    (EnvironmentState.INVOKE, EnvironmentEvent.ANSWERED): EnvironmentState.FINISHING,
    (EnvironmentState.INVOKE, EnvironmentEvent.FAULT): EnvironmentState.FAILED,
    (EnvironmentState.INVOKE, EnvironmentEvent.STOP): EnvironmentState.SHUTDOWN,
    (EnvironmentState.FINISHING, EnvironmentEvent.FREE): EnvironmentState.IDLE,
    (EnvironmentState.FINISHING, EnvironmentEvent.FAULT): EnvironmentState.FAILED,
    (EnvironmentState.FINISHING, EnvironmentEvent.STOP): EnvironmentState.SHUTDOWN,
    (EnvironmentState.FAILED, EnvironmentEvent.START): EnvironmentState.INIT,
    (EnvironmentState.FAILED, EnvironmentEvent.STOP): EnvironmentState.SHUTDOWN,
    (EnvironmentState.SHUTDOWN, EnvironmentEvent.EXITED): EnvironmentState.ENDED,
}


class IllegalTransition(LamellaError):
    """An event that its state does not allow; ``state`` and ``event`` say which."""

    def __init__(self, state: StrEnum, event: StrEnum) -> None:
        self.state = state
        self.event = event
        super().__init__(f"{event} is not allowed in state {state}")


def step(table: Mapping[tuple[S, E], S], state: S, event: E) -> S:
    """The state after ``event``. Raises IllegalTransition."""
    after = table.get((state, event))
    if after is None:
        raise IllegalTransition(state, event)
    return after
