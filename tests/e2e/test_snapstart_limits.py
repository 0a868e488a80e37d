"""What of an initialisation cannot be restored, and snapshots that go: invocations do not notice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lamella.functions.ready import INITS_OF_ONE
from tests.e2e.server import Server, serving, zipped
from tests.e2e.snapstart import NUMBER, Side, forks, processes

SECONDS = 30
PLAIN = "LAMELLA Environments of this version are initialized one by one: "
IS_FORK = """
def is_fork():
    with open("/proc/self/cmdline", "rb") as line:
        return b"--snapshot" in line.read()
"""
"""A fork keeps the command of what it was forked from."""
TRACED = (
    """
import snapshot_restore_py
TRACE = []
snapshot_restore_py.register_before_snapshot(TRACE.append, "before")
snapshot_restore_py.register_after_restore(TRACE.append, "after")
"""
    + IS_FORK
    + """
def handler(event, context):
    return [is_fork(), *TRACE]
"""
)
SIMPLE = f"{IS_FORK}\ndef handler(event, context): return is_fork()"
THREAD = (
    "import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()"
)
SLEEPS = f"""
import time
{IS_FORK}
def handler(event, context):
    time.sleep(event)
    return is_fork()
"""
MAPPED = """
import mmap
SHARED = mmap.mmap(-1, 4096)
SHARED[0] = 1
"""
IDLE = """#!/usr/bin/python3
import http.client, json, os
line = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
begin = {"Lambda-Extension-Name": "idle"}
line.request("POST", "/2020-01-01/extension/register", json.dumps({"events": []}), begin)
answer = line.getresponse()
answer.read()
who = {"Lambda-Extension-Identifier": answer.getheader("Lambda-Extension-Identifier")}
line.request("GET", "/2020-01-01/extension/event/next", headers=who)
line.getresponse()
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("snapshots") / "data"
    with serving(data, "--function-endpoint", "self", "--warm-memory", "64M") as server:
        yield server


@pytest.fixture(scope="module")
def side(server: Server) -> Side:
    return Side(server)


@pytest.mark.parametrize(
    ("first", "why"),
    [
        (THREAD, "its initialisation leaves a thread behind"),
        (
            "import subprocess; CHILD = subprocess.Popen(['sleep', '600'])",
            "its initialisation leaves a child process behind",
        ),
        ("import asyncio; LOOP = asyncio.new_event_loop()", "its initialisation leaves "),
        ("FILE = open('/tmp/written', 'w')", "its initialisation leaves /tmp/written open"),
        ("FILE = open('/proc/self/status')", "its initialisation leaves /proc/\\d+/status open"),
        (MAPPED, "its initialisation leaves shared memory behind"),
        ("import os; os.fork = lambda: 0", "its initialisation replaces os.fork"),
        ("import os; os.close(6)", "its initialisation closes a file that it did not open"),
    ],
    ids=["thread", "child", "event loop", "file", "process", "memory", "fork", "closed"],
)
def test_what_cannot_be_divided_is_initialised_one_by_one(side: Side, first: str, why: str) -> None:
    name = side.published(f"{first}\n{TRACED}")
    invoked = side.invoke(name)
    assert invoked.payload == [False, "before", "after"]
    assert "Restore Duration" not in invoked.log
    side.logged(name, f"INIT_REPORT Init Duration: {NUMBER} ms\n{PLAIN}{why}")


@pytest.mark.parametrize("kind", ["extension", "wrapper", "tag"])
def test_what_a_fork_cannot_have_is_initialised_one_by_one(side: Side, kind: str) -> None:
    files: dict[str, str | bytes] = {"python/nothing.py": "", "wrap": '#!/bin/sh\nexec "$@"\n'}
    if kind == "extension":
        files["extensions/idle"] = IDLE
    layer = side.cloud.layer(zipped(files, modes={"extensions/idle": 0o755, "wrap": 0o755}))
    wrapped: dict[str, Any] = {
        "Environment": {"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrap"}}
    }
    tagged = {"Tags": {"lamella:preload": "off"}}
    more: dict[str, Any] = {"wrapper": wrapped, "tag": tagged}.get(kind, {})
    name = side.published(TRACED, layers=[layer], **more)
    assert side.result(name) == [False, "before", "after"]
    why = {"extension": "it has extensions", "wrapper": "it has a wrapper"}
    side.logged(name, PLAIN + why.get(kind, "switched off by its tag"))


