"""Reserved concurrency: what is answered and refused, and that it holds at once."""

from __future__ import annotations

import os
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.api.functions import active, arn, body, invalid, missing, refusal
from tests.e2e.server import Cloud, serving
from tests.e2e.test_isolation import commands_with

HOLD = """
import subprocess

def handler(event, context):
    if "mark" in event:
        subprocess.run(["/bin/sh", "-c", "sleep 1000; : " + event["mark"]])
    return "done"
"""
TOO_MANY = (
    "Specified ReservedConcurrentExecutions for function decreases account's "
    "UnreservedConcurrentExecution below its minimum value of [100]."
)
FUNCTIONS_ONLY = (
    "This operation is permitted on Lambda functions only. Aliases and versions do not support "
    "this operation. Please specify either a function name or an unqualified function ARN."
)


@pytest.fixture
def name(cloud: Cloud) -> Iterator[str]:
    name = active(cloud)
    yield name
    cloud.client.delete_function(FunctionName=name)


def reserve(cloud: Cloud, name: str, count: int) -> dict[str, Any]:
    return body(
        cloud.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=count)
    )


def throttled(cloud: Cloud, name: str, **more: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as refused:
        cloud.client.invoke(FunctionName=name, Payload=b"{}", **more)
    answer: dict[str, Any] = refused.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert answer["Error"] == {"Code": "TooManyRequestsException", "Message": "Rate Exceeded."}
    assert answer["Type"] == "User"
    assert answer["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "1"
    assert answer["retryAfterSeconds"] == "1"
    return answer


def test_put_get_delete(cloud: Cloud, name: str) -> None:
    client = cloud.client
    assert body(client.get_function_concurrency(FunctionName=name)) == {}
    assert "Concurrency" not in client.get_function(FunctionName=name)
    assert reserve(cloud, arn(name), 7) == {"ReservedConcurrentExecutions": 7}
    assert body(client.get_function_concurrency(FunctionName=name)) == {
        "ReservedConcurrentExecutions": 7
    }
    assert client.get_function(FunctionName=name)["Concurrency"] == {
        "ReservedConcurrentExecutions": 7
    }
    limits = client.get_account_settings()["AccountLimit"]
    assert limits["ConcurrentExecutions"] == 1000
    assert limits["UnreservedConcurrentExecutions"] == 993
    for _ in range(2):
        answer = client.delete_function_concurrency(FunctionName=name)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
        assert body(client.get_function_concurrency(FunctionName=name)) == {}


def test_a_hundred_stay_for_all(cloud: Cloud, name: str) -> None:
    put = cloud.client.put_function_concurrency
    other = active(cloud)
    reserve(cloud, name, 900)
    reserve(cloud, name, 899)  # its own reservation does not count against it
    reserve(cloud, other, 1)
    for each, count in ((other, 2), (name, 900)):
        sent = {"FunctionName": each, "ReservedConcurrentExecutions": count}
        assert refusal(put, **sent) == invalid(TOO_MANY)
    assert cloud.result(name) == 1
    # What a function had is free once it is gone, and a new one of its name has nothing.
    cloud.client.delete_function(FunctionName=other)
    active(cloud, other)
    assert body(cloud.client.get_function_concurrency(FunctionName=other)) == {}
    reserve(cloud, name, 900)
    cloud.client.delete_function(FunctionName=other)


def test_refusals(cloud: Cloud, name: str) -> None:
    client = cloud.client
    calls: tuple[tuple[Any, dict[str, Any]], ...] = (
        (client.put_function_concurrency, {"ReservedConcurrentExecutions": 1}),
        (client.get_function_concurrency, {}),
        (client.delete_function_concurrency, {}),
    )
    for call, sent in calls:
        named = "$LATEST" if sent else None
        assert refusal(call, FunctionName="none", **sent) == missing("none", named)
        assert refusal(call, FunctionName=f"{name}:1", **sent) == invalid(FUNCTIONS_ONLY)
    most = 2**31 - 1  # an integer of the model holds no more
    sent = {"FunctionName": name, "ReservedConcurrentExecutions": most}
    assert refusal(client.put_function_concurrency, **sent) == invalid(TOO_MANY)


def test_zero_throttles_every_version_at_once(cloud: Cloud, name: str) -> None:
    client = cloud.client
    version = client.publish_version(FunctionName=name)["Version"]
    client.create_alias(FunctionName=name, Name="live", FunctionVersion=version)
    assert cloud.result(name) == 1
    reserve(cloud, name, 0)
    for more in ({}, {"Qualifier": version}, {"Qualifier": "live"}):
        reason = throttled(cloud, name, **more)["Reason"]
        assert reason == "ReservedFunctionConcurrentInvocationLimitExceeded"
    dry = client.invoke(FunctionName=name, InvocationType="DryRun")
    assert (dry["StatusCode"], dry["Payload"].read()) == (204, b"")
    client.delete_function_concurrency(FunctionName=name)
    assert cloud.result(name) == 1
    assert cloud.invoke(name, Qualifier="live").payload == 1


def metric(cloud: Cloud, line: str) -> float:
    with urllib.request.urlopen(f"{cloud.endpoint}/metrics") as answer:
        for each in answer.read().decode().splitlines():
            if each.startswith(line):
                return float(each.split()[-1])
    raise AssertionError(f"there is no metric {line}")


def wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not true():
        assert time.monotonic() < until


def test_reserved_is_kept_for_one_and_is_its_cap(tmp_path: Path) -> None:
    mark = f"lamella-held-{os.getpid()}"
    with serving(tmp_path / "data", "--account-concurrency", "103") as server:
        cloud = Cloud(server.endpoint)
        name, other = cloud.function(HOLD), cloud.function(HOLD)
        limits = cloud.client.get_account_settings()["AccountLimit"]
        assert limits["ConcurrentExecutions"] == limits["UnreservedConcurrentExecutions"] == 103
        reserve(cloud, name, 2)
        assert refusal(
            cloud.client.put_function_concurrency,
            FunctionName=other,
            ReservedConcurrentExecutions=2,
        ) == invalid(TOO_MANY)
        with ThreadPoolExecutor(2) as threads:
            held = [threads.submit(cloud.result, name, {"mark": mark}) for _ in range(2)]
            wait_until(lambda: len(commands_with(mark)) == 2)
            assert metric(cloud, "lamella_concurrent_executions{") == 2
            reason = throttled(cloud, name)["Reason"]
            assert reason == "ReservedFunctionConcurrentInvocationLimitExceeded"
            assert cloud.result(other, {}) == "done"
            reserve(cloud, name, 3)
            assert cloud.result(name, {}) == "done"
            for pid in commands_with(mark):
                os.kill(pid, signal.SIGKILL)
            assert [each.result() for each in held] == ["done", "done"]
        wait_until(lambda: metric(cloud, "lamella_concurrent_executions{") == 0)
        assert metric(cloud, f'lamella_throttles_total{{reason="{reason}"}}') == 1
        server.kill()
    with serving(tmp_path / "data", "--account-concurrency", "3") as server:
        cloud = Cloud(server.endpoint)
        # All there is is reserved for one function; what was reserved has outlived the server.
        assert throttled(cloud, other)["Reason"] == "ConcurrentInvocationLimitExceeded"
        assert cloud.result(name, {}) == "done"
