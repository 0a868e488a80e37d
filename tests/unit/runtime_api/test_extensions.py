"""What calls of the Extensions API mean: registration, events, faults."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from lamella.model.invocation import Event
from lamella.model.lifecycle import ExtensionEvent
from lamella.runtime_api.extensions import About, Extensions, Fault, Reason, Said

ABOUT = About("f", "$LATEST", "app.handler", "000000000000")
EVENT = Event(request_id="r", payload=b"{}", deadline_ms=5, function_arn="arn:f", trace_id="Root=1")
BOTH = b'{"events": ["INVOKE", "SHUTDOWN"]}'
UNKNOWN = b"12345678-1234-1234-1234-123456789012"


class Wire:
    """A connection that keeps what is sent on it."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.dropped = False

    def deliver_event(self, said: Said) -> None:
        self.got.append(json.loads(said.body))

    def drop(self) -> None:
        self.dropped = True


def registered(extensions: Extensions, name: str = "a", body: bytes = BOTH) -> bytes:
    said = extensions.register(name.encode(), body)
    assert said.status == 200, said
    return dict(said.headers)["Lambda-Extension-Identifier"].encode()


def error(said: Said | None) -> tuple[int, str]:
    assert said is not None
    return said.status, json.loads(said.body)["errorType"]


def test_a_registration_says_what_the_function_is() -> None:
    extensions = Extensions(ABOUT, ["a"])
    said = extensions.register(b"a", BOTH)
    assert json.loads(said.body) == {
        "functionName": "f",
        "functionVersion": "$LATEST",
        "handler": "app.handler",
    }
    with_account = Extensions(ABOUT, ["a"]).register(b"a", BOTH, b"accountId")
    assert json.loads(with_account.body)["accountId"] == "000000000000"
    assert extensions.all_registered


@pytest.mark.parametrize(
    ("name", "body", "wanted"),
    [
        (b"", BOTH, (403, "Extension.InvalidExtensionName")),
        (b"a" * 256, BOTH, (403, "Extension.InvalidExtensionName")),
        (b"a", b"nonsense", (400, "InvalidRequestFormat")),
        (b"a", b'{"events": 1}', (400, "InvalidRequestFormat")),
        (b"a", b'{"events": ["OTHER"]}', (403, "Extension.InvalidEventType")),
        (b"internal", BOTH, (403, "Extension.InvalidEventType")),
    ],
)
def test_registrations_that_are_refused(name: bytes, body: bytes, wanted: tuple[int, str]) -> None:
    assert error(Extensions(ABOUT, ["a"]).register(name, body)) == wanted


def test_a_second_registration_a_late_one_and_an_eleventh_are_refused() -> None:
    extensions = Extensions(ABOUT, ["a"])
    registered(extensions)
    assert error(extensions.register(b"a", BOTH)) == (403, "Extension.InvalidExtensionState")
    for number in range(9):
        registered(extensions, f"i{number}", b'{"events": ["INVOKE"]}')
    assert error(extensions.register(b"more", b"{}")) == (403, "Extension.TooManyExtensions")
    late = Extensions(ABOUT, ["a"])
    late.close_registration()
    assert error(late.register(b"internal", b"{}")) == (403, "Extension.RegistrationClosed")


@pytest.mark.parametrize(
    ("identifier", "wanted"),
    [
        (b"", "Extension.MissingExtensionIdentifier"),
        (b"nonsense", "Extension.InvalidExtensionIdentifier"),
        (b"\xff", "Extension.InvalidExtensionIdentifier"),
        (UNKNOWN, "Extension.UnknownExtensionIdentifier"),
    ],
)
def test_identifiers_that_are_none(identifier: bytes, wanted: str) -> None:
    extensions = Extensions(ABOUT, [])
    assert error(extensions.next(identifier, Wire())) == (403, wanted)
    said = extensions.report_error(ExtensionEvent.EXIT_ERROR, identifier, b"t", b"")
    assert error(said) == (403, wanted)