def test_a_version_that_may_be_forked_after_all_is_restored(side: Side) -> None:
    name = side.published(SLEEPS, Tags={"lamella:preload": "off"})
    assert side.result(name, 0) is False
    arn = side.client.get_function(FunctionName=name)["Configuration"]["FunctionArn"]
    side.client.untag_resource(Resource=arn, TagKeys=["lamella:preload"])
    side.until("Restore Duration", name, 0.2)


def test_variables_of_the_interpreter_are_in_the_snapshot(side: Side) -> None:
    code = f"{IS_FORK}\nimport time\ndef handler(event, context): return is_fork(), time.tzname[0]"
    name = side.published(code, Environment={"Variables": {"TZ": "Asia/Tokyo"}})
    assert side.result(name) == [True, "JST"]


def test_a_file_that_is_read_is_each_environments_own(side: Side) -> None:
    code = """
import time
FILE = open("/var/task/data", "rb", buffering=0)
LEFT = open("/tmp/left", "w+")
LEFT.write("abcdef")
LEFT.close()
LEFT = open("/tmp/left", "rb", buffering=0)
FILE.read(3), LEFT.read(2)
def handler(event, context):
    time.sleep(0.5)
    with open("/tmp/left", "r+") as own:
        own.write("ABCDEF")
    return FILE.read(3).decode(), LEFT.read(2).decode()
"""
    name = side.published({"app.py": code, "data": "123456789"})
    assert side.at_once(name, 3, None) == [["456", "CD"]] * 3


def test_clients_of_the_initialisation_connect_anew_with_credentials_of_their_own(
    side: Side,
) -> None:
    code = f"""
import boto3, os, time
{IS_FORK}
CLIENT = boto3.client("lambda")
NAMES = len(CLIENT.list_functions()["Functions"])
def handler(event, context):
    time.sleep(0.3)
    again = len(CLIENT.list_functions()["Functions"])
    fresh = boto3.Session().get_credentials()
    return is_fork(), NAMES > 0, again > 0, fresh.method, fresh.get_frozen_credentials().access_key
"""
    name = side.published(code, MemorySize=512)
    answers = side.at_once(name, 2, None)
    assert [each[:4] for each in answers] == [[True, True, True, "container-role"]] * 2
    assert answers[0][4] != answers[1][4]


def test_a_thread_can_be_begun_after_the_restore(side: Side) -> None:
    code = f"""
import concurrent.futures, snapshot_restore_py
{IS_FORK}
@snapshot_restore_py.register_after_restore
def begin():
    global POOL
    POOL = concurrent.futures.ThreadPoolExecutor(2)
def handler(event, context):
    return list(POOL.map(lambda each: is_fork(), range(3)))
"""
    assert side.result(side.published(code)) == [True, True, True]


@pytest.mark.parametrize("how", ["create", "update"])
def test_a_version_that_is_published_along_the_way_is_restored(side: Side, how: str) -> None:
    on = {"ApplyOn": "PublishedVersions"}
    if how == "create":
        name = side.cloud.function(SIMPLE, runtime=side.runtime, SnapStart=on, Publish=True)
    else:
        name = side.cloud.function("", runtime=side.runtime, SnapStart=on)
        package = zipped({"app.py": SIMPLE})
        side.client.update_function_code(FunctionName=name, ZipFile=package, Publish=True)
    assert side.settled(name)["State"] == "Active"
    assert side.result(name) is True
    assert side.cloud.result(name) is False, "$LATEST is as ever"


