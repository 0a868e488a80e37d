"""Environments that hang: they keep no other waiting, and a server stops all the same."""

from __future__ import annotations

import concurrent.futures
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.belongings import alive, boxes, descendants, groups, metrics
from tests.e2e.server import Cloud, serving
from tests.e2e.shell import shell_function

SECONDS = 30
FREEZER = Path("/sys/fs/cgroup/freezer")
SLOW_START = "import time\ntime.sleep(8)\ndef handler(event, context):\n    return event\n"
STUCK = 'lamella_environments{state="stuck"}'


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.skipif(not Path("/bin/bash").exists(), reason="the runtime here is bash")
def test_one_that_never_answers_and_ignores_sigterm_costs_only_its_own_caller(data: Path) -> None:
    with serving(data, "--max-environments", "2") as server:
        cloud = Cloud(server.endpoint)
        hangs, first, second = (shell_function(cloud, Timeout=each) for each in (5, 20, 20))
        with concurrent.futures.ThreadPoolExecutor(1) as caller:
            hanging = caller.submit(cloud.invoke, hangs, "hang")
            until(lambda: metrics(server)['lamella_environments{state="busy"}'] == 1)
            for name in (first, second, first, second):  # each takes the other's place
                assert cloud.result(name, "x") == "x"
            assert not hanging.done()
            assert "Task timed out after 5.00 seconds" in hanging.result().payload["errorMessage"]
        assert cloud.result(hangs, "y") == "y"


@pytest.mark.skipif(
    not os.access(FREEZER, os.W_OK) or os.geteuid() != 0 or not Path("/bin/bash").exists(),
    reason="processes that outlive being killed are made with a freezer of version 1",
)
def test_one_that_outlives_being_killed_gives_its_place_to_another(data: Path) -> None:
    ice = FREEZER / f"lamella-ice-{os.getpid()}"
    ice.mkdir()
    try:
        with serving(data, "--max-environments", "1", "--preload", "off") as server:
            cloud = Cloud(server.endpoint)
            one, two = (shell_function(cloud) for _ in range(2))
            assert cloud.result(one, "x") == "x"
            (box,) = boxes(server)
            for pid in (box, *descendants(box)):
                (ice / "cgroup.procs").write_text(str(pid))
            (ice / "freezer.state").write_text("FROZEN")
            try:
                assert cloud.result(two, "x") == "x"
                assert metrics(server)[STUCK] == 1
                assert cloud.result(two, "y") == "y"
            finally:
                (ice / "freezer.state").write_text("THAWED")
            until(lambda: metrics(server)[STUCK] == 0)
            assert len(boxes(server)) == 1
    finally:
        ice.rmdir()


def test_a_server_that_is_stopped_while_environments_start_leaves_nothing(data: Path) -> None:
    with serving(data) as server:
        cloud = Cloud(server.endpoint)
        name = cloud.function(SLOW_START)
        with concurrent.futures.ThreadPoolExecutor(4) as callers:
            calls = [callers.submit(cloud.invoke, name) for _ in range(4)]
            until(lambda: len(boxes(server)) >= 2)
            assert alive(server) == 4
            below = descendants(server.pid)
            assert server.stop() == 0
            assert all(call.exception() is not None for call in calls)
        assert not [pid for pid in below if Path(f"/proc/{pid}").exists()]
        assert groups(server) == []
