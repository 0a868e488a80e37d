"""The extensions of one environment as the Extensions API sees them: who registered for what, who
waits in ``next``, and who has failed.

Owns what a call of an extension means; reading and writing HTTP is left to
`lamella.runtime_api.server`, processes to `lamella.invoke`. Nothing here awaits.

Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import orjson

from lamella.model.invocation import Event
from lamella.model.lifecycle import EXTENSION, ExtensionEvent, ExtensionState

MOST = 10
"""Extensions of one environment, internal and external together."""
NAME_BYTES = 255
"""The longest name of an extension: that of a file."""
EVENTS = ("INVOKE", "SHUTDOWN")


class Reason(StrEnum):
    """Why an environment is shut down."""

    SPINDOWN = "spindown"
    TIMEOUT = "timeout"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Said:
    """An answer to an extension; header names and values are sent as they are."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class Line(Protocol):
    """A connection of an extension on which an event can be sent."""

    def deliver_event(self, said: Said) -> None: ...

    def drop(self) -> None:
        """Close at once; ``Extensions.lost`` follows."""


@dataclass(frozen=True, slots=True)
class About:
    """What an extension is told of the function when it registers."""

    function_name: str
    function_version: str
    handler: str
    account: str


@dataclass(frozen=True, slots=True)
class Fault:
    """An extension that failed: its name, the type and the sentence of its error, AWS's words."""

    name: str
    error_type: str
    message: str


@dataclass(slots=True)
class Extension:
    """One extension. ``external`` ones are processes of their own, named after their file."""

    name: str
    external: bool
    state: ExtensionState = ExtensionState.STARTED
    identifier: str = ""
    events: tuple[str, ...] = ()
    error_type: str = ""
    line: Line | None = None
    pending: Said | None = None

    def go(self, event: ExtensionEvent) -> bool:
        after = EXTENSION.get((self.state, event))
        if after is None:
            return False
        self.state = after
        return True

    @property
    def waits(self) -> bool:
        return self.state is ExtensionState.READY

    @property
    def is_done(self) -> bool:
        return self.state in (ExtensionState.EXITED, ExtensionState.LAUNCH_ERROR)


