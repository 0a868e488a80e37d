"""Many cold starts at once, boxes a second, and what one more idle environment holds."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from benchmarks import emulator as rie
from benchmarks.bench import Bench, of_all, of_each
from benchmarks.client import Connection, Rush, drained, invocation
from benchmarks.lamella import Lamella
from benchmarks.materials import Layer
from benchmarks.memory import private_mb
from benchmarks.rows import EMULATOR, LAMELLA, PLAIN, Bar, Row, Side

TOGETHER = 20
SLOW_BURSTS = 3
BOXES = 64
BOXES_WIDTH = 16
REST_SECONDS = 1.0
"""From a burst's last answer to the next burst, where each is to stand alone."""
IDLE_SECONDS = 1.0
"""After this long everything is frozen, and what was made ahead is made again."""


def burst(bench: Bench) -> Iterator[Row]:
    """Functions without an environment, each called once, all in the same moment.

    The bar is about one burst: it comes `REST_SECONDS` after the last, when forks lie ready again.
    Burst upon burst the next one comes as soon as the functions are changed, while forks are laid
    in the place of those that the last one took. The first burst of all is among those of the first
    row, though none lay ready for it.
    """
    if bench.servers is None:
        return
    usual, plain = bench.servers.usual, bench.servers.plain
    names = _functions(bench, usual, "burst", TOGETHER, bench.materials.pandas)
    slow = _functions(bench, plain, "burst", TOGETHER, bench.materials.pandas)
    rounds = bench.rounds
    few = min(SLOW_BURSTS, rounds.bursts)
    sides = {
        PLAIN: of_all(_bursts(bench, plain, slow, few, rest=REST_SECONDS)),
        LAMELLA: of_all(_bursts(bench, usual, names, rounds.bursts, rest=REST_SECONDS)),
    }
    what = f"{TOGETHER} cold starts at once, pandas, until all are answered"
    after = f"{REST_SECONDS:g} s after the last burst"
    bar = Bar(f"{what}, {after}, p50", sides[LAMELLA].median, 150.0, unit="ms")
    yield Row(f"{what}, {after}", sides, (bar,))
    close = of_all(_bursts(bench, usual, names, rounds.bursts_close))
    yield Row(f"{what}, burst upon burst", {LAMELLA: close})


def boxes(bench: Bench) -> Iterator[Row]:
    """Cold starts a second where many come together: the whole path, a box for each.

    The bar is about many in a row. Forks lie ready for some of them at most; the second row says
    how it is for as long as they do, with `REST_SECONDS` before each burst.
    """
    if bench.servers is None:
        return
    server = bench.servers.usual
    names = _functions(bench, server, "boxes", BOXES, None)
    rounds = bench.rounds.boxes
    side = of_each(_bursts(bench, server, names, rounds, width=BOXES_WIDTH))
    what = f"boxes a second, {BOXES} in a row"
    bar = Bar(what, side.rate, 300.0, least=True, unit="/s")
    what = f"cold start, no layer, {BOXES} in a row by {BOXES_WIDTH} callers"
    yield Row(what, {LAMELLA: side}, (bar,))
    few = of_each(_bursts(bench, server, names[:TOGETHER], rounds, rest=REST_SECONDS))
    what = f"cold start, no layer, {TOGETHER} at once, {REST_SECONDS:g} s after the last burst"
    yield Row(what, {LAMELLA: few})


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


def _bursts(
    bench: Bench,
    server: Lamella,
    names: Sequence[str],
    rounds: int,
    *,
    width: int | None = None,
    rest: float = 0.0,
) -> list[Rush]:
    """Cold starts of all ``names`` by ``width`` callers (each by one of its own), ``rounds`` times.

    From one burst to the next are at least ``rest`` seconds, in which the functions are changed.
    """
    rushes = []
    for _ in range(rounds):
        until = time.monotonic() + rest
        server.renew(names, next(bench.number))
        time.sleep(max(0.0, until - time.monotonic()))
        requests = [invocation(name) for name in names]
        rushes.append(drained(server.port, requests, width=width or len(names)))
    server.renew(names, next(bench.number))  # nothing of them is left to the parts that follow
    return rushes


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
    """The same of the second of two emulators that were called once.

    What both map from files they share, as Lamella's environments do.
    """
    program = rie.python(
        bench.materials, bench.code("memory", "import pandas\n"), layers=[bench.materials.pandas]
    )
    with rie.emulator(program) as (first, _), rie.emulator(program) as (second, pid):
        for port in (first, second):
            with Connection(port) as connection:
                connection.timed(invocation("function"))
        return private_mb(pid)
