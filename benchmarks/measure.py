"""The measurements. Both sides take turns, so that whatever else the machine does hits both."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from benchmarks import emulator as rie
from benchmarks.client import Connection, callers, invocation
from benchmarks.lamella import Lamella
from benchmarks.materials import Layer, Materials, variant
from benchmarks.rows import Row, Side

CALLERS = 8
ONE_AT_A_TIME = "n/a: it serves one caller at a time and ends when two call at once"
NO_SERVER = Side(note="left out (--emulator-only)")
HANDLER = "{imports}def handler(event, context):\n    return {{'ok': True}}\n"


@dataclass(frozen=True, slots=True)
class Rounds:
    """How often each thing is measured."""

    warm: int = 20
    block: int = 500
    rush: int = 5
    rush_block: int = 500
    cold: int = 25
    cold_slow: int = 10
    publish: int = 7


QUICK = Rounds(warm=4, block=200, rush=2, rush_block=200, cold=6, cold_slow=3, publish=3)


@dataclass(frozen=True, slots=True)
class Bench:
    """One run: a folder on one filesystem for both sides, and a server (None: emulator only)."""

    materials: Materials
    folder: Path
    server: Lamella | None
    checking: Lamella | None
    """A second server, which checks signatures."""
    rounds: Rounds
    number: Iterator[int]

    @classmethod
    def of(
        cls,
        materials: Materials,
        folder: Path,
        servers: tuple[Lamella | None, Lamella | None],
        rounds: Rounds,
    ) -> Bench:
        return cls(materials, folder, *servers, rounds, count(1))

    def code(self, name: str, imports: str = "") -> Path:
        """A folder with ``app.py``, for the emulator; Lamella gets the same as a zip."""
        folder = self.folder / f"code-{name}"
        folder.mkdir(exist_ok=True)
        (folder / "app.py").write_text(HANDLER.format(imports=imports))
        return folder

    def function(
        self, name: str, code: Path, layers: list[str], server: Lamella | None = None
    ) -> None:
        server = server or self.server
        assert server is not None
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.write(code / "app.py", "app.py")
        server.function(name, buffer.getvalue(), layers)

    def turns(self, times: int, *sides: Callable[[], None]) -> None:
        """All sides, ``times`` times, forwards and backwards in turn."""
        for turn in range(times):
            for each in sides if turn % 2 == 0 else reversed(sides):
                each()


def warm(bench: Bench) -> Iterator[Row]:
    """One caller, keep-alive, an environment that is there; then several callers at once."""
    code = bench.code("warm")
    ours: list[float] = []
    theirs: list[float] = []
    checked: list[float] = []
    for server in (bench.server, bench.checking):
        if server is not None:
            bench.function("warm", code, [], server)
    with rie.emulator(bench.materials, code) as port:

        def emulator() -> None:
            _block(port, "function", bench.rounds.block, theirs)

        def lamella() -> None:
            if bench.server is not None:
                _block(bench.server.port, "warm", bench.rounds.block, ours)

        def checking() -> None:
            if bench.checking is not None:
                data = bench.checking.signed("warm")
                _send(bench.checking.port, data, bench.rounds.block, checked)

        bench.turns(1, emulator, lamella, checking)
        _forget(ours, theirs, checked)
        bench.turns(bench.rounds.warm, emulator, lamella, checking)
    other = Side(theirs)
    yield Row("warm, one caller", other, Side(ours) if ours else NO_SERVER, bar=1.0)
    what = "warm, one caller, every signature checked"
    yield Row(what, other, Side(checked) if checked else NO_SERVER, bar=1.0)
    yield Row(f"warm, {CALLERS} callers at once", Side(note=ONE_AT_A_TIME), _rush(bench))


def _forget(*series: list[float]) -> None:
    """Drop what was measured while everything was new."""
    for each in series:
        each.clear()


def _block(port: int, function: str, size: int, into: list[float]) -> None:
    _send(port, invocation(function), size, into)


def _send(port: int, data: bytes, size: int, into: list[float]) -> None:
    with Connection(port) as connection:
        connection.timed(data)
        into += [connection.timed(data) for _ in range(size)]


def _rush(bench: Bench) -> Side:
    if bench.server is None:
        return NO_SERVER
    times: list[float] = []
    rates = []
    for turn in range(bench.rounds.rush + 1):
        rush = asyncio.run(
            callers(
                bench.server.port,
                invocation("warm"),
                count=CALLERS,
                each=bench.rounds.rush_block,
            )
        )
        if turn:  # the first one brought the environments up
            times += rush.times
            rates.append(rush.rate)
    return Side(times, rate=sorted(rates)[len(rates) // 2])


def cold(bench: Bench) -> Iterator[Row]:
    """The first invocation of a new environment, without layers and with two kinds of layer."""
    yield from _Cold(bench, "no layer", None, bar=2.0).rows()
    yield from _Cold(bench, "numpy layer", bench.materials.numpy, bar=None).rows()
    yield from _Cold(bench, "pandas layer", bench.materials.pandas, bar=1.2).rows()


class _Cold:
    """Cold starts with one layer, or none: each side's times as they are measured."""

    def __init__(self, bench: Bench, what: str, layer: Layer | None, *, bar: float | None) -> None:
        self._bench = bench
        self._what = f"cold start, {what}"
        self._layer = layer
        self._bar = bar
        self._name = "cold" if layer is None else f"cold-{layer.name}"
        self._code = bench.code(self._name, "" if layer is None else f"import {layer.name}\n")
        self._present: list[float] = []
        self._absent: list[float] = []
        self._ours: list[float] = []

    def rows(self) -> Iterator[Row]:
        rounds = self._bench.rounds
        self._create()
        sides = (self._emulator, self._lamella)
        self._bench.turns(2, *sides)  # files in the page cache, trees unpacked, bytecode compiled
        _forget(self._present, self._absent, self._ours)
        self._bench.turns(rounds.cold if self._layer is None else rounds.cold_slow, *sides)
        present, ours = Side(self._present), Side(self._ours) if self._ours else NO_SERVER
        if self._layer is None:
            yield Row(self._what, present, ours, self._bar)
            return
        yield Row(f"{self._what}, its bytecode present", present, ours, self._bar)
        yield Row(f"{self._what}, read-only without bytecode", Side(self._absent), ours)

    def _create(self) -> None:
        server, layer = self._bench.server, self._layer
        if server is None:
            return
        layers = [] if layer is None else [server.publish(layer.name, layer.zip)]
        self._bench.function(self._name, self._code, layers)

    def _emulator(self) -> None:
        materials, layer = self._bench.materials, self._layer
        path = None if layer is None else layer.compiled
        self._present.append(rie.cold(materials, self._code, layer=path, bytecode=True))
        if layer is not None:
            without = rie.cold(materials, self._code, layer=layer.bare, bytecode=False)
            self._absent.append(without)

    def _lamella(self) -> None:
        server = self._bench.server
        if server is None:
            return
        self._ours.append(server.cold(self._name, next(self._bench.number)))


def publish(bench: Bench) -> Iterator[Row]:
    """Publish a layer of pandas and numpy, against ``unzip`` of the same file."""
    archive = bench.materials.published
    size = archive.stat().st_size / 1e6
    ours: list[float] = []
    theirs: list[float] = []
    if shutil.which("unzip") is None:
        raise SystemExit("unzip is not installed (Debian and Ubuntu: apt install unzip).")

    def unzip() -> None:
        target = bench.folder / "unzipped"
        target.mkdir()
        os.sync()
        began = time.perf_counter()
        subprocess.run(["unzip", "-q", str(archive), "-d", str(target)], check=True)
        theirs.append((time.perf_counter() - began) * 1000)
        shutil.rmtree(target)

    def lamella() -> None:
        if bench.server is not None:
            path = variant(archive, next(bench.number), bench.folder)
            os.sync()
            ours.append(bench.server.publish_timed("published", path))
            path.unlink()

    bench.turns(1, unzip, lamella)
    _forget(ours, theirs)
    bench.turns(bench.rounds.publish, unzip, lamella)
    side = Side(ours) if ours else NO_SERVER
    yield Row(
        f"publish a layer of {size:.0f} MB zipped, against unzip", Side(theirs), side, bar=2.0
    )
