"""Many cold starts at once, boxes a second, and what one more idle environment holds."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from benchmarks import emulator as rie
from benchmarks.bench import Bench
from benchmarks.client import Connection, drained, invocation
from benchmarks.lamella import Lamella
from benchmarks.materials import Layer
from benchmarks.memory import private_mb
from benchmarks.rows import EMULATOR, LAMELLA, PLAIN, Bar, Row, Side

TOGETHER = 20
SLOW_BURSTS = 3
BOXES = 64
BOXES_WIDTH = 16
IDLE_SECONDS = 1.0
"""After this long everything is frozen, and what was made ahead is made again."""


def burst(bench: Bench) -> Iterator[Row]:
    """Functions without an environment, each called once, all in the same moment."""
    if bench.servers is None:
        return
    usual, plain = bench.servers.usual, bench.servers.plain
    names = _functions(bench, usual, "burst", TOGETHER, bench.materials.pandas)
    slow = _functions(bench, plain, "burst", TOGETHER, bench.materials.pandas)
    sides = {
        PLAIN: _bursts(bench, plain, slow, min(SLOW_BURSTS, bench.rounds.bursts)),
        LAMELLA: _bursts(bench, usual, names, bench.rounds.bursts),
    }
    what = f"{TOGETHER} cold starts at once with pandas, all answered, p50"
    yield Row(
        f"{TOGETHER} cold starts at once, pandas, until all are answered",
        sides,
        (Bar(what, sides[LAMELLA].median, 150.0, unit="ms"),),
    )


def boxes(bench: Bench) -> Iterator[Row]:
    """Cold starts a second where many come together: the whole path, a box for each."""
    if bench.servers is None:
        return
    server = bench.servers.usual
    names = _functions(bench, server, "boxes", BOXES, None)
    times: list[float] = []
    rates: list[float] = []
    for _ in range(bench.rounds.boxes):
        server.renew(names, next(bench.number))
        rush = drained(server.port, [invocation(name) for name in names], width=BOXES_WIDTH)
        times += rush.times
        rates.append(rush.rate)
    server.renew(names, next(bench.number))
    side = Side(times, rate=sorted(rates)[len(rates) // 2])
    bar = Bar("boxes a second", side.rate, 300.0, least=True, unit="/s")
    yield Row(f"cold start, no layer, {BOXES_WIDTH} callers at once", {LAMELLA: side}, (bar,))


def memory(bench: Bench) -> Iterator[Row]:
    """Private memory of one more idle environment that has imported pandas."""
    if bench.servers is None:
        return
    pandas = bench.materials.pandas
    sides = {EMULATOR: Side([_emulator_mb(bench)])}
    for side, server in ((PLAIN, bench.servers.plain), (LAMELLA, bench.servers.usual)):
        names = _functions(bench, server, "burst", TOGETHER, pandas)
        sides[side] = Side([_one_more_mb(bench, server, names) for _ in _rounds(bench)])
    median = sides[LAMELLA].median
    bar = Bar("private memory of one more idle pandas environment", median, 3.0, unit="MB")
    yield Row("private memory of one more idle environment, pandas", sides, (bar,), unit="MB")


def _rounds(bench: Bench) -> range:
    return range(bench.rounds.memory)


def _functions(
    bench: Bench, server: Lamella, kind: str, count: int, layer: Layer | None
) -> Sequence[str]:
    """So many functions of the same code and the same layer, warmed up by the first of them."""
    made = bench.groups.get((server.port, kind))
    if made is not None:
        return made
    code = bench.code(kind, "" if layer is None else f"import {layer.name}\n")
    layers = () if layer is None else (layer,)
    names = [f"{kind}-{number}" for number in range(count)]
    for name in names:
        bench.function(server, name, code, layers)
    bench.warm_up(server, names[0], layers)
    bench.groups[(server.port, kind)] = names
    return names


def _bursts(bench: Bench, server: Lamella, names: Sequence[str], rounds: int) -> Side:
    times = []
    for _ in range(rounds):
        server.renew(names, next(bench.number))
        rush = drained(server.port, [invocation(name) for name in names], width=len(names))
        times.append(rush.seconds * 1000)
    server.renew(names, next(bench.number))  # nothing of them is left to the parts that follow
    return Side(times)


def _one_more_mb(bench: Bench, server: Lamella, names: Sequence[str]) -> float:
    """What all processes of the server hold in private, after against before half of ``names``.

    The first half of them has environments already, and the server counts as well.
    """
    half = len(names) // 2
    server.renew(names, next(bench.number))
    held = []
    for part in (names[:half], names[half:]):
        drained(server.port, [invocation(name) for name in part], width=4)
        time.sleep(IDLE_SECONDS)
        held.append(private_mb(server.pid))
    server.renew(names, next(bench.number))
    return (held[1] - held[0]) / (len(names) - half)


def _emulator_mb(bench: Bench) -> float:
    """The same of an emulator that was called once."""
    program = rie.python(
        bench.materials, bench.code("memory", "import pandas\n"), layers=[bench.materials.pandas]
    )
    with rie.emulator(program) as (port, pid), Connection(port) as connection:
        connection.timed(invocation("function"))
        return private_mb(pid)
