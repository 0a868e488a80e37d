"""A thousand environments, ended in every way there is, leave nothing behind."""

from __future__ import annotations

import concurrent.futures
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.belongings import Belongings, alive, belongings, boxes, ended, kill_box
from tests.e2e.server import Cloud, Server, serving
from tests.e2e.shell import shell_function

MANY = 1_000
SHELLS, PYTHONS, CALLERS = 16, 2, 4
SECONDS = 60
MEMORY_MARGIN = 20 * 2**20
CONNECTIONS = 12
"""Descriptors of connections to the records that are kept once more of them were needed at once."""
ECHO = """
import os, time

def handler(event, context):
    if event == "exit":
        os._exit(3)
    if event == "crash":
        os.kill(os.getpid(), 11)
    time.sleep(0.2 if event == "sleep" else 0)
    return event
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/bin/bash").exists(), reason="the runtime here is bash"),
]


@pytest.fixture
def busy(data: Path) -> Iterator[Server]:
    with serving(data, "--idle-seconds", "1.5", "--max-environments", "100") as server:
        yield server


class Round:
    """One after the other: functions are made, have environments, and lose them."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.cloud = Cloud(server.endpoint)
        self.callers = concurrent.futures.ThreadPoolExecutor(16)
        self.names = [f"f{number}" for number in range(SHELLS + PYTHONS)]
        self.answers: list[object] = []

    def make(self) -> None:
        def one(name: str) -> None:
            if self.names.index(name) < SHELLS:
                shell_function(self.cloud, name)
            else:
                self.cloud.function(ECHO, name=name)

        list(self.callers.map(one, self.names))

    def start(self) -> None:
        """Each function gets environments for some callers at once."""
        calls = [name for name in self.names for _ in range(CALLERS)]
        for answer in self.callers.map(lambda name: self.cloud.invoke(name, "sleep"), calls):
            assert (answer.error, answer.payload) == (None, "sleep")

    def age(self) -> None:
        until(lambda: alive(self.server) == 0)

    def update(self) -> None:
        """By another configuration, while it works."""
        calls = [self.callers.submit(self.cloud.result, name, "sleep") for name in self.names]
        changes = {"Description": f"{time.monotonic()}"}
        list(self.callers.map(lambda name: self.cloud.configure(name, **changes), self.names))
        assert [call.result() for call in calls] == ["sleep"] * len(self.names)

    def crash(self) -> None:
        for how, type_ in (("exit", "Runtime.ExitError"), ("crash", "Runtime.ExitError")):
            for answer in self.callers.map(
                lambda name, how=how: self.cloud.invoke(name, how), self.names
            ):
                assert answer.payload["errorType"] == type_
        self.update()

    def kill(self) -> None:
        for pid in boxes(self.server):
            kill_box(pid)
        # One that was killed a moment ago may still be taken: its caller is told, others go on.
        list(self.callers.map(lambda name: self.cloud.invoke(name, "again"), self.names))
        for name in self.names:
            assert self.cloud.result(name, "again") == "again"
        self.update()

    def delete(self) -> None:
        for name in self.names:
            self.cloud.client.delete_function(FunctionName=name)

    def run(self, *ways: str) -> None:
        self.make()
        for way in ways:
            self.start()
            getattr(self, way)()
        self.start()
        self.delete()


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def at_rest(server: Server) -> Belongings:
    """When everything that ends has ended: what is held stays the same for a moment."""
    until(lambda: alive(server) == 0 and not boxes(server))
    deadline = time.monotonic() + SECONDS
    before = belongings(server)
    while time.monotonic() < deadline:
        time.sleep(0.5)
        now = belongings(server)
        if replace(now, memory=0) == replace(before, memory=0):
            return now
        before = now
    raise AssertionError(f"it never came to rest: {before}")


def test_a_thousand_environments_leave_nothing_behind(busy: Server) -> None:
    rounds = Round(busy)
    ways = ("update", "crash", "kill", "age")
    rounds.run(*ways)
    first = at_rest(busy)
    while sum(ended(busy).values()) < MANY:
        rounds.run(*ways)
    last = at_rest(busy)
    reasons = ended(busy)
    logging.getLogger(__name__).info("%s\n%s\n%s", reasons, first, last)
    assert last.processes == first.processes
    assert last.mounts == first.mounts
    assert last.groups <= first.groups
    assert last.files == first.files
    assert last.descriptors <= first.descriptors + CONNECTIONS
    assert last.threads <= first.threads + 8
    assert last.memory <= first.memory + MEMORY_MARGIN
    assert all(reasons[each] > 0 for each in ("age", "changed"))
    rounds.callers.shutdown()
