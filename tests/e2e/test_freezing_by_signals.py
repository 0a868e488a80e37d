"""Where no control group can freeze, signals do: on a server that sees no tree of version 2."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.frozen import BEATING, IDLE, beating_extension, beats, stand_still, until_more
from tests.e2e.queues import until
from tests.e2e.server import Cloud, Server, serving
from tests.e2e.test_faults import descendants, processes

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs root and unshare"
)
UNMOUNT = 'for each; do shift; [ "$each" = -- ] && break; umount -l "$each"; done; exec "$@"'


def hidden() -> list[str]:
    """Where trees of version 2 are mounted."""
    lines = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [where for _, where, kind, *_ in lines if kind == "cgroup2"]


@pytest.fixture
def server(data: Path) -> Iterator[Server]:
    within = ("unshare", "-m", "/bin/sh", "-c", UNMOUNT, "sh", *hidden(), "--")
    with serving(data, "--preload", "off", "--freeze-after", "0.05", within=within) as server:
        yield server


def stopped(server: Server) -> list[int]:
    """The processes that were stopped by a signal."""
    found = []
    for number in descendants(server.pid):
        try:
            text = Path(f"/proc/{number}/stat").read_text()
        except OSError:
            continue
        if text.rpartition(")")[2].split()[0] == "T":
            found.append(number)
    return found


@pytest.mark.parametrize("kind", ["function", "extension"])
def test_what_works_in_the_background_is_stopped_and_goes_on(server: Server, kind: str) -> None:
    cloud = Cloud(server.endpoint)
    layers = [beating_extension(cloud)] if kind == "extension" else []
    name = cloud.function(IDLE if kind == "extension" else BEATING, layers=layers)
    cloud.result(name)
    for _ in range(3):
        until(lambda: stopped(server))
        numbers = stopped(server)
        until(lambda: stand_still(stopped(server)))
        before = beats(numbers)
        cloud.result(name)
        until_more(numbers, before)
    until(lambda: stopped(server))
    with processes(descendants(server.pid)) as below:
        server.kill()
        assert all(each.ended() for each in below)


def test_the_end_of_what_was_stopped_is_no_fault_of_freezing(server: Server) -> None:
    cloud = Cloud(server.endpoint)
    name = cloud.function(IDLE)
    for number in range(3):
        cloud.result(name)
        until(lambda: stopped(server))
        cloud.configure(name, Description=str(number))
        until(lambda: not stopped(server))
    assert "not frozen" not in server.log()


def test_the_end_of_the_server_is_told_to_extensions_that_were_stopped(server: Server) -> None:
    cloud = Cloud(server.endpoint)
    cloud.result(cloud.function(IDLE, layers=[beating_extension(cloud)]))
    until(lambda: stopped(server))
    assert server.stop() == 0
    logs = (server.data / "logs").rglob("*.jsonl")
    assert any("told of spindown" in path.read_text() for path in logs)
