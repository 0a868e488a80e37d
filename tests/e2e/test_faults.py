"""Parts that die, hostile functions, odd values: the server goes on, and nothing is left behind.

One server of its own, because its processes are killed here.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.server import Cloud, Server, serving

SECONDS = 30
ECHO = "import os\ndef handler(event, context):\n    return os.environ.get('ODD')\n"
SLEEPER = """
import time

def handler(event, context):
    if event:
        print('sleeping now', flush=True)
        time.sleep(60)
"""


@dataclass
class Process:
    """A process of the host that is to end; the descriptor stands for it and for no other."""

    number: int
    descriptor: int

    def kill(self) -> None:
        signal.pidfd_send_signal(self.descriptor, signal.SIGKILL)

    def ended(self) -> bool:
        """Wait for the end."""
        ready, _, _ = select.select([self.descriptor], [], [], SECONDS)
        return bool(ready)


def children(number: int) -> list[int]:
    try:
        return [
            int(each) for each in Path(f"/proc/{number}/task/{number}/children").read_text().split()
        ]
    except OSError:
        return []


def descendants(number: int) -> list[int]:
    """Everything below a process, the nearest first."""
    found = children(number)
    for each in found:
        found += children(each)
    return found


@contextlib.contextmanager
def processes(numbers: list[int]) -> Iterator[list[Process]]:
    held: list[Process] = []
    try:
        for number in numbers:
            with contextlib.suppress(ProcessLookupError):
                held.append(Process(number, os.pidfd_open(number)))
        yield held
    finally:
        for each in held:
            os.close(each.descriptor)


def program(number: int) -> str:
    try:
        return Path(f"/proc/{number}/comm").read_text().strip()
    except OSError:
        return ""


def outermost_of_boxes(server: Server) -> list[int]:
    """The bubblewraps that are no other's child."""
    found = [each for each in descendants(server.pid) if program(each) == "bwrap"]
    inner = {child for each in found for child in children(each)}
    return [each for each in found if each not in inner]


def peak_megabytes(server: Server) -> int:
    status = Path(f"/proc/{server.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("faults") / "data", "--idle-seconds", "600") as server:
        yield server


@pytest.fixture(scope="module")
def faults(own: Server) -> Cloud:
    return Cloud(own.endpoint)


def kill_boxes(server: Server) -> None:
    with processes(outermost_of_boxes(server)) as boxes:
        assert boxes
        for box in boxes:
            box.kill()
        assert all(box.ended() for box in boxes)


def test_a_box_that_is_killed_while_it_works_is_answered_and_replaced(
    own: Server, faults: Cloud
) -> None:
    name = faults.function(SLEEPER, Timeout=50)
    answers = []
    caller = threading.Thread(target=lambda: answers.append(faults.invoke(name, "sleep")))
    caller.start()
    wait_for_log(own, "sleeping now")
    kill_boxes(own)
    caller.join(SECONDS)
    (answer,) = answers
    assert answer.error == "Unhandled"
    assert answer.payload["errorType"] == "Runtime.ExitError"
    assert answer.payload["errorMessage"].endswith("signal: killed")
    assert faults.result(name) is None


def wait_for_log(server: Server, text: str) -> None:
    """Until a log has ``text``."""
    waiting = threading.Event()
    for _ in range(SECONDS * 20):
        logs = (server.data / "logs").rglob("*.jsonl")
        if any(text in path.read_text() for path in logs):
            return
        waiting.wait(0.05)
    raise AssertionError(f"the log never said {text!r}")


def test_boxes_that_are_killed_while_idle_are_replaced(own: Server, faults: Cloud) -> None:
    names = [faults.function(ECHO) for _ in range(3)]
    for name in names:
        faults.result(name)
    kill_boxes(own)
    for name in names:
        faults.invoke(name)  # may have been taken before the server knew
        assert faults.result(name) is None


@pytest.mark.parametrize("generation", [0, 1, 2], ids=["server", "its child", "the keeper"])
def test_whoever_is_killed_no_process_is_left(data: Path, generation: int) -> None:
    server = Server(data)
    try:
        Cloud(server.endpoint).run(ECHO)
        line = [server.pid]
        for _ in range(generation):
            line = children(line[0])
        with processes(line[:1]) as first, processes(descendants(line[0])) as below:
            assert len(below) >= 2
            first[0].kill()
            assert all(each.ended() for each in below)
    finally:
        server.kill()
        server.clear()


def test_a_gigabyte_without_a_line_break_is_neither_kept_in_memory_nor_one_event(
    own: Server, faults: Cloud
) -> None:
    code = """
import os

def handler(event, context):
    for _ in range(16_384):
        os.write(2, b'y' * 65_536)
"""
    answer = faults.invoke(faults.function(code, Timeout=60))
    assert answer.error is None
    assert peak_megabytes(own) < 512
    assert faults.run(ECHO) is None


def test_a_function_that_holds_every_connection_harms_only_itself(
    own: Server, faults: Cloud
) -> None:
    code = """
import socket

HELD = []

def handler(event, context):
    for _ in range(300):
        held = socket.create_connection(('127.0.0.1', 9001))
        HELD.append(held)
        try:
            held.sendall(b'POST /2018-06-01/runtime/invocation/x/response HTTP/1.1\\r\\nX: ' + b'a' * 100_000)
        except OSError:
            pass
    return len(HELD)
"""
    before = len(os.listdir(f"/proc/{own.pid}/fd"))
    assert faults.result(faults.function(code, MemorySize=256)) == 300
    assert len(os.listdir(f"/proc/{own.pid}/fd")) < before + 100
    assert faults.run(ECHO) is None


def test_twenty_crashes_leave_no_descriptor(own: Server, faults: Cloud) -> None:
    name = faults.function("import os\ndef handler(event, context):\n    os._exit(event)\n")
    assert faults.invoke(name, 3).error == "Unhandled"
    before = len(os.listdir(f"/proc/{own.pid}/fd"))
    for _ in range(20):
        assert faults.invoke(name, 3).payload["errorMessage"].endswith("exit status 3")
    assert len(os.listdir(f"/proc/{own.pid}/fd")) <= before + 2


@pytest.mark.parametrize("value", ["two\nlines", "", " ", "\t\\\"'$(id)`id`", "--ro-bind", "é中😀"])
def test_odd_values_of_variables_arrive_as_they_are(faults: Cloud, value: str) -> None:
    assert faults.run(ECHO, Environment={"Variables": {"ODD": value}}) == value


@pytest.mark.parametrize(
    "handler", ["--help", "app.", ".handler", "app.é中😀", "a/../app.handler", "app;id.x"]
)
def test_odd_handlers_are_answered_by_the_runtime(faults: Cloud, handler: str) -> None:
    answer = faults.invoke(faults.function(ECHO, handler=handler))
    assert answer.error in (None, "Unhandled")
    if answer.error is not None:
        assert "errorMessage" in answer.payload
