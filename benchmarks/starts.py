"""The first invocation after the start of a server that knows its functions already."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks import emulator as rie
from benchmarks.bench import Bench, Series, in_turns
from benchmarks.client import Connection, invocation
from benchmarks.lamella import lamella
from benchmarks.rows import EMULATOR, LAMELLA, Row


def first(bench: Bench) -> Iterator[Row]:
    """From the call to its answer; the start of the server is not counted, nor the emulator's."""
    if bench.servers is None:
        return
    pandas, rounds = bench.materials.pandas, bench.rounds.starts
    folder = bench.folder / "started"
    whats = (("no layer", "", ()), ("pandas", "import pandas\n", (pandas,)))
    with lamella(folder) as server:
        for what, imports, layers in whats:
            name = _name(what)
            bench.function(server, name, bench.code(name, imports), layers)
            bench.warm_up(server, name, layers)
    for what, imports, layers in whats:
        name = _name(what)
        program = rie.python(bench.materials, bench.code(name, imports), layers=layers)
        series = [
            Series(EMULATOR, partial(rie.cold, program), rounds),
            Series(LAMELLA, partial(_first, folder, name), rounds),
        ]
        yield Row(f"first call after the server's start, {what}", in_turns(series, rounds))


def _name(what: str) -> str:
    return f"first-{what.replace(' ', '-')}"


def _first(folder: Path, name: str) -> float:
    with lamella(folder) as server, Connection(server.port) as connection:
        return connection.timed(invocation(name))
