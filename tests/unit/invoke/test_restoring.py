"""The rules of SnapStart: which versions, how long, what REPORT says, what a failure is called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from lamella.errors import SnapStartFailed, SnapStartTimeout
from lamella.invoke import happenings, report, restoring
from lamella.invoke.furnish import Furnished
from lamella.invoke.happenings import Done, Restored
from lamella.model.function import Function
from lamella.model.invocation import Reply
from lamella.runtime_api.restore import Restore, Stage
from lamella.runtimes.forking import Plain
from lamella.sandbox.box import Box
from lamella.sandbox.cgroup import NOTHING, Group, Memory
from lamella.sandbox.network import Network
from lamella.sandbox.plan import BoxPlan, Limits
from lamella.sandbox.reserve import Place
from tests.unit.functions.works import a_function

GROUP: Group = object.__new__(Group)
AT = Place(GROUP, None)
FROM_SNAPSHOT = Place(GROUP, None, restores=True)


def version(**members: Any) -> Function:
    return a_function(
        **{"version": "1", "runtime": "python3.13", "snap_start": "PublishedVersions", **members}
    )


def furnished(stage: Stage | None = Stage.PLAIN, **members: Any) -> Furnished:
    plan = BoxPlan(name="b", argv=("x",), environment={}, limits=Limits(memory=1, tmp=1))
    plan = replace(plan, network=members.pop("network", None))
    restore = None if stage is None else Restore(stage, "token", dict)
    return Furnished(plan=plan, stream="s", init_start="i", worn_at=0.0, restore=restore, **members)


@pytest.mark.parametrize(
    ("members", "has"),
    [
        ({}, True),
        ({"runtime": "python3.12"}, True),
        ({"version": "$LATEST"}, False),
        ({"snap_start": "None"}, False),
        ({"runtime": "java21"}, False),
        ({"runtime": "dotnet8"}, False),
    ],
)
def test_python_versions_that_ask_for_it_have_it(members: Mapping[str, Any], has: bool) -> None:
    assert version(**members).has_snapshot is has


def test_how_long_a_start_may_take() -> None:
    def seconds(
        function: Function, place: Place | None = AT, *, provisioned: bool = False
    ) -> float:
        return restoring.seconds(function, place, provisioned=provisioned)

    assert seconds(a_function()) == 10
    assert seconds(a_function(timeout=900), provisioned=True) == 900
    assert seconds(version()) == 130
    assert seconds(version(timeout=900)) == 900
    assert seconds(version(timeout=900), FROM_SNAPSHOT) == 10
    assert seconds(version(timeout=900), None) == 900


def test_which_phase_begins() -> None:
    def begun(given: Furnished, place: Place | None, *, invoking: bool = False) -> tuple[Any, str]:
        after, phase = restoring.begun(given, place, invoking=invoking)
        return after.restore and after.restore.stage, phase

    assert begun(furnished(None), AT) == (None, "init")
    assert begun(furnished(None), None, invoking=True) == (None, "invoke")
    assert begun(furnished(), AT) == (Stage.PLAIN, "init")
    assert begun(furnished(), FROM_SNAPSHOT) == (Stage.RESTORED, restoring.RESTORE)
    assert begun(furnished(), None, invoking=True) == (Stage.PLAIN, "invoke")
    assert begun(furnished(Stage.SNAPSHOT), AT) == (Stage.SNAPSHOT, restoring.SNAPSHOT)


def test_what_a_start_has_taken() -> None:
    assert restoring.durations("init", 1.0, 2.0, 4.0) == (3.0, None)
    assert restoring.durations("invoke", 1.0, 2.0, 4.0) == (None, None)
    assert restoring.durations(restoring.RESTORE, 1.0, 2.0, 4.0) == (None, Restored(3.0, 2.0))


def test_what_is_told_of_a_restore_that_failed() -> None:
    def told(phase: str, *, failed: bool = False, in_time: bool = True) -> type | None:
        found = restoring.fault(phase, failed=failed, in_time=in_time)
        return None if found is None else type(found)

    assert told(restoring.RESTORE) is None
    assert told(restoring.RESTORE, failed=True) is SnapStartFailed
    assert told("init", failed=True) is SnapStartFailed
    assert told(restoring.RESTORE, in_time=False) is SnapStartTimeout
    assert told("init", in_time=False) is None


def test_what_began_plainly_after_all_was_lost() -> None:
    fork, plain = (object.__new__(Box) for _ in range(2))
    fork.base = Memory(0, 0)
    plain.base = NOTHING
    assert restoring.was_lost(restoring.RESTORE, plain)
    assert not restoring.was_lost(restoring.RESTORE, fork)
    assert not restoring.was_lost("init", plain)


@pytest.mark.parametrize(
    ("members", "variables", "why"),
    [
        ({}, {}, None),
        ({"plain": Plain.VARIABLES}, {"TZ": "UTC"}, None),
        ({"plain": Plain.TAG}, {}, Plain.TAG),
        ({"extensions": {"e": "arn"}}, {}, Plain.EXTENSIONS),
        ({"network": Network(())}, {}, Plain.NETWORK),
        ({}, {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/w"}, Plain.WRAPPER),
    ],
)
def test_what_cannot_be_forked(
    members: dict[str, Any], variables: dict[str, str], why: Plain | None
) -> None:
    assert restoring.obstacle(version(environment=variables), furnished(**members)) is why


@pytest.mark.parametrize(
    ("kind", "message", "code", "reason"),
    [
        ("", "it took too long", "InitTimeout", "it took too long"),
        ("ValueError", "odd", "RuntimeInitError", "ValueError: odd"),
        ("ValueError", "", "RuntimeInitError", "ValueError"),
        ("Extension.Crash", "it ended", "ExtensionInitError", "Extension.Crash: it ended"),
        (
            "Extension.TooManyExtensions",
            "11",
            "TooManyExtensions",
            "Extension.TooManyExtensions: 11",
        ),
        (
            "Runtime.ExitError",
            "exit status 1",
            "RuntimeInitError",
            "Runtime.ExitError: exit status 1",
        ),
        (
            "Runtime.ExitError",
            "Runtime exited with error: signal: killed",
            "InitResourceExhausted",
            "Runtime.ExitError: Runtime exited with error: signal: killed",
        ),
        ("A\nB", "\x1b[1m" + "x" * 900, "RuntimeInitError", "A B:  [1m" + "x" * 491),
    ],
)
def test_what_a_version_failed_of(kind: str, message: str, code: str, reason: str) -> None:
    found = restoring.failed(kind, message)
    assert found.code == f"FunctionError.{code}"
    assert str(found) == f"The function could not be initialized: {reason}"


def test_the_lines_of_a_restore() -> None:
    assert report.restore_start("python:3.13.lamella", "arn") == (
        "RESTORE_START Runtime Version: python:3.13.lamella\tRuntime Version ARN: arn\n"
    )
    said = {
        (None, True): "RESTORE_REPORT Restore Duration: 6.07 ms\n",
        (None, False): "RESTORE_REPORT Restore Duration: 6.07 ms\tStatus: timeout\n",
        ("E", True): "RESTORE_REPORT Restore Duration: 6.07 ms\tStatus: error\tError Type: E\n",
    }
    for (error_type, in_time), line in said.items():
        assert report.restore_report(0.00607, error_type, in_time=in_time) == line
    assert report.snapshot_report(1.5) == "INIT_REPORT Init Duration: 1500.00 ms\n"


def test_the_report_after_a_restore() -> None:
    done = Done("id", 2.33866, 173 * 2**20, restored=Restored(0.39897, 0.1815))
    assert done.billed == 2521
    assert report.report(done, 3009) == (
        "REPORT RequestId: id\tDuration: 2338.66 ms\tBilled Duration: 2521 ms\tMemory Size: 3009 MB\t"
        "Max Memory Used: 173 MB\tRestore Duration: 398.97 ms\tBilled Restore Duration: 182 ms\t\n"
    )
    metrics = happenings.report(done, version())["metrics"]
    assert (metrics["restoreDurationMs"], metrics["billedRestoreDurationMs"]) == (398.97, 182)
    assert "initDurationMs" not in metrics


def test_the_records_of_a_restore() -> None:
    assert happenings.restore_start(version(), ("python:3.13", "arn"), "stream") == {
        "runtimeVersion": "python:3.13",
        "runtimeVersionArn": "arn",
        "functionName": "fn",
        "functionVersion": "1",
        "instanceId": "stream",
        "instanceMaxMemory": 134_217_728,
    }
    assert happenings.restore_report(0.0705, None, in_time=True) == {
        "status": "success",
        "metrics": {"durationMs": 70.5},
    }
    assert happenings.restore_runtime_done("E", in_time=True) == {
        "status": "error",
        "errorType": "E",
    }
    assert happenings.restore_runtime_done(None, in_time=False) == {"status": "timeout"}


def test_the_line_that_says_that_there_is_no_snapshot() -> None:
    line = restoring.remark(version(), "it has extensions")
    assert line == (
        "LAMELLA Environments of this version are initialized one by one: it has extensions\n"
    )
    record = restoring.remark(version(log_format="JSON"), "it has extensions")
    assert '"type":"lamella.noSnapshot","record":{"reason":"it has extensions"}' in record


def test_a_message_is_found_in_what_a_runtime_posted() -> None:
    def message(payload: bytes) -> str:
        return report.message(Reply(payload, "E"))

    assert message(b'{"errorMessage": "odd"}') == "odd"
    assert [message(each) for each in (b"", b"[]", b'{"errorMessage": 1}', b"\xff")] == [""] * 4
