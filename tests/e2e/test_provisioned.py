"""Provisioned concurrency with real environments: started ahead, kept, replaced and resumed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.functions import arn, body, invalid, missing, refusal
from tests.e2e.server import Cloud, Server, serving, zipped
from tests.e2e.test_isolation import commands_with

MARKED = """
import os, subprocess

subprocess.Popen(["/bin/sh", "-c", "sleep 1000; : %s"])

def handler(event, context):
    if "end" in event:
        os._exit(1)
    return [os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"], context.function_version]
"""
UNPUBLISHED = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."


class Provisioning:
    """Short ways to provision and to see what is there."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self._marks = 0

    def function(self) -> tuple[str, str]:
        """The name of a function with version 1, and what marks its environments."""
        mark = self.mark()
        name = self.cloud.function(MARKED % mark)
        assert self.cloud.client.publish_version(FunctionName=name)["Version"] == "1"
        return name, mark

    def mark(self) -> str:
        self._marks += 1
        return f"lamella-kept-{os.getpid()}-{id(self):x}-{self._marks}"

    def publish(self, name: str, code: str) -> str:
        client = self.cloud.client
        client.update_function_code(FunctionName=name, ZipFile=zipped({"app.py": code}))
        client.get_waiter("function_updated_v2").wait(
            FunctionName=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 300}
        )
        return str(client.publish_version(FunctionName=name)["Version"])

    def put(self, name: str, qualifier: str, count: int) -> dict[str, Any]:
        answer = self.cloud.client.put_provisioned_concurrency_config(
            FunctionName=name, Qualifier=qualifier, ProvisionedConcurrentExecutions=count
        )
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
        return body(answer)

    def get(self, name: str, qualifier: str) -> dict[str, Any]:
        return body(
            self.cloud.client.get_provisioned_concurrency_config(
                FunctionName=name, Qualifier=qualifier
            )
        )

    def settled(self, name: str, qualifier: str, status: str = "READY") -> dict[str, Any]:
        self.wait_until(lambda: self.get(name, qualifier)["Status"] == status)
        return self.get(name, qualifier)

    def wait_until(self, true: Callable[[], bool]) -> None:
        until = time.monotonic() + 30
        while not true():
            assert time.monotonic() < until
            time.sleep(0.02)

    def ran(self, name: str, qualifier: str, event: Any = None) -> Any:
        return self.cloud.invoke(name, event or {}, Qualifier=qualifier).payload


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("provisioned") / "data"
    # Unused environments go after a second, but for those that are provisioned.
    with serving(data, "--max-environments", "10", "--idle-seconds", "1") as server:
        yield server


@pytest.fixture(scope="module")
def at(server: Server) -> Provisioning:
    return Provisioning(Cloud(server.endpoint))


def environments(mark: str) -> list[int]:
    """The marked processes: one in each environment, its `sh` (the other is `sleep`)."""
    return commands_with(mark)


def test_they_are_started_ahead_kept_and_taken_first(at: Provisioning) -> None:
    name, mark = at.function()
    put = at.put(name, "1", 2)
    modified = put.pop("LastModified")
    assert put == {
        "RequestedProvisionedConcurrentExecutions": 2,
        "AvailableProvisionedConcurrentExecutions": 0,
        "AllocatedProvisionedConcurrentExecutions": 0,
        "Status": "IN_PROGRESS",
    }
    ready = {
        "RequestedProvisionedConcurrentExecutions": 2,
        "AvailableProvisionedConcurrentExecutions": 2,
        "AllocatedProvisionedConcurrentExecutions": 2,
        "Status": "READY",
        "LastModified": modified,
    }
    assert at.settled(name, "1") == ready
    before = sorted(environments(mark))
    assert len(before) == 2
    for _ in range(3):
        assert at.ran(name, "1") == ["provisioned-concurrency", "1"]
    assert at.ran(name, "$LATEST") == ["on-demand", "$LATEST"]
    # The one on demand goes when it has been idle for a second; those that are kept do not.
    at.wait_until(lambda: sorted(environments(mark)) == before)
    assert at.get(name, "1") == ready
    assert at.put(name, "1", 1)["Status"] == "IN_PROGRESS"
    at.wait_until(lambda: len(environments(mark)) == 1)
    assert at.settled(name, "1")["AllocatedProvisionedConcurrentExecutions"] == 1
    for _ in range(2):
        answer = at.cloud.client.delete_provisioned_concurrency_config(
            FunctionName=name, Qualifier="1"
        )
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    at.wait_until(lambda: not environments(mark))
    assert refusal(
        at.cloud.client.get_provisioned_concurrency_config, FunctionName=name, Qualifier="1"
    ) == (
        404,
        "ProvisionedConcurrencyConfigNotFoundException",
        "No Provisioned Concurrency Config found for this function",
    )
    assert at.ran(name, "1") == ["on-demand", "1"]


