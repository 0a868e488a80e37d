"""Chains of invocations through boto3, which hands the trace header on inside of a function."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.functions import active, refusal
from tests.e2e.server import Cloud, zipped

TRACE = {
    "ZipFile": zipped(
        {
            "app.py": (
                "import os\n\ndef handler(event, context):\n"
                "    return os.environ['_X_AMZN_TRACE_ID']\n"
            )
        }
    )
}
LOOP = (
    "Lambda has detected your function being invoked in a recursive loop with other Amazon Web "
    "Services resources and stopped your function's invocation."
)


def inside(monkeypatch: pytest.MonkeyPatch, trace: str) -> None:
    """Let botocore take this process for a function that runs under ``trace``."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "f")
    monkeypatch.setenv("_X_AMZN_TRACE_ID", trace)


def headers(answer: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = answer["ResponseMetadata"]["HTTPHeaders"]
    return found


def test_a_loop_is_stopped_at_the_seventeenth_time(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, other = active(cloud, Code=TRACE), active(cloud, Code=TRACE)
    first = cloud.invoke(name)
    trace = first.payload
    assert headers(first.raw)["x-amzn-trace-id"] == trace
    assert trace.split("Lineage=")[1].endswith(":0")
    root = trace.split(";")[0]
    for number in range(1, 16):
        inside(monkeypatch, trace)
        between = cloud.result(other)
        inside(monkeypatch, between)
        trace = cloud.result(name)
        assert trace.startswith(root)
        assert f":{number}|" in trace
    inside(monkeypatch, trace)
    stopped = (400, "RecursiveInvocationException", LOOP)
    assert refusal(cloud.client.invoke, FunctionName=name) == stopped
    assert cloud.result(other).endswith(":15")  # the other has not had its sixteen
    cloud.client.put_function_recursion_config(FunctionName=name, RecursiveLoop="Allow")
    assert ":16|" in cloud.result(name)
    cloud.client.put_function_recursion_config(FunctionName=name, RecursiveLoop="Terminate")
    assert refusal(cloud.client.invoke, FunctionName=name) == stopped
    assert refusal(cloud.client.invoke, FunctionName=f"{name}:$LATEST") == stopped


def test_a_caller_without_a_chain_begins_one(cloud: Cloud) -> None:
    name = active(cloud, Code=TRACE)
    assert cloud.result(name) != cloud.result(name)
