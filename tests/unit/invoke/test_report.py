"""Lambda's own log lines and error bodies, word by word."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from lamella.invoke import report
from lamella.invoke.happenings import Done


def test_the_report_line_of_a_first_invocation() -> None:
    done = Done(request_id="id", seconds=0.00301, memory_used=37_000_000, init_seconds=0.1101)
    assert report.report(done, 128) == (
        "REPORT RequestId: id\tDuration: 3.01 ms\tBilled Duration: 114 ms\tMemory Size: 128 MB\t"
        "Max Memory Used: 36 MB\tInit Duration: 110.10 ms\t\n"
    )


def test_the_report_line_of_a_later_one_and_of_a_timeout() -> None:
    done = Done(request_id="id", seconds=1.0, memory_used=0, status="timeout")
    assert report.report(done, 256) == (
        "REPORT RequestId: id\tDuration: 1000.00 ms\tBilled Duration: 1000 ms\t"
        "Memory Size: 256 MB\tMax Memory Used: 0 MB\tStatus: timeout\t\n"
    )


def test_memory_is_never_reported_above_its_size() -> None:
    line = report.report(Done(request_id="id", seconds=0.1, memory_used=10**9), 128)
    assert "Max Memory Used: 128 MB" in line


def test_the_report_line_of_an_error_and_of_a_trace() -> None:
    done = Done(
        request_id="id",
        seconds=0.5,
        memory_used=0,
        status="error",
        error_type="Runtime.ExitError",
        trace="Root=1-5e34a614-10bdxxxx;Parent=07f1;Sampled=1;Lineage=x",
    )
    head = (
        "REPORT RequestId: id\tDuration: 500.00 ms\tBilled Duration: 500 ms\t"
        "Memory Size: 128 MB\tMax Memory Used: 0 MB\tStatus: error\t"
        "Error Type: Runtime.ExitError\t\n"
    )
    assert report.report(done, 128) == head
    traced = "XRAY TraceId: 1-5e34a614-10bdxxxx\tSegmentId: 07f1\tSampled: true\t\n"
    assert report.report(done, 128, traced=True) == head + traced
    unsampled = done._replace(trace="Root=1-5e34a614-10bdxxxx;Sampled=0")
    assert report.report(unsampled, 128, traced=True) == head


def test_the_lines_of_extensions() -> None:
    assert (
        report.extension("agent", "Ready", ("INVOKE", "SHUTDOWN"))
        == "EXTENSION\tName: agent\tState: Ready\tEvents: [INVOKE, SHUTDOWN]\n"
    )
    assert (
        report.subscription("agent", ["platform", "function"])
        == "TELEMETRY\tName: agent\tState: Subscribed\tTypes: [Platform, Function]\n"
    )


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "Runtime exited without providing a reason"),
        (1, "Runtime exited with error: exit status 1"),
        (127, "Runtime exited with error: exit status 127"),
        (-9, "Runtime exited with error: signal: killed"),
        (-6, "Runtime exited with error: signal: aborted"),
        (-11, "Runtime exited with error: signal: segmentation fault"),
        (-64, "Runtime exited with error: signal: signal 64"),
        (248, "Runtime exited with error: exit status 248"),
    ],
)
def test_how_a_runtime_ended(code: int, words: str) -> None:
    assert report.exit_reason(code) == words
    body = json.loads(report.exited("id", code).payload)
    assert body == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: id Error: {words}",
    }


def test_a_timeout() -> None:
    reply = report.timed_out("id", 3)
    assert json.loads(reply.payload) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": "RequestId: id Error: Task timed out after 3.00 seconds",
    }
    moment = datetime(2026, 11, 21, 4, 5, 6, 789_000, tzinfo=UTC)
    assert (
        report.timeout_line("id", 3, moment)
        == "2026-11-21T04:05:06.789Z id Task timed out after 3.00 seconds\n\n"
    )