def test_one_that_dies_is_replaced_and_all_go_with_the_function(at: Provisioning) -> None:
    name, mark = at.function()
    at.put(name, "1", 1)
    at.settled(name, "1")
    (first,) = environments(mark)
    kill_runtime(first)
    at.wait_until(lambda: environments(mark) not in ([], [first]))
    at.settled(name, "1")
    (second,) = environments(mark)
    assert at.cloud.invoke(name, {"end": 1}, Qualifier="1").error == "Unhandled"
    at.wait_until(lambda: environments(mark) not in ([], [second]))
    at.settled(name, "1")
    assert at.ran(name, "1") == ["provisioned-concurrency", "1"]
    at.cloud.client.delete_function(FunctionName=name)
    at.wait_until(lambda: not environments(mark))


def kill_runtime(child: int) -> None:
    """Kill the runtime that started ``child``: pid 1 of its box follows."""
    status = Path(f"/proc/{child}/status").read_text()
    parent = next(line.split()[1] for line in status.splitlines() if line.startswith("PPid:"))
    os.kill(int(parent), signal.SIGKILL)


def test_an_alias_takes_them_along(at: Provisioning) -> None:
    client = at.cloud.client
    name, old = at.function()
    new = at.mark()
    assert at.publish(name, MARKED % new) == "2"
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    at.put(name, "live", 2)
    assert at.settled(name, "live")["AvailableProvisionedConcurrentExecutions"] == 2
    assert at.ran(name, "live") == ["provisioned-concurrency", "1"]
    client.update_alias(
        FunctionName=name,
        Name="live",
        FunctionVersion="1",
        RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}},
    )
    at.wait_until(lambda: [len(environments(mark)) for mark in (old, new)] == [1, 1])
    assert at.settled(name, "live")["AllocatedProvisionedConcurrentExecutions"] == 2
    client.update_alias(FunctionName=name, Name="live", FunctionVersion="2", RoutingConfig={})
    at.wait_until(lambda: [len(environments(mark)) for mark in (old, new)] == [0, 2])
    at.settled(name, "live")
    assert at.ran(name, "live") == ["provisioned-concurrency", "2"]
    conflict = 409, "ResourceConflictException"
    put = client.put_provisioned_concurrency_config
    sent = {"FunctionName": name, "ProvisionedConcurrentExecutions": 1}
    assert refusal(put, **sent, Qualifier="2") == (
        *conflict,
        "Version is pointed by a Provisioned Concurrency alias",
    )
    at.put(name, "1", 1)
    at.settled(name, "1")
    client.create_alias(FunctionName=name, Name="first", FunctionVersion="1")
    assert refusal(put, **sent, Qualifier="first") == (
        *conflict,
        "Alias can't be used for Provisioned Concurrency configuration on an already "
        "Provisioned version",
    )
    listed = client.list_provisioned_concurrency_configs(FunctionName=name, MaxItems=1)
    (item,) = listed["ProvisionedConcurrencyConfigs"]
    assert item == {"FunctionArn": arn(name, "1"), **at.get(name, "1")}
    listed = client.list_provisioned_concurrency_configs(
        FunctionName=name, Marker=listed["NextMarker"]
    )
    (item,) = listed["ProvisionedConcurrencyConfigs"]
    assert item == {"FunctionArn": arn(name, "live"), **at.get(name, "live")}
    assert "NextMarker" not in listed
    client.delete_alias(FunctionName=name, Name="live")
    at.wait_until(lambda: not environments(new))
    client.delete_function(FunctionName=name)
    at.wait_until(lambda: not environments(old))