def test_events_reach_those_who_asked_for_them() -> None:
    extensions = Extensions(ABOUT, ["a", "b"])
    both, only = Wire(), Wire()
    first = registered(extensions, "a")
    second = registered(extensions, "b", b'{"events": ["SHUTDOWN"]}')
    waiting = [extensions.all_wait]
    assert extensions.next(first, both) is None
    assert extensions.next(second, only) is None
    waiting.append(extensions.all_wait)
    extensions.invoke(EVENT)
    waiting.append(extensions.all_wait)
    assert waiting == [False, True, False]
    assert both.got == [
        {
            "eventType": "INVOKE",
            "deadlineMs": 5,
            "requestId": "r",
            "invokedFunctionArn": "arn:f",
            "tracing": {"type": "X-Amzn-Trace-Id", "value": "Root=1"},
        }
    ]
    assert only.got == []
    extensions.shut_down(Reason.SPINDOWN, 9)
    shutdown = {"eventType": "SHUTDOWN", "shutdownReason": "spindown", "deadlineMs": 9}
    assert only.got == [shutdown]
    # the first one has not asked again: its event waits for it
    assert extensions.next(first, both) is None
    assert both.got[1:] == [shutdown]


def test_a_later_next_takes_the_place_of_an_earlier_one() -> None:
    extensions = Extensions(ABOUT, ["a"])
    identifier = registered(extensions)
    earlier, later = Wire(), Wire()
    extensions.next(identifier, earlier)
    extensions.next(identifier, later)
    assert earlier.dropped
    extensions.lost(earlier)
    extensions.invoke(EVENT)
    assert (len(earlier.got), len(later.got)) == (0, 1)


def test_an_event_that_found_nobody_is_delivered_later() -> None:
    extensions = Extensions(ABOUT, ["a"])
    identifier = registered(extensions)
    gone, back = Wire(), Wire()
    extensions.next(identifier, gone)
    extensions.lost(gone)
    extensions.invoke(EVENT)
    extensions.next(identifier, back)
    assert len(back.got) == 1


def test_errors_are_reported_once_and_only_where_they_may_be() -> None:
    extensions = Extensions(ABOUT, ["a"])
    identifier = registered(extensions)
    missing = extensions.report_error(ExtensionEvent.INIT_ERROR, identifier, b"", b"")
    assert error(missing) == (403, "Extension.MissingHeader")
    said = extensions.report_error(ExtensionEvent.INIT_ERROR, identifier, b"Extension.Why", b"{}")
    assert (said.status, said.body) == (202, b'{"status":"OK"}\n')
    assert extensions.fault == Fault("a", "Extension.InitError", "Extension.Why")
    late = extensions.report_error(ExtensionEvent.EXIT_ERROR, identifier, b"x", b"")
    assert error(late) == (403, "Extension.InvalidExtensionState")
    assert error(extensions.next(identifier, Wire())) == (403, "Extension.InvalidExtensionState")


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        (1, "Extension.Crash", "exit code 1"),
        (0, "Extension.Crash", "exit code 0"),
        (-9, "Extension.Crash", "signal: 9"),
        (126, "Extension.LaunchError", "fork/exec /opt/extensions/a: permission denied"),
        (127, "Extension.LaunchError", "fork/exec /opt/extensions/a: no such file or directory"),
    ],
)
def test_a_process_that_ends_is_a_fault(code: int, kind: str, message: str) -> None:
    extensions = Extensions(ABOUT, ["a"])
    extensions.exited("a", code, expected=False)
    assert extensions.fault == Fault("a", kind, message)
    assert extensions.all_gone


def test_a_process_that_ends_while_everything_does_is_none() -> None:
    extensions = Extensions(ABOUT, ["a", "b", "never told", "never there"])
    for name in ("a", "b"):
        registered(extensions, name)
    registered(extensions, "never told", b'{"events": ["INVOKE"]}')
    extensions.exited("a", 0, expected=True)
    assert extensions.fault is None
    assert not extensions.all_gone
    extensions.exited("nobody", 0, expected=True)
    extensions.exited("b", 0, expected=True)
    assert extensions.all_gone  # the others are not told of the end, so nobody waits for theirs


def test_who_waits_is_woken_by_what_it_waits_for_and_by_faults() -> None:
    async def script() -> None:
        extensions = Extensions(ABOUT, ["a"])
        waiting = asyncio.ensure_future(extensions.until(lambda them: them.all_registered))
        await asyncio.sleep(0)
        assert not waiting.done()
        registered(extensions)
        await asyncio.wait_for(waiting, 5)
        waiting = asyncio.ensure_future(extensions.until(lambda them: them.all_wait))
        await asyncio.sleep(0)
        extensions.exited("a", 3, expected=False)
        await asyncio.wait_for(waiting, 5)
        assert extensions.fault is not None

    run(script)


def run(script: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await script()

    asyncio.run(whole())
