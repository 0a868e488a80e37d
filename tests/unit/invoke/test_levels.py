"""AWS's table of levels, and what a printed line's level is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.invoke import levels
from lamella.invoke.frames import Printed
from lamella.invoke.levels import DEBUG, ERROR, FATAL, INFO, WARN

AT = '"timestamp": "2024-11-02T16:51:31.587199Z"'


@pytest.mark.parametrize(
    ("kind", "record", "level"),
    [
        ("initStart", {"runtimeVersion": "python:3.12"}, INFO),
        ("initStart", {}, DEBUG),
        ("initRuntimeDone", {"status": "success"}, DEBUG),
        ("initRuntimeDone", {"status": "error"}, WARN),
        ("initReport", {"status": "success", "initializationType": "on-demand"}, DEBUG),
        ("initReport", {"status": "success", "initializationType": "snap-start"}, INFO),
        ("initReport", {"status": "timeout", "initializationType": "on-demand"}, WARN),
        ("start", {}, INFO),
        ("runtimeDone", {"status": "success"}, DEBUG),
        ("runtimeDone", {"status": "failure"}, WARN),
        ("report", {"status": "success"}, INFO),
        ("report", {"status": "timeout"}, WARN),
        ("extension", {"state": "Ready"}, INFO),
        ("extension", {"state": "Started"}, WARN),
        ("telemetrySubscription", {"state": "Subscribed"}, INFO),
        ("logsDropped", {}, WARN),
    ],
)
def test_the_platforms_events(kind: str, record: dict[str, Any], level: int) -> None:
    assert levels.of_platform(f"platform.{kind}", record) == level


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("plain words", INFO),
        ('{"level": "debug", "msg": "x", ' + AT + "}", DEBUG),
        ('{"level": "WARNING", ' + AT + "}", WARN),
        ('{"level": "CRITICAL", ' + AT + "}", FATAL),
        ('{"level": "ERROR", "time": "2024-11-02T16:51:31+01:00"}', ERROR),
        ('{"level": "ERROR", "time": "yesterday"}', INFO),
        ('{"level": "ERROR"}', INFO),
        ('{"level": "LOUD", ' + AT + "}", INFO),
        ('{"level": 40, ' + AT + "}", INFO),
        ('{"level": "ERROR", "timestamp": 1730566291}', INFO),
        ('{"level": "ERROR", ' + AT, INFO),
        ('["level"]', INFO),
    ],
)
def test_what_a_function_prints(line: str, level: int) -> None:
    assert levels.of_event(Printed(line.encode() + b"\n")) == level


def test_a_frame_says_its_level_itself() -> None:
    assert levels.of_event(Printed(b'{"level": "DEBUG", ' + AT.encode() + b"}", ERROR)) == ERROR


@given(st.binary())
def test_any_bytes_have_a_level(data: bytes) -> None:
    assert levels.of_event(Printed(b"{" + data)) == INFO
