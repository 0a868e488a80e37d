"""Looks at the control groups of a server's environments from outside."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from lamella.sandbox import cgroup
from lamella.wiring.host import instance
from tests.e2e.queues import until
from tests.e2e.server import Cloud, Server, zipped

FREEZER = cgroup.find().freezer

BEATING = """
import os, threading, time

def beat():
    while True:
        with open("/tmp/beats", "a") as file:
            file.write("x")
        time.sleep(0.005)

threading.Thread(target=beat, daemon=True).start()
def handler(event, context):
    return os.path.getsize("/tmp/beats") if os.path.exists("/tmp/beats") else 0
"""
"""A function in which a thread works all the time."""

EXTENSION = """#!/var/lang/bin/python3.11 -S
import http.client, json, os, threading, time

def call(method, path, body=None, **headers):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    sent = {"Lambda-Extension-" + name: value for name, value in headers.items()}
    connection.request(method, "/2020-01-01/extension/" + path, body, sent)
    answer = connection.getresponse()
    return answer.headers, answer.read()

def beat():
    while True:
        with open("/tmp/beats", "a") as file:
            file.write("x")
        time.sleep(0.005)

headers, _ = call("POST", "register", json.dumps({"events": ["INVOKE", "SHUTDOWN"]}), Name="beating")
threading.Thread(target=beat, daemon=True).start()
while True:
    event = json.loads(call("GET", "event/next", Identifier=headers["Lambda-Extension-Identifier"])[1])
    if event["eventType"] == "SHUTDOWN":
        print("told of", event["shutdownReason"], flush=True)
        break
"""
"""Beats beside its own event loop, and prints why it is shut down."""

IDLE = "def handler(event, context):\n    return 'here'\n"


def beating_extension(cloud: Cloud) -> str:
    members: dict[str, str | bytes] = {"extensions/beating": EXTENSION}
    return cloud.layer(zipped(members, modes={"extensions/beating": 0o755}))


def groups(server: Server) -> list[Path]:
    """The groups in which something lives, those of spares included."""
    assert FREEZER is not None
    below = (FREEZER / f"lamella-{instance(server.data)}").glob("*/cgroup.events")
    return [path.parent for path in below if "populated 1" in _read(path)]


def environments(server: Server) -> list[Path]:
    """The groups that hold more than the one process of a spare."""
    return [group for group in groups(server) if len(processes(group)) > 1]


def frozen(server: Server) -> list[Path]:
    """Those in which everything has stopped."""
    return [group for group in groups(server) if "frozen 1" in _read(group / "cgroup.events")]


def processes(group: Path) -> list[int]:
    return [int(each) for each in _read(group / "cgroup.procs").split()]


def beats(numbers: Iterable[int]) -> int:
    """How long ``/tmp/beats`` of one environment is, seen from outside; 0 before there is one.

    ``numbers`` are its processes.
    """
    for number in numbers:
        try:
            return Path(f"/proc/{number}/root/tmp/beats").stat().st_size
        except OSError:  # bubblewrap's own process has another root
            continue
    return 0


def stand_still(numbers: list[int]) -> bool:
    before = beats(numbers)
    time.sleep(0.1)  # twenty beats of one that runs
    return before == beats(numbers) > 0


def until_more(numbers: list[int], before: int) -> None:
    until(lambda: beats(numbers) > before)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it ended meanwhile
        return ""
