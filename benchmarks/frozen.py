"""What freezing costs, and an extension: Lamella beside itself without the one or the other."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Iterator
from functools import partial

from benchmarks.bench import Bench, zipped
from benchmarks.client import Connection, invocation
from benchmarks.lamella import Lamella, lamella
from benchmarks.rows import LAMELLA, Row, Side, ratio

NEVER = "Lamella, --freeze-after off"
PAUSE = 0.2
"""Twice the time after which an idle environment is frozen."""
EXTENSION = r"""#!/bin/bash
api=${AWS_LAMBDA_RUNTIME_API/:/\/}
call() { # METHOD PATH HEADERS BODY; $said is the answer's identifier
  exec 5<>/dev/tcp/$api
  printf '%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%sContent-Length: %d\r\n\r\n%s' \
    "$1" "/2020-01-01/extension/$2" "$3" "${#4}" "$4" >&5
  while IFS= read -r -u5 line; do
    case $line in Lambda-Extension-Identifier:*) said=${line#*: } said=${said%$'\r'} ;; esac
  done
  exec 5<&-
}
call POST register $'Lambda-Extension-Name: shell\r\n' '{"events":["INVOKE"]}'
me=$said
while true; do call GET event/next "Lambda-Extension-Identifier: $me"$'\r\n' ''; done
"""
"""Asks for one event after the other, by nothing but what is built into bash."""


def frozen(bench: Bench) -> Iterator[Row]:
    """Warm invocations where freezing is off and on, close together and after a pause.

    Those that are close together come before anything is frozen: they say what watching costs.
    Those after a pause find their environment frozen.
    """
    if bench.servers is None:
        return
    code = bench.code("frozen")
    with lamella(bench.folder / "running-on", options=("--freeze-after", "off")) as running:
        sides = (running, bench.servers.usual)
        for server in sides:
            bench.function(server, "frozen", code)
        close = [list[float]() for _ in sides]
        apart = [list[float]() for _ in sides]
        turns = [
            partial(_close, *each, bench.rounds.block) for each in zip(sides, close, strict=True)
        ]
        pauses = [partial(_apart, *each) for each in zip(sides, apart, strict=True)]
        bench.turns(1, *turns, *pauses)
        for each in (*close, *apart):
            each.clear()
        bench.turns(bench.rounds.warm, *turns)
        bench.turns(bench.rounds.apart, *pauses)
    without, ours = (Side(times) for times in close)
    bar = ratio("warm with freezing, without a pause, of the p50 without it", ours, without, 1.1)
    what = "warm, freezing off and on, without a pause"
    yield Row(what, {NEVER: without, LAMELLA: ours}, (bar,))
    without, ours = (Side(times) for times in apart)
    yield Row(f"an invocation {PAUSE:g} s after the last", {NEVER: without, LAMELLA: ours})


def extension(bench: Bench) -> Iterator[Row]:
    """Warm invocations of a function without and with an external extension, in shell."""
    if bench.servers is None:
        return
    server = bench.servers.usual
    code = bench.code("extended")
    archive = bench.folder / "extension.zip"
    archive.write_bytes(_archive("extensions/shell", EXTENSION))
    bench.function(server, "alone", code)
    server.function("extended", zipped(code), [server.publish("extension", archive)])
    alone: list[float] = []
    extended: list[float] = []
    turns = (
        partial(_close, server, alone, bench.rounds.block, "alone"),
        partial(_close, server, extended, bench.rounds.block, "extended"),
    )
    bench.turns(1, *turns)
    alone.clear()
    extended.clear()
    bench.turns(bench.rounds.warm, *turns)
    sides = {"Lamella, without it": Side(alone), LAMELLA: Side(extended)}
    yield Row("warm, with an external extension", sides)


def _close(server: Lamella, into: list[float], size: int, function: str = "frozen") -> None:
    """Invocations that follow each other at once."""
    with Connection(server.port) as connection:
        connection.timed(invocation(function))
        into += [connection.timed(invocation(function)) for _ in range(size)]


def _apart(server: Lamella, into: list[float]) -> None:
    """One invocation after a pause in which nothing was asked of the server."""
    with Connection(server.port) as connection:
        connection.timed(invocation("frozen"))
        time.sleep(PAUSE)
        into.append(connection.timed(invocation("frozen")))


def _archive(name: str, text: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = 0o100755 << 16
        archive.writestr(info, text)
    return buffer.getvalue()
