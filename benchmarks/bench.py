"""One run: what it runs on, its servers, how often each thing is measured, and taking turns."""

from __future__ import annotations

import contextlib
import io
import statistics
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from benchmarks.client import Rush
from benchmarks.lamella import OFF, PRELOAD, RUNTIME, Lamella, lamella
from benchmarks.materials import Layer, Materials
from benchmarks.rows import Side

NO_SERVER = Side(note="left out (--emulator-only)")
HANDLER = "{imports}def handler(event, context):\n    return {{'ok': True}}\n"
NODE_HANDLER = "exports.handler = async () => ({ ok: true });\n"
WARM_UPS = 4
LEARN_SECONDS = 12.0
MOST_LEARN_SECONDS = 30.0
PAUSE_SECONDS = 0.25
STEADY = 4
"""So many cold starts in a row are looked at."""
GAIN = 0.6
"""They are as fast as they get when they take this much of the time without anything made ahead."""
SWING = 1.5
"""They are steady when none takes so many times as long as the fastest."""


@dataclass(frozen=True, slots=True)
class Rounds:
    """How often each thing is measured. ``cold`` holds for what a bar is about."""

    warm: int = 20
    block: int = 500
    rush: int = 5
    rush_block: int = 500
    cold: int = 50
    cold_plain: int = 15
    cold_other: int = 10
    starts: int = 12
    bursts: int = 40
    bursts_close: int = 24
    boxes: int = 10
    memory: int = 3
    publish: int = 5
    apart: int = 30


QUICK = Rounds(
    warm=4,
    block=200,
    rush=2,
    rush_block=200,
    cold=6,
    cold_plain=3,
    cold_other=2,
    starts=2,
    bursts=5,
    bursts_close=5,
    boxes=2,
    memory=1,
    publish=3,
    apart=10,
)


@dataclass(frozen=True, slots=True)
class Servers:
    """The usual server, one that preloads nothing, and one that checks signatures."""

    usual: Lamella
    plain: Lamella
    checking: Lamella


@dataclass(frozen=True, slots=True)
class Bench:
    """One run: a folder on one filesystem for all sides, and servers (None: emulator only)."""

    materials: Materials
    folder: Path
    servers: Servers | None
    rounds: Rounds
    number: Iterator[int] = field(default_factory=lambda: count(1))
    published: dict[tuple[int, str], str] = field(default_factory=dict)
    known: set[tuple[object, ...]] = field(default_factory=set)
    """Servers, runtimes and layer sets for which everything was made ahead."""
    groups: dict[tuple[int, str], Sequence[str]] = field(default_factory=dict)
    """Functions that were created together, by server and kind."""

    def code(self, name: str, imports: str = "") -> Path:
        """A folder with ``app.py``, for the emulator; Lamella gets the same as a zip."""
        return self._code(name, "app.py", HANDLER.format(imports=imports))

    def node_code(self, name: str) -> Path:
        """A folder with ``app.js``."""
        return self._code(name, "app.js", NODE_HANDLER)

    def _code(self, name: str, file: str, text: str) -> Path:
        folder = self.folder / f"code-{name}"
        folder.mkdir(exist_ok=True)
        (folder / file).write_text(text)
        return folder

    def function(
        self,
        server: Lamella,
        name: str,
        code: Path,
        layers: Sequence[Layer] = (),
        runtime: str = RUNTIME,
    ) -> None:
        """Create a function of ``code`` with ``layers``, which are published once a server."""
        arns = [self._arn(server, layer) for layer in layers]
        server.function(name, zipped(code), arns, runtime)

    def _arn(self, server: Lamella, layer: Layer) -> str:
        known = (server.port, layer.name)
        if known not in self.published:
            self.published[known] = server.publish(layer.name, layer.zip)
        return self.published[known]

    def warm_up(
        self, server: Lamella, name: str, layers: Sequence[Layer] = (), runtime: str = RUNTIME
    ) -> None:
        """Let ``server`` see cold starts of ``name``, and make what it makes ahead for its like.

        The first function of a layer set is called until its last `STEADY` starts are faster than
        the early ones by `GAIN`. Where they do not get so fast, until they are steady after
        `LEARN_SECONDS`; and never longer than `MOST_LEARN_SECONDS`.
        """
        times = [server.cold(name, next(self.number)) for _ in range(WARM_UPS)]
        like = (server.port, runtime, *(layer.name for layer in layers))
        if like in self.known or not server.preloads:
            return
        self.known.add(like)
        plain, began = times[1], time.monotonic()
        while (spent := time.monotonic() - began) < MOST_LEARN_SECONDS:
            slowest, fastest = max(times[-STEADY:]), min(times)
            if slowest < GAIN * plain or (spent > LEARN_SECONDS and slowest < SWING * fastest):
                return
            time.sleep(PAUSE_SECONDS)
            times.append(server.cold(name, next(self.number)))

    def turns(self, times: int, *sides: Callable[[], None]) -> None:
        """All sides, ``times`` times, forwards and backwards in turn."""
        for turn in range(times):
            for each in sides if turn % 2 == 0 else reversed(sides):
                each()


class Series:
    """What is measured again and again of one side: in ``rounds`` of a run's turns, spread evenly."""

    def __init__(self, name: str, once: Callable[[], float], rounds: int) -> None:
        self.name = name
        self._once = once
        self._rounds = rounds
        self._times: list[float] = []

    def turn(self, number: int, of: int) -> None:
        rounds = min(self._rounds, of)
        if (number + 1) * rounds // of > number * rounds // of:
            self._times.append(self._once())

    def side(self) -> Side:
        return Side(self._times)


def in_turns(series: Sequence[Series], rounds: int) -> dict[str, Side]:
    """Measure each of ``series``, taking turns, so that whatever else the machine does hits all."""
    for number in range(rounds):
        for each in series if number % 2 == 0 else reversed(series):
            each.turn(number, rounds)
    return {each.name: each.side() for each in series}


def of_each(rushes: Sequence[Rush]) -> Side:
    """The time of each request, and the median of the rates."""
    times = [took for rush in rushes for took in rush.times]
    return Side(times, rate=statistics.median(rush.rate for rush in rushes))


def of_all(rushes: Sequence[Rush]) -> Side:
    """The times until all requests of a rush were answered."""
    return Side([rush.seconds * 1000 for rush in rushes])


@contextlib.contextmanager
def servers(folder: Path, *, wanted: bool) -> Iterator[Servers | None]:
    """All three servers, each with a folder of its own."""
    if not wanted:
        yield None
        return
    with (
        lamella(folder / "usual") as usual,
        lamella(folder / "plain", environ={PRELOAD: OFF}) as plain,
        lamella(folder / "checking", signed=True) as checking,
    ):
        yield Servers(usual, plain, checking)


def zipped(folder: Path) -> bytes:
    """The zip of a folder's files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(folder.iterdir()):
            if path.is_file():
                archive.write(path, path.name)
    return buffer.getvalue()
