"""Cold starts: the first invocation of a new environment, with more and more in its layers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from benchmarks import emulator as rie
from benchmarks import offline, podman
from benchmarks.bench import Bench, Series, in_turns
from benchmarks.lamella import Lamella
from benchmarks.materials import Layer
from benchmarks.rows import (
    ABSENT,
    COLD,
    EMULATOR,
    LAMELLA,
    OFFLINE,
    PLAIN,
    PODMAN,
    Bar,
    Row,
    Side,
    more,
    ratio,
)

WITHOUT = "Lamella, without layers"


@dataclass(frozen=True, slots=True)
class Case:
    """A function: what it imports, Lamella's layers, and the same as folders of the emulator."""

    what: str
    name: str
    imports: tuple[str, ...] = ()
    layers: tuple[Layer, ...] = ()
    folders: tuple[Layer, ...] = ()
    beside: bool = False
    """Whether others than the emulator are measured as well."""

    @property
    def text(self) -> str:
        return "".join(f"import {name}\n" for name in self.imports)


def cold(bench: Bench) -> Iterator[Row]:
    for case in cases(bench):
        yield _row(case, _measure(bench, case))
    yield _node(bench)


def cases(bench: Bench) -> Iterator[Case]:
    materials = bench.materials
    yield Case("no layer", "none", beside=True)
    for layer in (materials.boto3, materials.numpy, materials.pandas):
        beside = layer is materials.pandas
        yield Case(layer.name, layer.name, (layer.name,), (layer,), (layer,), beside)
    folders = (materials.pandas, materials.boto3)
    imports = ("pandas", "numpy", "boto3")
    yield Case("pandas + numpy + boto3 in five layers", "five", imports, materials.five, folders)


def layers(bench: Bench) -> Iterator[Row]:
    """The same function, which imports nothing of them, with five layers and with none.

    A fork begins in what its zygote mounted, so the five are mounted only where nothing is preloaded.
    """
    if bench.servers is None:
        return
    what = "cold start, five layers attached and nothing of them imported"
    sides = _five_and_none(bench, bench.servers.usual)
    bar = more("five layers against none, more at p50", sides[LAMELLA], sides[WITHOUT], 1.0)
    yield Row(what, sides, (bar,))
    yield Row(f"{what}, nothing preloaded", _five_and_none(bench, bench.servers.plain))


def _five_and_none(bench: Bench, server: Lamella) -> dict[str, Side]:
    code = bench.code("trivial")
    bench.function(server, "trivial", code)
    bench.function(server, "trivial-five", code, bench.materials.five)
    bench.warm_up(server, "trivial")
    bench.warm_up(server, "trivial-five", bench.materials.five)
    rounds = bench.rounds.cold
    series = [
        Series(WITHOUT, _cold(bench, server, "trivial"), rounds),
        Series(LAMELLA, _cold(bench, server, "trivial-five"), rounds),
    ]
    return in_turns(series, rounds)


def _measure(bench: Bench, case: Case) -> dict[str, Side]:
    code = bench.code(case.name, case.text)
    rounds = bench.rounds
    program = rie.python(bench.materials, code, layers=case.folders)
    series = [Series(EMULATOR, partial(rie.cold, program), rounds.cold)]
    notes: dict[str, Side] = {}
    if case.layers:
        bare = rie.python(bench.materials, code, layers=case.folders, bytecode=False)
        series.append(Series(ABSENT, partial(rie.cold, bare), rounds.cold_other))
    with contextlib.ExitStack() as stack:
        if case.beside:
            boxed = podman.cold_starts(stack, bench.folder / "podman", program)
            local = offline.cold_starts(stack, bench.folder, code, program, rounds.cold_other)
            for name, found in ((PODMAN, boxed), (OFFLINE, local)):
                if isinstance(found, str):
                    notes[name] = Side(note=found)
                else:
                    series.append(Series(name, found, rounds.cold_other))
        rie.cold(program)  # its files are in the page cache from here on
        return {**in_turns([*series, *_ours(bench, case)], rounds.cold), **notes}


def _ours(bench: Bench, case: Case) -> Iterator[Series]:
    name, code = f"cold-{case.name}", bench.code(case.name, case.text)
    for side, server, rounds in _servers(bench):
        bench.function(server, name, code, case.layers)
        bench.warm_up(server, name, case.layers)
        yield Series(side, _cold(bench, server, name), rounds)


def _servers(bench: Bench) -> Iterator[tuple[str, Lamella, int]]:
    """Lamella's sides of a cold start, and how often each is measured."""
    if bench.servers is not None:
        yield PLAIN, bench.servers.plain, bench.rounds.cold_plain
        yield LAMELLA, bench.servers.usual, bench.rounds.cold


def _row(case: Case, sides: dict[str, Side]) -> Row:
    return Row(case.what, sides, _bars(case, sides), COLD)


def _bars(case: Case, sides: dict[str, Side]) -> tuple[Bar, ...]:
    if LAMELLA not in sides or case.name not in {"none", "pandas"}:
        return ()
    ours, plain, theirs = sides[LAMELLA], sides[PLAIN], sides[EMULATOR]
    if case.name == "none":
        what = "cold start without layers, nothing preloaded, of the emulator's p50"
        return (ratio(what, plain, theirs, 2.0),)
    return (
        Bar("cold start with pandas, p50", ours.median, 8.0, unit="ms"),
        ratio("cold start with pandas, of the emulator's p50", ours, theirs, 0.05),
        ratio("the same, nothing preloaded", plain, theirs, 1.2),
    )


def _node(bench: Bench) -> Row:
    """A function of Node.js without layers."""
    code = bench.node_code("node")
    rounds = bench.rounds
    series, notes = [], {}
    if isinstance(bench.materials.node_client, str):
        notes[EMULATOR] = Side(note=bench.materials.node_client)
    else:
        program = rie.node(bench.materials, code)
        rie.cold(program)
        series.append(Series(EMULATOR, partial(rie.cold, program), rounds.cold))
    runtime = bench.materials.node_runtime()
    if runtime is not None:
        for side, server, often in _servers(bench):
            bench.function(server, "cold-node", code, runtime=runtime)
            bench.warm_up(server, "cold-node", runtime=runtime)
            series.append(Series(side, _cold(bench, server, "cold-node"), often))
    sides = {**in_turns(series, rounds.cold), **notes}
    bars: tuple[Bar, ...] = ()
    if LAMELLA in sides:
        what = "cold start of Node.js, of the emulator's p50"
        bars = (ratio(what, sides[LAMELLA], sides[EMULATOR], 0.6),)
    return Row("Node.js, no layer", sides, bars, COLD)


def _cold(bench: Bench, server: Lamella, name: str) -> partial[float]:
    return partial(_numbered, bench, server, name)


def _numbered(bench: Bench, server: Lamella, name: str) -> float:
    return server.cold(name, next(bench.number))