def test_a_snapshot_that_is_killed_costs_no_invocation(side: Side) -> None:
    before = processes(side.server.pid)
    name = side.published(SLEEPS)
    (made,) = set(processes(side.server.pid)) - set(before)
    assert side.result(name, 0) is True
    os.kill(made, signal.SIGKILL)
    assert len(side.at_once(name, 3, 0.2)) == 3
    side.until("Restore Duration", name, 0.2)


def test_what_ends_is_restored_and_not_begun_in_the_time_of_the_function(side: Side) -> None:
    code = f"""
import os, time
time.sleep(1.5)
{IS_FORK}
def handler(event, context):
    if event:
        os._exit(1)
    return is_fork()
"""
    name = side.published(code, Timeout=1)
    assert side.result(name) is True
    assert side.invoke(name, 1).error is not None
    assert side.result(name) is True


def test_a_fork_that_is_lost_is_initialised_in_the_time_of_an_initialisation(
    tmp_path: Path,
) -> None:
    with serving(tmp_path / "data") as server:
        side = Side(server)
        name = side.published(TRACED)
        until = time.monotonic() + SECONDS
        while len(waiting := forks(server.pid)) < 2:
            assert time.monotonic() < until, server.log()
            time.sleep(0.02)
        os.kill(max(waiting), signal.SIGKILL)
        invoked = side.invoke(name)
        assert invoked.payload == [False, "before", "after"]
        assert "Restore Duration" not in invoked.log
        side.logged(name, f"INIT_START .*\nINIT_REPORT Init Duration: {NUMBER} ms")
        assert ":1: restored, " not in server.log()


def test_a_snapshot_that_cannot_be_restored_is_given_up(side: Side) -> None:
    code = f"""
import os
os.unsetenv = None
{SIMPLE}
"""
    name = side.published(code)
    assert side.result(name) is False
    assert f":{name}:1 is no more: a fork of it could not" in side.server.log()


def test_a_snapshot_whose_forks_end_in_their_hooks_is_given_up(side: Side) -> None:
    code = f"""
import os, snapshot_restore_py
{SIMPLE}
@snapshot_restore_py.register_after_restore
def end():
    if is_fork():
        os._exit(3)
"""
    name = side.published(code)
    invoked = side.invoke(name)
    assert (invoked.error, invoked.payload) == (None, False), (
        "begun anew, and not from the snapshot"
    )
    ended = side.server.log().count(f":{name}:1 is no more: a fork of it ended before it was")
    assert ended == 1


def test_a_hook_that_says_that_it_has_failed_costs_no_snapshot(side: Side) -> None:
    code = f"""
import snapshot_restore_py
{SIMPLE}
@snapshot_restore_py.register_after_restore
def fail():
    raise ValueError("on purpose")
"""
    before = set(processes(side.server.pid))
    name = side.published(code)
    made = set(processes(side.server.pid)) - before
    for _ in range(2):
        with pytest.raises(side.client.exceptions.SnapStartException):
            side.invoke(name)
    assert made & set(processes(side.server.pid))
    assert f":{name}:1 is no more" not in side.server.log()


def test_an_environment_outlives_its_snapshot(side: Side) -> None:
    before = processes(side.server.pid)
    name = side.published(f"import os\n{IS_FORK}\ndef handler(event, context): return os.getpid()")
    pid = side.result(name)
    (made,) = set(processes(side.server.pid)) - set(before)
    os.kill(made, signal.SIGKILL)
    again = side.invoke(name)
    assert (again.payload, "Duration: " in again.log) == (pid, True)
    assert "Init Duration" not in again.log


def test_a_version_that_is_deleted_leaves_no_process(side: Side) -> None:
    before = set(processes(side.server.pid))
    name = side.published(SIMPLE)
    assert side.result(name) is True
    made = set(processes(side.server.pid)) - before
    assert made
    side.client.delete_function(FunctionName=name)
    until = time.monotonic() + SECONDS
    while made & set(processes(side.server.pid)):
        assert time.monotonic() < until, side.server.log()
        time.sleep(0.05)


