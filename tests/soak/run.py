"""The soak itself: workers, somebody who kills boxes, samples, and the end."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tests.e2e import belongings
from tests.e2e.server import Cloud, Server
from tests.soak import functions, verdict
from tests.soak.functions import Functions
from tests.soak.jobs import Tally, Worker
from tests.soak.verdict import Finding, Sample

OPTIONS = (
    *("--max-environments", "32", "--idle-seconds", "5", "--event-retry-seconds", "1"),
    *("--max-memory", "2G"),
)
WORKERS = 6
SAMPLE_SECONDS = 2.0
KILL_SECONDS = 1.5
SETTLE_SECONDS = 180.0
FAULTS = ("Traceback (most recent call last)", "ERROR", "CRITICAL", "never retrieved")
EXPECTED_FAULTS: tuple[str, ...] = ()


@dataclass
class Soak:
    """One run on a server that is there; `run` yields a line now and then."""

    server: Server
    seconds: float
    seed: str
    tally: Tally = field(default_factory=Tally)
    samples: list[Sample] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    kills: int = 0

    def __post_init__(self) -> None:
        self.cloud = Cloud(self.server.endpoint)
        self.started = time.monotonic()
        self._stop = threading.Event()

    def run(self) -> Iterator[str]:
        before = self._at_rest()
        shared = functions.create(self.cloud)
        workers = [
            Worker(number, self.server.endpoint, self.seed, shared, self.tally)
            for number in range(WORKERS)
        ]
        threads = [threading.Thread(target=self._work, args=(each,)) for each in workers]
        threads.append(threading.Thread(target=self._kill))
        self.started = time.monotonic()
        for thread in threads:
            thread.start()
        try:
            yield HEAD
            while time.monotonic() - self.started < self.seconds:
                self._stop.wait(SAMPLE_SECONDS)
                self.samples.append(self.sample())
                yield self._line()
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()
        yield "the load ends; events settle, functions are deleted"
        self._settle()
        self._clear(shared, workers)
        after = self._at_rest()
        self._judge(before, after)

    def _work(self, worker: Worker) -> None:
        while not self._stop.is_set():
            worker.once()

    def _kill(self) -> None:
        """Kill a box now and then, but none that compiles: that is the server's own work."""
        random = Random(f"{self.seed}-kill")
        while not self._stop.wait(random.uniform(0.1, 2 * KILL_SECONDS)):
            boxes = [each for each in belongings.boxes(self.server) if not compiles(each)]
            if boxes:
                self.kills += 1  # before: its caller may be told at once
                belongings.kill_box(random.choice(boxes))

    def sample(self) -> Sample:
        seen = belongings.belongings(self.server)
        keeper = belongings.keepers(self.server.pid)[-1:]
        return Sample(
            at=round(time.monotonic() - self.started, 1),
            memory=seen.memory,
            keeper_memory=sum(belongings.status(each, "RssAnon") * 1024 for each in keeper),
            descriptors=seen.descriptors,
            threads=seen.threads,
            processes=seen.processes,
            mounts=seen.mounts,
            groups=seen.groups,
            environments=belongings.alive(self.server),
            boxes_memory=belongings.metrics(self.server)["lamella_environments_memory_bytes"],
        )

    def _line(self) -> str:
        last = self.samples[-1]
        return LINE.format(
            **asdict(last)
            | {"memory": last.memory / 2**20, "keeper": last.keeper_memory / 2**20}
            | {"boxes": last.boxes_memory / 2**20, "done": sum(self.tally.done.values())}
            | {"throttled": self.tally.throttled, "kills": self.kills}
            | {"bad": len(self.tally.unexpected)}
        )

    def _settle(self) -> None:
        def settled() -> bool:
            seen = belongings.metrics(self.server)
            return not any(
                count for name, count in seen.items() if name.startswith("lamella_events{")
            )

        wait(settled)

    def _clear(self, shared: Functions, workers: list[Worker]) -> None:
        for worker in workers:
            worker.cloud.client.close()  # whose connections are descriptors of the server's
        for name in (*shared.all, *(each.own for each in workers)):
            self.cloud.client.delete_function(FunctionName=name)
        pages = self.cloud.client.get_paginator("list_layers").paginate()
        for layer in [each for page in pages for each in page["Layers"]]:
            newest = layer["LatestMatchingVersion"]["Version"]
            self.cloud.client.delete_layer_version(
                LayerName=layer["LayerName"], VersionNumber=newest
            )
        self.cloud.client.close()

    def _at_rest(self) -> Sample:
        """What is held once all environments are gone and counts stay the same for a moment."""

        def alone() -> bool:
            made_ahead = belongings.metrics(self.server).get("lamella_zygotes", 0)
            return not (
                made_ahead or belongings.alive(self.server) or belongings.boxes(self.server)
            )

        wait(alone)
        seen = [self.sample()]

        def steady() -> bool:
            time.sleep(0.5)
            seen.append(self.sample())
            one, two = seen[-2:]
            return (one.processes, one.groups, one.descriptors) == (
                two.processes,
                two.groups,
                two.descriptors,
            )

        wait(steady)
        return seen[-1]

    def _judge(self, before: Sample, after: Sample) -> None:
        tally = self.tally
        faults = [
            line
            for line in self.server.log().splitlines()
            if any(each in line for each in FAULTS)
            and not any(each in line for each in EXPECTED_FAULTS)
        ]
        left = sorted(
            path
            for path in belongings.files(self.server.data)
            if path.startswith(("blobs/", "staging/", "node/trees/", "node/stacks/"))
            and (self.server.data / path).is_file()
            and not path.endswith(".boot-id")
        )
        self.findings = [
            *verdict.answers(sum(tally.done.values()), tally.killed, self.kills, tally.unexpected),
            *verdict.events(tally.accepted, belongings.metrics(self.server)),
            *verdict.flat(self.samples),
            *verdict.nothing_left(before, after),
            Finding("files left", not left, f"{len(left)} {left[:3]}"),
            Finding("the server's log", not faults, f"{len(faults)} faults {faults[:3]}"),
        ]

    @property
    def good(self) -> bool:
        return bool(self.findings) and all(each.good for each in self.findings)

    def report(self) -> dict[str, Any]:
        """Everything, for a file."""
        return {
            "seconds": self.seconds,
            "seed": self.seed,
            "good": self.good,
            "findings": [asdict(each) for each in self.findings],
            "done": dict(self.tally.done),
            "throttled": self.tally.throttled,
            "killed": self.tally.killed,
            "kills": self.kills,
            "unexpected": self.tally.unexpected[:200],
            "environments_ended": belongings.ended(self.server),
            "samples": [asdict(each) for each in self.samples],
        }


HEAD = (
    "   s   jobs  429 kills bad | server MB keeper MB boxes MB |"
    "  envs procs mounts groups   fds threads"
)
LINE = (
    "{at:4.0f} {done:6} {throttled:4} {kills:5} {bad:3} | {memory:9.1f} {keeper:9.1f} {boxes:8.0f} |"
    " {environments:5} {processes:5} {mounts:6} {groups:6} {descriptors:5} {threads:7}"
)


def compiles(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return b"compile" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return True


def wait(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SETTLE_SECONDS
    while not true() and time.monotonic() < deadline:
        time.sleep(0.1)
