"""Invocations through aliases: by weight, under the alias's ARN, and while it is moved under load."""

from __future__ import annotations

import http.client
import json
import math
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from tests.e2e.server import Cloud, serving, zipped

CODE = """
def handler(event, context):
    return [%d, context.function_version, context.invoked_function_arn]
"""


def publish(cloud: Cloud, name: str, number: int) -> str:
    cloud.client.update_function_code(
        FunctionName=name, ZipFile=zipped({"app.py": CODE % number}), Publish=False
    )
    cloud.client.get_waiter("function_updated_v2").wait(
        FunctionName=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 300}
    )
    return str(cloud.client.publish_version(FunctionName=name)["Version"])


@pytest.fixture(scope="module")
def name(cloud: Cloud) -> str:
    name = cloud.function(CODE % 0)
    assert [publish(cloud, name, number) for number in (1, 2)] == ["1", "2"]
    return name


def test_an_invocation_goes_by_the_alias(cloud: Cloud, name: str) -> None:
    alias = cloud.client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    invoked = cloud.invoke(name, Qualifier="live")
    assert invoked.payload == [1, "1", alias["AliasArn"]]
    assert invoked.raw["ExecutedVersion"] == "1"
    assert "Version: 1" in invoked.log
    cloud.client.update_alias(FunctionName=name, Name="live", FunctionVersion="2")
    for called in (f"{name}:live", alias["AliasArn"]):
        assert cloud.invoke(called).payload == [2, "2", alias["AliasArn"]]
    cloud.client.update_alias(FunctionName=name, Name="live", FunctionVersion="$LATEST")
    invoked = cloud.invoke(name, Qualifier="live")
    assert invoked.raw["ExecutedVersion"] == "$LATEST"
    assert (
        cloud.client.invoke(FunctionName=name, Qualifier="live", InvocationType="DryRun")[
            "StatusCode"
        ]
        == 204
    )
    cloud.client.delete_alias(FunctionName=name, Name="live")
    with pytest.raises(ClientError, match=r"Cannot find alias arn: .*:live$"):
        cloud.invoke(name, Qualifier="live")


def call_often(cloud: Cloud, name: str, count: int) -> Counter[tuple[str, str]]:
    """Invoke by the alias ``shared``, over one connection; which version the header and the function
    say, and how often. boto3 would take minutes."""
    connection = http.client.HTTPConnection(urlsplit(cloud.endpoint).netloc, timeout=30)
    ran: Counter[tuple[str, str]] = Counter()
    scope = "AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/lambda/aws4_request"
    with closing(connection):
        for _ in range(count):
            connection.request(
                "POST",
                f"/2015-03-31/functions/{name}/invocations?Qualifier=shared",
                b"{}",
                {"Authorization": f"{scope}, SignedHeaders=host, Signature=0"},
            )
            answer = connection.getresponse()
            _, version, _ = json.loads(answer.read())
            ran[str(answer.headers["X-Amz-Executed-Version"]), version] += 1
    return ran


@pytest.mark.parametrize("count", [2_000, pytest.param(20_000, marks=pytest.mark.slow)])
def test_invocations_are_shared_by_weight(cloud: Cloud, name: str, count: int) -> None:
    weight = 0.2
    cloud.client.create_alias(
        FunctionName=name,
        Name="shared",
        FunctionVersion="1",
        RoutingConfig={"AdditionalVersionWeights": {"2": weight}},
    )
    with ThreadPoolExecutor(4) as threads:
        shares = [threads.submit(call_often, cloud, name, count // 4) for _ in range(4)]
        ran = sum((share.result() for share in shares), Counter[tuple[str, str]]())
    cloud.client.delete_alias(FunctionName=name, Name="shared")
    assert ran.total() == count
    assert set(ran) <= {("1", "1"), ("2", "2")}
    deviation = math.sqrt(count * weight * (1 - weight))
    # Chance alone is over four deviations once in 16,000 runs.
    assert abs(ran["2", "2"] - count * weight) <= 4 * deviation


def test_an_alias_is_moved_under_load_without_an_error(cloud: Cloud) -> None:
    name = cloud.function(CODE % 0)
    before = publish(cloud, name, 1)
    cloud.client.create_alias(FunctionName=name, Name="live", FunctionVersion=before)
    ended = threading.Event()

    def call() -> list[tuple[int, str]]:
        seen = []
        while not ended.is_set():
            invoked = cloud.invoke(name, Qualifier="live")
            assert invoked.error is None, invoked.log
            seen.append((invoked.payload[0], invoked.raw["ExecutedVersion"]))
        return seen

    with ThreadPoolExecutor(3) as threads:
        callers = [threads.submit(call) for _ in range(3)]
        try:
            for number in range(2, 6):
                version = publish(cloud, name, number)
                cloud.client.update_alias(FunctionName=name, Name="live", FunctionVersion=version)
                assert cloud.invoke(name, Qualifier="live").payload[0] == number
                cloud.client.delete_function(FunctionName=name, Qualifier=before)
                before = version
        finally:
            ended.set()
        for caller in callers:
            assert {(number, str(number)) for number in range(1, 6)} >= set(caller.result())


def test_a_restarted_server_knows_its_aliases(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        cloud = Cloud(server.endpoint)
        name = cloud.function(CODE % 0)
        publish(cloud, name, 1)
        cloud.client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
        server.kill()
    with serving(tmp_path / "data") as server:
        assert Cloud(server.endpoint).invoke(name, Qualifier="live").payload[1] == "1"
