"""Environments that begin in boxes kept ready: the same to a function as those that do not."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lamella.sandbox import usage
from tests.e2e.ready import CUSTOM, NODE, RUBY
from tests.e2e.server import Cloud, Invoked, Server, serving, zipped

SECONDS = 30
MEGABYTE = 1_048_576
OWN = {
    "AWS_ACCESS_KEY_ID",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "_X_AMZN_TRACE_ID",
}
"""Variables whose values differ from one environment, or function, to the next."""

KINDS = {
    "nodejs20.x": ("nodejs20.x", {"app.js": NODE}, {}),
    "node-options": ("nodejs20.x", {"app.js": NODE}, {"NODE_OPTIONS": "--no-warnings"}),
    "ruby3.3": ("ruby3.3", {"app.rb": RUBY}, {}),
    "provided": ("provided.al2023", {"data": ""}, {}),
}
VARIABLES = {"PLAIN": "a value", "LINES": "one\ntwo", "ODD": 'it\'s "$HOME" `x` = \\ é 😀 %s'}


class Side:
    """A server and what functions on it are made with."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.cloud = Cloud(server.endpoint)
        node = {"nodejs/node_modules/from-layer/index.js": "module.exports = __filename;"}
        self.layers = [
            self.cloud.layer(zipped({**node, "both/which": "first", "first": "1"})),
            self.cloud.layer(zipped({"bootstrap": CUSTOM}, modes={"bootstrap": 0o755})),
            self.cloud.layer(zipped({"both/which": "last", "last": "2"})),
        ]

    def function(self, kind: str, **more: Any) -> str:
        runtime, files, variables = KINDS[kind]
        return self.cloud.function(
            files,
            runtime=runtime,
            layers=self.layers,
            Environment={"Variables": {**VARIABLES, **variables}},
            **{"EphemeralStorage": {"Size": 600}, **more},
        )

    def again(self, name: str) -> None:
        """Have the next invocation begin in a new environment."""
        self.cloud.configure(name, Description=str(time.monotonic_ns()))

    def figure(self, name: str) -> int:
        with urllib.request.urlopen(f"{self.server.endpoint}/metrics") as answer:
            text = answer.read().decode()
        found = re.search(rf"^{re.escape(name)} ([0-9.]+)$", text, re.MULTILINE)
        assert found is not None, name
        return int(float(found[1]))

    @property
    def waiting(self) -> int:
        return self.figure('lamella_environments{state="ready"}')

    @property
    def taken(self) -> int:
        return self.figure("lamella_ready_boxes_taken_total")

    def until_waiting(self) -> None:
        until = time.monotonic() + SECONDS
        while not self.waiting:
            assert time.monotonic() < until, self.server.log()
            time.sleep(0.05)

    def begun_ready(self, name: str, event: Any = None) -> Invoked:
        """An invocation of a function that begins in a ready box: the first may not."""
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            self.again(name)
            taken = self.taken
            invoked = self.cloud.invoke(name, event)
            if self.taken == taken + 1:
                return invoked
        raise AssertionError(self.server.log())


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
    with serving(tmp_path_factory.mktemp("on") / "data", "--preload", "on") as server:
        yield Side(server)


@pytest.fixture(scope="module")
def off(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
    with serving(tmp_path_factory.mktemp("off") / "data", "--preload", "off") as server:
        yield Side(server)


@pytest.mark.parametrize("kind", KINDS)
def test_a_function_sees_no_difference(on: Side, off: Side, kind: str) -> None:
    plain = off.cloud.result(off.function(kind))
    name = on.function(kind)
    invoked = on.begun_ready(name)
    assert invoked.error is None, invoked.payload
    ready = invoked.payload
    assert "printed at the start\n" in invoked.log
    assert ready["env"]["AWS_LAMBDA_FUNCTION_NAME"] == name
    for each in (plain, ready):
        assert each["env"]["ODD"] == VARIABLES["ODD"]
        each["shell"] = each["shell"].splitlines()
        each["env"] = {key: value for key, value in each["env"].items() if key not in OWN}
    for what in plain:
        assert ready[what] == plain[what]
    assert ready.keys() == plain.keys()
    assert off.taken == off.waiting == 0


def test_a_function_keeps_its_files_and_sees_nobody_elses(on: Side) -> None:
    name = on.function("nodejs20.x")
    assert on.begun_ready(name).payload["tmp"] == []
    assert on.cloud.result(name, {"write": 3 * MEGABYTE})["tmp"] == ["mine"]
    assert on.cloud.result(name)["tmp"] == ["mine"]
    assert on.begun_ready(name).payload["tmp"] == []


def test_memory_is_bounded_and_counted(on: Side) -> None:
    grow = "exports.handler = async (n) => Buffer.alloc(n * 1048576, 1).length;"
    name = on.cloud.function({"app.js": grow}, runtime="nodejs20.x", MemorySize=256)
    report = on.begun_ready(name, 100).log
    used = re.search(r"Max Memory Used: (\d+) MB", report)
    assert used is not None
    assert 100 < int(used[1]) <= 256
    assert "Init Duration" in report
    assert on.cloud.invoke(name, 400).payload["errorType"] == "Runtime.ExitError"


@pytest.mark.parametrize("kind", ["nodejs20.x", "provided"])
def test_a_box_that_ended_while_it_waited_costs_nobody_a_call(on: Side, kind: str) -> None:
    name = on.function(kind)
    on.begun_ready(name)
    on.until_waiting()
    on.again(name)
    for pid in waiting_processes(on.server.pid):
        os.kill(pid, signal.SIGKILL)
    told = on.cloud.result(name)
    assert told["env"]["AWS_LAMBDA_FUNCTION_NAME"] == name
    on.begun_ready(name)


def waiting_processes(server: int) -> list[int]:
    """What waits in the ready boxes of a server."""
    found = []
    with contextlib.suppress(OSError):  # it has ended just now
        for child in usage.children(server):
            found += waiting_processes(child)
            environment = Path(f"/proc/{child}/environ").read_bytes()
            command = Path(f"/proc/{child}/cmdline").read_bytes()
            if b"_LAMELLA_WAITS=" in environment or command == b"cat\0":
                found.append(child)
    return found


def test_eight_at_once_are_answered(on: Side) -> None:
    wait = "exports.handler = async (n) => new Promise((done) => setTimeout(() => done(n), 300));"
    name = on.cloud.function({"app.js": wait}, runtime="nodejs20.x")
    on.begun_ready(name, 0)
    on.again(name)
    with ThreadPoolExecutor(8) as callers:
        assert sorted(callers.map(partial(on.cloud.result, name), range(8))) == list(range(8))


def test_a_function_may_decline(on: Side) -> None:
    other = on.function("nodejs20.x")
    on.begun_ready(other)
    on.until_waiting()
    name = on.function("nodejs20.x", Tags={"lamella:preload": "off"})
    taken = on.taken
    on.cloud.result(name)
    assert on.taken == taken


def test_boxes_that_nobody_uses_go(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--preload", "on", "--idle-seconds", "1") as server:
        side = Side(server)
        side.cloud.result(side.function("nodejs20.x"))
        side.until_waiting()
        until = time.monotonic() + SECONDS
        while side.waiting:
            assert time.monotonic() < until, server.log()
            time.sleep(0.1)
        assert waiting_processes(server.pid) == []
