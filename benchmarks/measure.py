"""Warm invocations, and publishing a layer."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator

from benchmarks import emulator as rie
from benchmarks.bench import NO_SERVER, Bench, of_each
from benchmarks.client import Connection, callers, invocation
from benchmarks.materials import variant
from benchmarks.rows import EMULATOR, LAMELLA, Bar, Row, Side, ratio

CALLERS = 8
ONE_AT_A_TIME = "n/a: it serves one caller at a time and ends when two call at once"
UNZIP = "unzip"


def warm(bench: Bench) -> Iterator[Row]:
    """One caller, keep-alive, an environment that is there; then several callers at once."""
    code = bench.code("warm")
    ours: list[float] = []
    theirs: list[float] = []
    checked: list[float] = []
    servers = bench.servers
    if servers is not None:
        for server in (servers.usual, servers.checking):
            bench.function(server, "warm", code)
    with rie.emulator(rie.python(bench.materials, code)) as (port, _):

        def emulator() -> None:
            _block(port, "function", bench.rounds.block, theirs)

        def lamella() -> None:
            if servers is not None:
                _block(servers.usual.port, "warm", bench.rounds.block, ours)

        def checking() -> None:
            if servers is not None:
                data = servers.checking.signed("warm")
                _send(servers.checking.port, data, bench.rounds.block, checked)

        bench.turns(1, emulator, lamella, checking)
        _forget(ours, theirs, checked)
        bench.turns(bench.rounds.warm, emulator, lamella, checking)
    other = Side(theirs)
    yield _against(other, ours, "warm, one caller", 0.8)
    yield _against(other, checked, "warm, one caller, every signature checked", 1.0)
    yield _together(bench)


def _against(other: Side, times: list[float], what: str, limit: float) -> Row:
    side = Side(times) if times else NO_SERVER
    bar = ratio(f"{what}, of the emulator's p50", side, other, limit)
    return Row(what, {EMULATOR: other, LAMELLA: side}, (bar,))


def _together(bench: Bench) -> Row:
    side = _rush(bench)
    what = f"warm, {CALLERS} callers at once"
    bars = (
        Bar(f"{what}, answers a second", side.rate, 4000.0, least=True, unit="/s"),
        Bar(f"{what}, p99", side.p99, 10.0, unit="ms"),
    )
    return Row(what, {EMULATOR: Side(note=ONE_AT_A_TIME), LAMELLA: side}, bars)


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
    if bench.servers is None:
        return NO_SERVER
    port, each = bench.servers.usual.port, bench.rounds.rush_block
    rushes = [
        callers(port, invocation("warm"), count=CALLERS, each=each)
        for _ in range(bench.rounds.rush + 1)
    ]
    return of_each(rushes[1:])  # the first one brought the environments up


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
        if bench.servers is not None:
            path = variant(archive, next(bench.number), bench.folder)
            os.sync()
            ours.append(bench.servers.usual.publish_timed("published", path))
            path.unlink()

    bench.turns(1, unzip, lamella)
    _forget(ours, theirs)
    bench.turns(bench.rounds.publish, unzip, lamella)
    side = Side(ours) if ours else NO_SERVER
    what = f"publish a layer of {size:.0f} MB zipped"
    bar = ratio(f"{what}, of unzip's p50", side, Side(theirs), 2.0)
    yield Row(what, {UNZIP: Side(theirs), LAMELLA: side}, (bar,))
