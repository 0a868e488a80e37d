"""Zygotes that are killed, or have no room: no invocation is lost, and none is run twice."""

from __future__ import annotations

import contextlib
import os
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

import pytest

from tests.e2e.server import serving
from tests.e2e.zygotes import FIRST, IS_FORK, Side

RUNS = (
    "import shared\n"
    + IS_FORK
    + """
def handler(event, context):
    if event is None:
        return is_fork()
    print("<ran " + event + ">")
    return [event, is_fork()]
"""
)


def runs(data: Path) -> Counter[str]:
    """How often each event was run, by the functions' logs."""
    words = (
        word
        for file in (data / "logs").rglob("*.jsonl")
        for word in file.read_text().split("<ran ")[1:]
    )
    return Counter(word.partition(">")[0] for word in words)


@pytest.mark.parametrize(("count", "starts"), [(3, 8), pytest.param(8, 25, marks=pytest.mark.slow)])
def test_zygotes_that_are_killed_cost_no_invocation(
    tmp_path: Path, count: int, starts: int
) -> None:
    with serving(tmp_path / "data", "--preload", "on") as server:
        side = Side(server)
        lock = Lock()
        answers: list[tuple[str, list[object]]] = []
        killed: set[int] = set()

        def ready(number: int) -> str:
            return side.until_forked([side.layer(shared=f"NUMBER = {number}")], RUNS)

        def call(number: int) -> None:
            for each in range(starts):
                event = f"{number}-{each}"
                invoked = side.anew(names[number], event)
                assert invoked.error is None, invoked.payload
                with lock:
                    answers.append((event, invoked.payload))
                    if len(answers) % starts == starts // 2:
                        # Another of the layer sets' each time.
                        for pid in set(side.zygotes()) - killed:
                            with contextlib.suppress(ProcessLookupError):  # it was retired just now
                                os.kill(pid, signal.SIGKILL)
                                killed.add(pid)
                                break

        with ThreadPoolExecutor(count) as callers:
            names = list(callers.map(ready, range(count)))
            assert len(side.zygotes()) >= count
            list(callers.map(call, range(count)))
        assert len(killed) == count
        assert all(payload[0] == event for event, payload in answers)
        forks = sum(payload[1] is True for _, payload in answers)
        assert 0 < forks < len(answers)
        assert server.stop() == 0
        assert "Traceback" not in server.log()
    events = {f"{number}-{each}" for number in range(count) for each in range(starts)}
    assert runs(tmp_path / "data") == Counter(dict.fromkeys(events, 1))


HOLDS = "KEPT = bytearray(b'x') * (24 << 20)\nNUMBER = {}\n"
WAITS = FIRST + "    import time\n    time.sleep(event or 0)\n    return is_fork()\n"
WAITS = WAITS.replace("    return is_fork()\n    import", "    import")


def rss(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


@pytest.mark.slow
def test_zygotes_keep_within_their_memory_and_nothing_that_serves_ends(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("without control groups nobody counts what a zygote holds")
    most = 128 << 20
    with serving(tmp_path / "data", "--preload", "on", "--warm-memory", "128M") as server:
        side = Side(server)
        with ThreadPoolExecutor(8) as callers:
            serving_still = []
            for number in range(8):
                layers = [side.layer(shared=HOLDS.format(number))]
                # Once the room is taken, those that are used most keep it.
                name = (
                    side.until_forked(layers, WAITS)
                    if number < 2
                    else side.cloud.function(WAITS, layers=layers)
                )
                for _ in range(4):
                    assert isinstance(side.anew(name).payload, bool)
                serving_still.append(callers.submit(side.cloud.result, name, 15))
                held = sum(rss(pid) for pid in side.zygotes())
                # One more may be on its way out, or being made.
                assert held <= most + (64 << 20)
            assert all(isinstance(each.result(), bool) for each in serving_still)
        assert len(side.zygotes()) < 8