class Extensions:
    """Every extension of an environment, from the start of its processes to their end.

    ``expected`` are the names of the external ones, which are being started. ``changed`` is
    called whenever somebody who waits may find that it holds now.
    """

    def __init__(
        self, about: About, expected: Iterable[str], changed: Callable[[], None] = lambda: None
    ) -> None:
        self._about = about
        self._changed = changed
        self._all = {name: Extension(name, external=True) for name in expected}
        self._by_identifier: dict[str, Extension] = {}
        self._is_open = True
        self._moved = asyncio.Event()
        self.fault: Fault | None = None

    def __len__(self) -> int:
        return len(self._all)

    @property
    def all_registered(self) -> bool:
        """Whether every external extension has registered."""
        return all(
            each.state is not ExtensionState.STARTED for each in self._all.values() if each.external
        )

    @property
    def all_wait(self) -> bool:
        """Whether every registered extension asks for its next event."""
        return all(each.waits for each in self._by_identifier.values())

    @property
    def all_gone(self) -> bool:
        """Whether no external extension that is told of the end has a process any more."""
        return all(
            each.is_done
            for each in self._all.values()
            if each.external and "SHUTDOWN" in each.events
        )

    @property
    def has_external(self) -> bool:
        return any(each.external for each in self._all.values())

    def described(self) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
        """Name, state and events of each extension."""
        return tuple((each.name, each.state.value, each.events) for each in self._all.values())

    def too_many(self, name: str) -> None:
        """``name`` is one external extension more than there may be, and was not started."""
        self.fault = Fault(name, "Extension.TooManyExtensions", f"Extension limit ({MOST}) reached")

    def close_registration(self) -> None:
        """INIT is over: from now on nobody may register."""
        self._is_open = False

    async def until(self, holds: Callable[[Extensions], bool]) -> None:
        """Return when ``holds`` does, or an extension has failed."""
        while not holds(self) and self.fault is None:
            self._moved.clear()
            await self._moved.wait()

    async def until_gone(self) -> None:
        """Return when no external extension that is told of the end has a process any more."""
        while not self.all_gone:
            self._moved.clear()
            await self._moved.wait()

    # Calls

    def register(self, name: bytes, body: bytes, features: bytes = b"") -> Said:
        """``POST /extension/register``."""
        if not name:
            return refused(403, "Extension.InvalidExtensionName", "Empty extension name")
        if len(name) > NAME_BYTES:
            return refused(403, "Extension.InvalidExtensionName", "Extension name is too long")
        events = _events(body)
        if isinstance(events, Said):
            return events
        text = name.decode("utf-8", "replace")
        extension = self._all.get(text)
        if extension is None:
            if not self._is_open:
                return refused(
                    403, "Extension.RegistrationClosed", "Extension registration closed already"
                )
            if len(self._all) >= MOST:
                return refused(
                    403,
                    "Extension.TooManyExtensions",
                    f"Extension limit ({MOST}) reached",
                )
            extension = Extension(text, external=False)
        if "SHUTDOWN" in events and not extension.external:
            return refused(
                403,
                "Extension.InvalidEventType",
                f"ShutdownEventNotSupportedForInternalExtension: {text}",
            )
        before = extension.state
        if not extension.go(ExtensionEvent.REGISTER):
            return _illegal(extension, before, ExtensionState.REGISTERED)
        extension.events = events
        extension.identifier = str(uuid.uuid4())
        self._all[text] = self._by_identifier[extension.identifier] = extension
        self._wake()
        return Said(
            200,
            orjson.dumps(self._described(features)),
            (("Lambda-Extension-Identifier", extension.identifier),),
        )

    def next(self, identifier: bytes, line: Line) -> Said | None:
        """``GET /extension/event/next``: None if the event will be delivered on ``line``."""
        extension = self._known(identifier)
        if isinstance(extension, Said):
            return extension
        before = extension.state
        if not extension.go(ExtensionEvent.NEXT):
            return _illegal(extension, before, ExtensionState.READY)
        if extension.line is not None and extension.line is not line:
            extension.line.drop()
        extension.line = line
        if extension.pending is not None:
            said, extension.pending = extension.pending, None
            self._deliver(extension, said)
        else:
            self._wake()
        return None

    def report_error(
        self, event: ExtensionEvent, identifier: bytes, error_type: bytes, body: bytes
    ) -> Said:
        """``POST /extension/init/error`` and ``exit/error``: the extension is about to end."""
        extension = self._known(identifier)
        if isinstance(extension, Said):
            return extension
        if not error_type:
            return refused(
                403, "Extension.MissingHeader", "Lambda-Extension-Function-Error-Type not found"
            )
        before = extension.state
        if not extension.go(event):
            to = (
                ExtensionState.INIT_ERROR
                if event is ExtensionEvent.INIT_ERROR
                else ExtensionState.EXIT_ERROR
            )
            return _illegal(extension, before, to)
        extension.error_type = error_type[:256].decode("latin-1")
        kind = (
            "Extension.InitError" if event is ExtensionEvent.INIT_ERROR else "Extension.ExitError"
        )
        self._fail(extension, kind, extension.error_type)
        return Said(202, b'{"status":"OK"}\n')

    def identify(self, identifier: bytes) -> Extension | Said:
        """The extension behind an identifier, or the refusal; for the Telemetry API."""
        return self._known(identifier)

    def lost(self, line: Line) -> None:
        """``line`` is closed."""
        for extension in self._by_identifier.values():
            if extension.line is line:
                extension.line = None

    # Events

    def invoke(self, event: Event) -> None:
        """Tell those who registered for it of an invocation."""
        body = {
            "eventType": "INVOKE",
            "deadlineMs": event.deadline_ms,
            "requestId": event.request_id,
            "invokedFunctionArn": event.function_arn,
            "tracing": {"type": "X-Amzn-Trace-Id", "value": event.trace_id},
        }
        self._tell("INVOKE", body)

    def shut_down(self, reason: Reason, deadline_ms: int) -> None:
        """Tell those who registered for it that the environment ends."""
        self._is_open = False
        self._tell(
            "SHUTDOWN",
            {"eventType": "SHUTDOWN", "shutdownReason": reason.value, "deadlineMs": deadline_ms},
        )

    def exited(self, name: str, code: int, *, expected: bool) -> None:
        """The process of an external extension has ended; ``code`` is negative for a signal.

        ``expected`` says that the environment is being shut down: then it is no fault.
        """
        extension = self._all.get(name)
        if extension is None:
            return
        before = extension.state
        launched = code not in (126, 127) or before is not ExtensionState.STARTED
        extension.go(ExtensionEvent.EXIT if launched else ExtensionEvent.FAULT)
        extension.line = None
        if expected:
            self._wake()
        elif not launched:
            why = "fork/exec /opt/extensions/{}: {}"
            reason = "permission denied" if code == 126 else "no such file or directory"
            self._fail(extension, "Extension.LaunchError", why.format(name, reason))
        else:
            self._fail(extension, "Extension.Crash", _how(code))

    # The rest

    def _tell(self, kind: str, body: Mapping[str, Any]) -> None:
        said = orjson.dumps(body)
        for extension in self._by_identifier.values():
            if kind not in extension.events:
                continue
            event = Said(
                200,
                said,
                (
                    ("Lambda-Extension-Identifier", extension.identifier),
                    ("Lambda-Extension-Event-Identifier", str(uuid.uuid4())),
                ),
            )
            if extension.waits and extension.line is not None:
                self._deliver(extension, event)
            else:
                extension.pending = event

    def _deliver(self, extension: Extension, said: Said) -> None:
        line, extension.line = extension.line, None
        extension.go(ExtensionEvent.DELIVERED)
        if line is not None:
            line.deliver_event(said)

    def _described(self, features: bytes) -> dict[str, str]:
        described = {
            "functionName": self._about.function_name,
            "functionVersion": self._about.function_version,
            "handler": self._about.handler,
        }
        if b"accountid" in features.lower():
            described["accountId"] = self._about.account
        return described

    def _known(self, identifier: bytes) -> Extension | Said:
        if not identifier:
            return refused(
                403,
                "Extension.MissingExtensionIdentifier",
                "Missing Lambda-Extension-Identifier header",
            )
        text = identifier.decode("latin-1")
        extension = self._by_identifier.get(text)
        if extension is not None:
            return extension
        try:
            uuid.UUID(text)
        except ValueError:
            return refused(
                403,
                "Extension.InvalidExtensionIdentifier",
                "Invalid Lambda-Extension-Identifier",
            )
        return refused(403, "Extension.UnknownExtensionIdentifier", f"Unknown extension {text}")

    def _fail(self, extension: Extension, kind: str, message: str) -> None:
        """Of several faults the first is told: the others mostly follow from it."""
        if self.fault is None:
            self.fault = Fault(extension.name, kind, message)
        self._wake()

    def _wake(self) -> None:
        self._moved.set()
        self._changed()


def _events(body: bytes) -> tuple[str, ...] | Said:
    """The events that a registration asks for, or the refusal."""
    try:
        asked = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return refused(400, "InvalidRequestFormat", str(error))
    listed = asked.get("events") if isinstance(asked, dict) else None
    if listed is None:
        listed = []
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        return refused(400, "InvalidRequestFormat", "events must be a list of names")
    for each in listed:
        if each not in EVENTS:
            return refused(
                403, "Extension.InvalidEventType", f"InvalidEventType: {each[:64]} is not an event"
            )
    return tuple(dict.fromkeys(listed))


def _illegal(extension: Extension, before: ExtensionState, to: ExtensionState) -> Said:
    return refused(
        403,
        "Extension.InvalidExtensionState",
        f"State transition from {before} to {to} failed for extension {extension.name}. "
        "Error: State transition is not allowed",
    )


def _how(code: int) -> str:
    if code < 0:
        return f"signal: {-code}"
    return f"exit code {code}"


def refused(status: int, error_type: str, message: str) -> Said:
    """An error in the shape of AWS's runtime interfaces."""
    return Said(status, orjson.dumps({"errorMessage": message, "errorType": error_type}) + b"\n")
