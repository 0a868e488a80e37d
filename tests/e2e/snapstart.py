"""Versions with SnapStart, and what tests see of them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lamella.errors import RuntimeMissing
from lamella.runtimes.catalog import Catalog
from tests.e2e.server import Cloud, Invoked, Server

SECONDS = 60
NUMBER = r"\d+\.\d\d"
REPORT = re.compile(
    rf"REPORT RequestId: \S+\tDuration: ({NUMBER}) ms\tBilled Duration: (\d+) ms\t"
    rf"Memory Size: 128 MB\tMax Memory Used: \d+ MB\t"
    rf"Restore Duration: ({NUMBER}) ms\tBilled Restore Duration: (\d+) ms\t\n"
)


def runtime() -> str:
    """A runtime of this host that AWS has SnapStart for."""
    catalog = Catalog.discover(os.environ)
    for name in ("python3.12", "python3.13", "python3.14"):
        try:
            catalog.find(name)
        except RuntimeMissing:
            continue
        return name
    pytest.skip("this host has no Python 3.12 or newer")


class Side:
    """A server, and versions with SnapStart on it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.cloud = Cloud(server.endpoint)
        self.client = self.cloud.client
        self.runtime = runtime()

    def published(self, code: str | Mapping[str, str | bytes], **more: Any) -> str:
        """A function with a version 1 that is ready; its name."""
        name, state = self.tried(code, **more)
        assert state["State"] == "Active", state
        return name

    def tried(
        self, code: str | Mapping[str, str | bytes], **more: Any
    ) -> tuple[str, dict[str, Any]]:
        """A function with a version 1; its name, and what became of the version."""
        on = {"ApplyOn": "PublishedVersions"}
        name = self.cloud.function(code, runtime=self.runtime, SnapStart=on, **more)
        self.client.publish_version(FunctionName=name)
        return name, self.settled(name)

    def settled(self, name: str, version: str = "1") -> dict[str, Any]:
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            found = self.client.get_function_configuration(FunctionName=name, Qualifier=version)
            if found["State"] != "Pending":
                return dict(found)
            time.sleep(0.02)
        raise AssertionError(f"{name} stays Pending: {self.server.log()}")

    def invoke(self, name: str, event: Any = None) -> Invoked:
        return self.cloud.invoke(name, event, Qualifier="1")

    def result(self, name: str, event: Any = None) -> Any:
        invoked = self.invoke(name, event)
        assert invoked.error is None, invoked.payload
        return invoked.payload

    def at_once(self, name: str, count: int, event: Any) -> list[Any]:
        """Answers of so many environments."""
        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(lambda _: self.result(name, event), range(count)))

    def logged(self, name: str, *patterns: str) -> list[str]:
        """The text of each log stream of a function when all ``patterns`` are found in them."""
        until = time.monotonic() + SECONDS
        while True:
            texts = self._logs(name)
            if all(any(re.search(each, text) for text in texts) for each in patterns):
                return texts
            assert time.monotonic() < until, (patterns, texts)
            time.sleep(0.1)

    def _logs(self, name: str) -> list[str]:
        folder = self.server.data / "logs"
        return [
            "".join(json.loads(line)["message"] for line in file.read_text().splitlines())
            for file in folder.rglob("*.jsonl")
            if name in str(file.parent)
        ]

    def until(self, what: str, name: str, event: Any = None) -> str:
        """The log of an invocation that has ``what`` in it; more of them at once each time, so that
        new environments begin."""
        until, count = time.monotonic() + SECONDS, 1
        while time.monotonic() < until:
            count = min(16, count + 1)
            with ThreadPoolExecutor(count) as pool:
                for invoked in pool.map(lambda _: self.invoke(name, event), range(count)):
                    assert invoked.error is None, invoked.payload
                    if what in invoked.log:
                        return invoked.log
        raise AssertionError(f"no invocation was logged with {what}: {self.server.log()}")


def forks(server: int) -> set[int]:
    """The processes below a server that are forks of snapshots, those that wait included."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _is_below(int(entry.name), server):
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if b"--snapshot" in words and b"python" in words[0]:
                    found.add(int(entry.name))
    return found - set(processes(server))


def processes(server: int) -> list[int]:
    """The processes that wait to be forked below a server, by number."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _is_below(int(entry.name), server):
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                parent = _parent(int(entry.name))
                is_of_shell = (Path(f"/proc/{parent}/comm")).read_text().strip() in ("sh", "dash")
            except OSError:
                continue
            if b"--snapshot" in words and is_of_shell and b"python" in words[0]:
                found.append(int(entry.name))
    return found


def _is_below(pid: int, server: int) -> bool:
    while pid > 1:
        pid = _parent(pid)
        if pid == server:
            return True
    return False


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
