"""Environments together hold no more memory than they may, and `/metrics` says what happened."""

from __future__ import annotations

import concurrent.futures
import re
import time
import urllib.request
from collections.abc import Callable, Iterator

import pytest
from botocore.exceptions import ClientError

from tests.e2e.server import Cloud, Server, serving

SECONDS = 30
HOLDER = """
import time

COUNT = 0
HELD = []

def handler(event, context):
    global COUNT
    COUNT += 1
    HELD.append(b"x" * (event.get("hold", 0) * 1_048_576))
    time.sleep(event.get("sleep", 0))
    return COUNT
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("pressure") / "data"
    with serving(data, "--max-memory", "160M", "--idle-seconds", "600") as server:
        yield server


@pytest.fixture(scope="module")
def cloud(small: Server) -> Cloud:
    return Cloud(small.endpoint)


def metric(server: Server, name: str) -> float:
    with urllib.request.urlopen(f"{server.endpoint}/metrics") as answer:
        page = answer.read().decode()
    found = re.search(rf"^{re.escape(name)} (\S+)$", page, re.MULTILINE)
    assert found is not None, page
    return float(found[1])


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_environment_that_was_idle_longest_ends_when_all_hold_too_much(
    small: Server, cloud: Cloud
) -> None:
    first, second = (cloud.function(HOLDER, MemorySize=512) for _ in range(2))
    assert cloud.result(first, {"hold": 100}) == 1
    assert cloud.result(first, {}) == 2
    assert metric(small, 'lamella_environments_ended_total{reason="memory"}') == 0
    assert cloud.result(second, {"hold": 100}) == 1
    until(lambda: metric(small, 'lamella_environments_ended_total{reason="memory"}') == 1)
    assert cloud.result(second, {}) == 2  # the younger one is still there
    until(lambda: metric(small, "lamella_environments_memory_bytes") > 100 * 2**20)
    assert metric(small, "lamella_environments_memory_limit_bytes") == 160 * 2**20
    assert metric(small, 'lamella_environments{state="idle"}') == 1
    assert metric(small, 'lamella_environments{state="stuck"}') == 0
    cloud.client.delete_function(FunctionName=first)
    cloud.client.delete_function(FunctionName=second)
    until(lambda: metric(small, "lamella_environments_memory_bytes") < 50 * 2**20)


def test_who_works_is_left_alone_and_who_needs_more_is_throttled(
    small: Server, cloud: Cloud
) -> None:
    working, other = (cloud.function(HOLDER, MemorySize=512, Timeout=60) for _ in range(2))
    with concurrent.futures.ThreadPoolExecutor(1) as caller:
        busy = caller.submit(cloud.result, working, {"hold": 200, "sleep": 3})
        until(lambda: metric(small, "lamella_environments_memory_bytes") > 160 * 2**20)
        with pytest.raises(ClientError) as caught:
            cloud.client.invoke(FunctionName=other, Payload=b"{}")
        assert caught.value.response["Error"]["Code"] == "TooManyRequestsException"
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
        assert caught.value.response["Reason"] == "ConcurrentInvocationLimitExceeded"
        assert busy.result() == 1
    # Idle now, it makes room for the other.
    assert cloud.result(other, {}) == 1
