"""What hostile code tries with a snapshot: it reaches nobody else, and costs its callers no answer."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest

from tests.e2e.server import Server
from tests.e2e.snapstart import Side, processes

SECONDS = 30
FORGED = """
import os, socket, time

def is_fork():
    with open("/proc/self/cmdline", "rb") as line:
        return b"--snapshot" in line.read()

if is_fork():
    os.write(7, b'{"fault": null}\\n')
    os.close(8)
    line = socket.create_connection(("127.0.0.1", 9001))
    line.sendall(b"GET /2018-06-01/runtime/restore/next HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    while True:
        time.sleep(1)

def handler(event, context):
    return is_fork()
"""
NEVER = """
import os
os.register_at_fork(after_in_child=lambda: os._exit(0))

def handler(event, context):
    with open("/proc/self/cmdline", "rb") as line:
        return b"--snapshot" in line.read()
"""
GARBAGE = """
import os
for number in range(3, 20):
    try:
        os.write(number, b"garbage" * 1000)
    except OSError:
        pass

def handler(event, context):
    return False
"""
LOOKS = """
import ctypes, json, os, signal, time, urllib.request

INIT = open("/proc/self/stat").read().split()[0]
LIBC = ctypes.CDLL(None, use_errno=True)

def attempt(do):
    try:
        return do() or "done"
    except (OSError, ValueError) as error:
        return type(error).__name__

def call(number, *arguments):
    if LIBC.syscall(number, *arguments) != 0:
        raise OSError(ctypes.get_errno(), "refused")

def handler(event, context):
    time.sleep(0.5)
    with open("/tmp/mine", "x") as file:
        file.write("mine")
    caps = [line.split()[1] for line in open("/proc/self/status") if line.startswith("Cap")]
    return {
        "processes": sorted(int(name) for name in os.listdir("/proc") if name.isdigit()),
        "caps": sorted(set(caps)),
        "unshare": attempt(lambda: call(272, 0x10000000)),
        "mount": attempt(lambda: call(165, 0, 0, 0, 0, 0)),
        "memory": attempt(lambda: open("/proc/1/mem", "rb")),
        "tmp": os.listdir("/tmp"),
        "open": sorted(os.listdir("/proc/self/fd"), key=int),
    }
"""


@pytest.fixture(scope="module")
def side(server: Server) -> Side:
    return Side(server)


def snapshots(server: int) -> set[int]:
    """Processes of snapshots and of what was forked from them."""
    found = set()
    for each in processes(server):
        with contextlib.suppress(OSError):
            if b"--snapshot" in Path(f"/proc/{each}/cmdline").read_bytes():
                found.add(each)
    return found


@pytest.mark.parametrize("code", [FORGED, NEVER, GARBAGE], ids=["forged", "never", "garbage"])
def test_what_lies_about_its_snapshot_is_served_without(side: Side, code: str) -> None:
    before = snapshots(side.server.pid)
    other = side.published("def handler(event, context): return 'well'")
    theirs = snapshots(side.server.pid) - before
    name, state = side.tried(code)
    if state["State"] == "Active":
        assert side.result(name) is False
    assert side.result(other) == "well"
    until = time.monotonic() + SECONDS
    while snapshots(side.server.pid) - before - theirs:
        assert time.monotonic() < until, side.server.log()
        time.sleep(0.05)
    assert theirs <= snapshots(side.server.pid), "the other's is untouched"


def test_an_environment_is_alone_and_has_no_rights(side: Side) -> None:
    name = side.published(LOOKS)
    for found in side.at_once(name, 3, None):
        assert found["processes"] == [1, 2]
        assert found["caps"] == ["0000000000000000"]
        refused = {found[each] for each in ("unshare", "mount", "memory")}
        assert refused == {"PermissionError"}
        assert found["tmp"] == ["mine"]
        assert len(found["open"]) <= 8, "nothing of the snapshot is open"