def test_refusals(at: Provisioning) -> None:
    client = at.cloud.client
    name = at.cloud.function("def handler(event, context): pass")
    client.publish_version(FunctionName=name)
    client.create_alias(FunctionName=name, Name="edge", FunctionVersion="$LATEST")
    put = client.put_provisioned_concurrency_config
    one = {"ProvisionedConcurrentExecutions": 1}
    for qualifier in ("$LATEST", "edge"):
        sent = {"FunctionName": name, "Qualifier": qualifier}
        assert refusal(put, **sent, **one) == invalid(UNPUBLISHED)
    others = (
        client.get_provisioned_concurrency_config,
        client.delete_provisioned_concurrency_config,
    )
    neither = "The function resource provided must be an alias or a published version."
    no_alias = f"Cannot find alias arn: {arn(name, 'none')}"
    for call in others:
        assert refusal(call, FunctionName=name, Qualifier="$LATEST") == invalid(neither)
        assert refusal(call, FunctionName=name, Qualifier="9") == missing(name, "9")
        assert refusal(call, FunctionName=name, Qualifier="none") == (
            404,
            "ResourceNotFoundException",
            no_alias,
        )
    assert refusal(put, FunctionName=name, Qualifier="9", **one) == missing(name, "9")
    assert refusal(put, FunctionName="none", Qualifier="1", **one) == missing("none", "1")
    assert refusal(put, FunctionName="none", Qualifier="edge", **one) == (
        *(404, "ResourceNotFoundException"),
        f"Cannot find alias arn: {arn('none', 'edge')}",
    )
    assert refusal(client.list_provisioned_concurrency_configs, FunctionName="none") == missing(
        "none"
    )
    too_many = (
        "Specified ConcurrentExecutions for function decreases account's "
        "UnreservedConcurrentExecution below its minimum value of [100]."
    )
    sent = {"FunctionName": name, "Qualifier": "1"}
    assert refusal(put, **sent, ProvisionedConcurrentExecutions=901) == invalid(too_many)
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    over = (
        "Requested Provisioned Concurrency should not be greater than the "
        "reservedConcurrentExecution for function"
    )
    assert refusal(put, **sent, ProvisionedConcurrentExecutions=2) == invalid(over)
    at.put(name, "1", 1)
    at.settled(name, "1")
    reserve = client.put_function_concurrency
    assert refusal(reserve, FunctionName=name, ReservedConcurrentExecutions=0) == invalid(
        " ReservedConcurrentExecutions  0 should not be lower than function's total provisioned "
        "concurrency [1]."
    )
    client.delete_function(FunctionName=name)


def test_what_cannot_be_initialised_fails_and_says_why(at: Provisioning) -> None:
    name = at.cloud.function("raise ValueError('no')")
    at.cloud.client.publish_version(FunctionName=name)
    at.put(name, "1", 1)
    assert at.settled(name, "1", "FAILED")["StatusReason"] == "FUNCTION_ERROR_INIT_FAILURE"
    at.cloud.client.delete_function(FunctionName=name)
    name, mark = at.function()
    at.put(name, "1", 50)  # of ten environments nine at most
    failed = at.settled(name, "1", "FAILED")
    assert "--max-environments" in failed["StatusReason"]
    at.wait_until(lambda: len(environments(mark)) == 9)
    assert at.cloud.run("def handler(event, context): return 1") == 1
    at.cloud.client.delete_function(FunctionName=name)
    at.wait_until(lambda: not environments(mark))


def test_a_restarted_server_provisions_again(data: Path) -> None:
    with serving(data) as server:
        at = Provisioning(Cloud(server.endpoint))
        name, mark = at.function()
        at.put(name, "1", 2)
        before = at.settled(name, "1")
        server.kill()
    with serving(data) as server:
        at = Provisioning(Cloud(server.endpoint))
        assert at.settled(name, "1") == before
        assert at.ran(name, "1") == ["provisioned-concurrency", "1"]
        at.wait_until(lambda: len(environments(mark)) == 2)
        assert server.stop() == 0
    at.wait_until(lambda: not environments(mark))
