"""SnapStart: versions that are initialised when they are published, and restored for each environment."""

from __future__ import annotations

import math

import pytest
from botocore.exceptions import ClientError

from tests.e2e.server import Server
from tests.e2e.snapstart import NUMBER, REPORT, Side

HOOKS = """
import os, random, time, uuid
from snapshot_restore_py import register_after_restore, register_before_snapshot

BORN = uuid.uuid4().hex
TRACE = ["init"]
TRACE.append(os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"])
os.environ["OF_INIT"] = "kept"
os.makedirs("/tmp/folder", exist_ok=True)
with open("/tmp/folder/left", "w") as file:
    file.write("by init")
os.chdir("/tmp/folder")

@register_before_snapshot
def first():
    TRACE.append("before, registered first")

@register_before_snapshot
def second():
    TRACE.append("before, registered second")

def third(what, more=""):
    TRACE.append("after, registered first" + more)

register_after_restore(third, 1, more="!")

@register_after_restore
def fourth():
    TRACE.append("after, registered second")
    print("restoring")

def handler(event, context):
    time.sleep(event)
    with open("left") as file:
        left = file.read()
    with open("left", "a") as file:
        file.write("!")
    return {
        "born": BORN,
        "trace": TRACE,
        "drawn": [uuid.uuid4().hex, random.random(), os.urandom(4).hex()],
        "left": left,
        "environ": dict(os.environ),
        "stream": context.log_stream_name,
        "group": context.log_group_name,
    }
"""
FUTURE = "python3.15"
TRACE = [
    "init",
    "snap-start",
    "before, registered second",
    "before, registered first",
    "after, registered first!",
    "after, registered second",
]


@pytest.fixture(scope="module")
def side(server: Server) -> Side:
    return Side(server)


@pytest.fixture(scope="module")
def hooked(side: Side) -> str:
    return side.published(HOOKS)


class TestPublishing:
    def test_a_version_is_pending_until_it_has_been_initialised(self, side: Side) -> None:
        on = {"ApplyOn": "PublishedVersions"}
        code = "import time; time.sleep(0.5)\ndef handler(event, context): return 1"
        name = side.cloud.function(code, runtime=side.runtime, SnapStart=on)
        latest = side.client.get_function_configuration(FunctionName=name)
        assert latest["SnapStart"] == {**on, "OptimizationStatus": "Off"}
        made = side.client.publish_version(FunctionName=name)
        assert (made["State"], made["StateReasonCode"]) == ("Pending", "Creating")
        assert made["SnapStart"] == {**on, "OptimizationStatus": "On"}
        assert side.invoke(name).payload == 1, "an invocation waits for it"
        waiter = side.client.get_waiter("published_version_active")
        waiter.wait(FunctionName=name, Qualifier="1", WaiterConfig={"Delay": 0})
        ready = side.settled(name)
        assert (ready["State"], ready["LastUpdateStatus"]) == ("Active", "Successful")
        assert "StateReason" not in ready
        again = side.client.publish_version(FunctionName=name)
        assert (again["Version"], again["State"]) == ("1", "Active")

    def test_latest_is_as_ever(self, side: Side, hooked: str) -> None:
        environ = side.cloud.result(hooked, 0)["environ"]
        assert environ["AWS_LAMBDA_INITIALIZATION_TYPE"] == "on-demand"
        assert "AWS_ACCESS_KEY_ID" in environ

    @pytest.mark.parametrize(
        ("code", "reason_code", "reason"),
        [
            (
                "raise ValueError('odd')",
                "FunctionError.RuntimeInitError",
                "ValueError: odd",
            ),
            (
                "import nothing_of_this_name",
                "FunctionError.RuntimeInitError",
                "Runtime.ImportModuleError: Unable to import module 'app': "
                "No module named 'nothing_of_this_name'",
            ),
            (
                "import os; os._exit(3)",
                "FunctionError.RuntimeInitError",
                "Runtime.ExitError: Runtime exited with error: exit status 3",
            ),
            (
                "import snapshot_restore_py\n"
                "@snapshot_restore_py.register_before_snapshot\n"
                "def fail(): raise KeyError('hook')\n"
                "def handler(event, context): return 1",
                "FunctionError.RuntimeInitError",
                "Runtime.BeforeSnapshotError: 'hook'",
            ),
            (
                "much = b'x' * 400_000_000",
                "FunctionError.InitResourceExhausted",
                "Runtime.ExitError: Runtime exited with error: signal: killed",
            ),
        ],
        ids=["raises", "imports", "exits", "before-hook", "memory"],
    )
    def test_what_cannot_be_initialised_fails(
        self, side: Side, code: str, reason_code: str, reason: str
    ) -> None:
        name, found = side.tried(code)
        assert (found["State"], found["StateReasonCode"]) == ("Failed", reason_code)
        assert found["StateReason"] == f"The function could not be initialized: {reason}"
        with pytest.raises(ClientError, match="currently in the following state: Failed") as error:
            side.invoke(name)
        assert error.value.response["Error"]["Code"] == "ResourceConflictException"
        side.logged(name, rf"INIT_REPORT Init Duration: {NUMBER} ms\tPhase: init\tStatus: error\t")

    def test_what_the_host_cannot_run_fails(self, side: Side) -> None:
        on = {"ApplyOn": "PublishedVersions"}
        name = side.cloud.function("", runtime=FUTURE, SnapStart=on)
        side.client.publish_version(FunctionName=name)
        found = side.settled(name)
        assert (found["State"], found["StateReasonCode"]) == ("Failed", "InvalidRuntime")
        assert "Lamella does not run this runtime" in found["StateReason"]