def test_a_version_that_is_deleted_while_it_is_initialised_makes_way(side: Side) -> None:
    before = set(processes(side.server.pid))
    on = {"ApplyOn": "PublishedVersions"}
    slow = "import time; time.sleep(600)"
    names = [
        side.cloud.function(slow, runtime=side.runtime, SnapStart=on, Timeout=900, Publish=True)
        for _ in range(INITS_OF_ONE)
    ]
    for name in names:
        side.logged(name, "INIT_START")
    last = side.cloud.function(SIMPLE, runtime=side.runtime, SnapStart=on, Publish=True)
    found = side.client.get_function_configuration(FunctionName=last, Qualifier="1")
    assert found["State"] == "Pending", "it is not its account's turn"
    side.client.delete_function(FunctionName=names[0], Qualifier="1")
    assert side.settled(last)["State"] == "Active"
    assert side.result(last) is True
    for name in names[1:]:
        side.client.delete_function(FunctionName=name)
    side.client.delete_function(FunctionName=last)
    until = time.monotonic() + SECONDS
    ended = "is gone, and not initialised any more"
    while set(processes(side.server.pid)) - before or side.server.log().count(ended) < len(names):
        assert time.monotonic() < until, side.server.log()
        time.sleep(0.05)
    assert "could not be made ready" not in side.server.log()


def test_snapshots_are_shown_and_counted(side: Side) -> None:
    name = side.published(SIMPLE)
    assert side.result(name) is True
    endpoint = ["--endpoint", side.server.endpoint]
    command = [sys.executable, "-m", "lamella", "pool", *endpoint]
    table = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    (line,) = [each for each in table.splitlines() if f":{name}:1" in each and "MB" in each]
    assert "Snapshots (" in table
    assert line.split("\t")[2] == "1", "one environment"
    with urllib.request.urlopen(f"{side.server.endpoint}/metrics") as answer:
        metrics = answer.read().decode()
    figures = dict(each.rsplit(" ", 1) for each in metrics.splitlines() if each[0] != "#")
    assert float(figures["lamella_snapshots"]) >= 1
    assert float(figures["lamella_snapshots_memory_bytes"]) > 1_000_000
    assert float(figures['lamella_cold_start_seconds_count{way="restored"}']) >= 1


def test_those_used_longest_ago_go_when_memory_is_spent(side: Side) -> None:
    before = set(processes(side.server.pid))
    held = f"HELD = bytearray(b'x' * 25_000_000)\n{SIMPLE}"
    names = [side.published(held) for _ in range(3)]
    until = time.monotonic() + SECONDS
    while len(set(processes(side.server.pid)) - before) > 2:
        assert time.monotonic() < until, side.server.log()
        time.sleep(0.05)
    assert side.result(names[-1]) is True
    assert side.result(names[0]) is False


def test_the_next_server_makes_what_is_missing(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        side = Side(server)
        ready = side.published(SLEEPS)
        on = {"ApplyOn": "PublishedVersions"}
        slow = f"import time; time.sleep(1)\n{SIMPLE}"
        begun = side.cloud.function(slow, runtime=side.runtime, SnapStart=on)
        side.client.publish_version(FunctionName=begun)
        side.logged(begun, "INIT_START")
        assert server.stop() == 0
    with serving(tmp_path / "data") as server:
        side = Side(server)
        assert side.settled(ready)["State"] == "Active"
        assert side.result(ready, 0) in (True, False)
        assert "Init Duration" not in side.until("Restore Duration", ready, 0.3)
        assert side.settled(begun)["State"] == "Active"
        assert side.result(begun) is True
        texts = [text for text in side.logged(begun, "INIT_REPORT") if "INIT_START" in text]
        assert len(texts) == 2, "the first was cut off"
