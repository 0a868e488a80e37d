"""How many environments there are, and when they end."""

from __future__ import annotations

import concurrent.futures
import os
import select
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.e2e.server import Cloud, serving
from tests.e2e.test_isolation import commands_with

SLEEP = """
import subprocess, time

def handler(event, context):
    if event.get("mark"):
        subprocess.Popen(["/bin/sh", "-c", "sleep 1000; : " + event["mark"]])
    time.sleep(event.get("sleep", 0))
    return event
"""


def test_an_idle_environment_ends_after_its_time(data: Path) -> None:
    marker = f"lamella-idle-{os.getpid()}"
    with serving(data, "--idle-seconds", "3") as server:
        cloud = Cloud(server.endpoint)
        name = cloud.function(SLEEP)
        cloud.result(name, {"mark": marker})
        descriptors = [os.pidfd_open(pid) for pid in commands_with(marker)]
        assert descriptors
        for descriptor in descriptors:
            assert select.select([descriptor], [], [], 30)[0]
            os.close(descriptor)
        assert cloud.result(name, {}) == {}


def test_past_the_limit_of_the_host_callers_are_throttled_and_idle_ones_make_room(
    data: Path,
) -> None:
    with serving(data, "--max-environments", "1") as server:
        cloud = Cloud(server.endpoint)
        one, two = cloud.function(SLEEP), cloud.function(SLEEP)
        assert cloud.result(one, {}) == {}
        assert cloud.result(two, {}) == {}  # the idle environment of the other made room
        with concurrent.futures.ThreadPoolExecutor(1) as caller:
            busy = caller.submit(cloud.result, one, {"sleep": 2, "mark": "x"})
            while not commands_with(": x"):
                assert not busy.done()
            with pytest.raises(ClientError) as caught:
                cloud.client.invoke(FunctionName=two, Payload=b"{}")
            assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
            error = caught.value.response
            assert error["Error"]["Code"] == "TooManyRequestsException"
            assert error["Error"]["Message"] == "Rate Exceeded."
            assert error["Reason"] == "ConcurrentInvocationLimitExceeded"
            assert busy.result() == {"sleep": 2, "mark": "x"}
        assert cloud.result(two, {}) == {}


def test_a_busy_server_stops_when_it_is_told(data: Path) -> None:
    marker = f"lamella-busy-{os.getpid()}"
    with serving(data) as server:
        cloud = Cloud(server.endpoint)
        name = cloud.function(SLEEP)
        with concurrent.futures.ThreadPoolExecutor(1) as caller:
            busy = caller.submit(cloud.invoke, name, {"sleep": 15, "mark": marker})
            while not commands_with(marker):
                assert not busy.done()
            assert server.stop() == 0
            assert not commands_with(marker)
            busy.exception()