class TestRestoring:
    def test_an_environment_goes_on_where_the_initialisation_ended(
        self, side: Side, hooked: str
    ) -> None:
        invoked = side.invoke(hooked, 0)
        assert invoked.payload["trace"] == TRACE
        assert invoked.payload["left"] == "by init"
        assert invoked.payload["environ"]["OF_INIT"] == "kept"
        seconds, billed, restored, of_it = REPORT.search(invoked.log).groups()  # type: ignore[union-attr]
        assert int(billed) in (
            math.ceil(float(seconds) + int(of_it)),
            math.ceil(float(seconds) - 0.005 + int(of_it)),
        )
        assert float(restored) >= int(of_it) - 1
        assert "restoring\nRESTORE_REPORT Restore Duration: " in invoked.log
        again = side.invoke(hooked, 0)
        assert again.payload["left"] == "by init!"
        assert "Restore Duration" not in again.log

    def test_environments_share_what_was_initialised_and_nothing_else(
        self, side: Side, hooked: str
    ) -> None:
        answers = side.at_once(hooked, 4, 1)
        assert len({each["born"] for each in answers}) == 1
        for drawn in zip(*(each["drawn"] for each in answers), strict=True):
            assert len(set(drawn)) == 4
        fresh = [each for each in answers if each["left"] == "by init"]
        assert len(fresh) >= 3, "each has a /tmp of its own"
        tokens = {each["environ"]["AWS_CONTAINER_AUTHORIZATION_TOKEN"] for each in answers}
        assert len(tokens) == 4

    def test_the_variables_are_those_that_aws_has(self, side: Side, hooked: str) -> None:
        found = side.result(hooked, 0)
        environ = found["environ"]
        assert environ["AWS_LAMBDA_INITIALIZATION_TYPE"] == "snap-start"
        where = "http://127.0.0.1:9001/2021-04-23/credentials"
        assert environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"] == where
        assert not {
            *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
            *("AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME"),
            *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"),
        }.intersection(environ)
        assert (found["stream"], found["group"]) == (None, None)

    def test_the_log_says_what_is_initialised_and_what_restored(
        self, side: Side, hooked: str
    ) -> None:
        side.invoke(hooked, 0)
        runtime = r"Runtime Version: python:3\.\d+\.lamella\tRuntime Version ARN: arn:\S+\n"
        restored = rf"RESTORE_REPORT Restore Duration: {NUMBER} ms\nSTART "
        side.logged(
            hooked,
            rf"^INIT_START {runtime}INIT_REPORT Init Duration: {NUMBER} ms\n$",
            rf"^RESTORE_START {runtime}restoring\n{restored}",
        )

    def test_the_log_says_it_in_json(self, side: Side) -> None:
        code = "def handler(event, context): return 1"
        name = side.published(code, LoggingConfig={"LogFormat": "JSON"})
        assert side.result(name) == 1
        kinds = ("initStart", "initReport", "restoreStart", "restoreReport", "report")
        side.logged(
            name,
            *(rf'"type":"platform.{kind}"' for kind in kinds),
            r'"restoreDurationMs":[0-9.]+,"billedRestoreDurationMs":\d+',
        )

    def test_a_hook_that_fails_is_told_to_the_caller(self, side: Side) -> None:
        code = """
import snapshot_restore_py
@snapshot_restore_py.register_after_restore
def fail():
    raise KeyError("hook")
def handler(event, context): return 1
"""
        name = side.published(code)
        with pytest.raises(ClientError) as error:
            side.invoke(name)
        said = error.value.response
        assert said["Error"]["Code"] == "SnapStartException"
        assert said["ResponseMetadata"]["HTTPStatusCode"] == 400
        assert "afterRestore() runtime hook encountered an error" in said["Error"]["Message"]
        failed = rf"RESTORE_REPORT Restore Duration: {NUMBER} ms\tStatus: error\tError Type: "
        side.logged(name, "KeyError: 'hook'", failed + "Runtime.AfterRestoreError\n")

    @pytest.mark.slow
    def test_a_hook_that_takes_too_long_is_told_to_the_caller(self, side: Side) -> None:
        code = """
import time, snapshot_restore_py
snapshot_restore_py.register_after_restore(time.sleep, 60)
def handler(event, context): return 1
"""
        name = side.published(code)
        with pytest.raises(ClientError) as error:
            side.invoke(name)
        said = error.value.response
        assert said["Error"]["Code"] == "SnapStartTimeoutException"
        assert said["ResponseMetadata"]["HTTPStatusCode"] == 408
        message = "Lambda couldn't restore the snapshot within the timeout limit."
        assert said["Error"]["Message"] == message
        side.logged(name, rf"RESTORE_REPORT Restore Duration: {NUMBER} ms\tStatus: timeout\n")

    def test_a_runtime_that_ends_in_a_hook_is_begun_anew(self, side: Side) -> None:
        code = """
import os, snapshot_restore_py
INIT = os.getpid()
@snapshot_restore_py.register_after_restore
def end():
    if not os.path.exists("/tmp/ended"):
        open("/tmp/ended", "w").close()
        os._exit(1)
def handler(event, context): return "answered"
"""
        assert side.result(side.published(code)) == "answered"

    def test_a_runtime_that_ends_is_followed_by_another_that_is_restored(
        self, side: Side, hooked: str
    ) -> None:
        name = side.published(HOOKS.replace("time.sleep(event)", "event and os._exit(2)"))
        side.invoke(name, 0)
        assert side.invoke(name, 1).payload["errorType"] == "Runtime.ExitError"
        anew = side.invoke(name, 0)
        assert anew.payload["trace"] == TRACE
        assert "Restore Duration" in anew.log
