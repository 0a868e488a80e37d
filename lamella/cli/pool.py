"""``lamella pool``: environments by function, boxes kept ready and zygotes, as they are now."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from lamella.cli import endpoint as endpoints
from lamella.cli import output

SECONDS = 1.0
"""How often a table that is watched is made anew."""

Table = tuple[str, Sequence[str], Sequence[Sequence[str]]]
"""A title, heads, rows."""

_Set = Annotated[
    Optional[str],  # noqa: UP045
    typer.Argument(metavar="[SET]", help="Show all of this zygote.", show_default=False),
]
_Data = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(
        "--data",
        metavar="DIR",
        help="The server's data directory: who can read it sees every account.",
        show_default=False,
    ),
]


def pool(
    which: _Set = None,
    watch: Annotated[bool, typer.Option("--watch", help="Show it anew each second.")] = False,
    refused: Annotated[
        bool, typer.Option("--refused", help="Show which modules are not preloaded, and why.")
    ] = False,
    data: _Data = None,
    endpoint: endpoints.Endpoint = None,
    as_json: output.Json = False,
) -> None:
    """Show which environments there are and what is kept warm for the next ones.

    Of zygotes and environments you see those of the account of your keys, with --data those of all.

    \b
    Examples:
      lamella pool
      lamella pool --watch
      lamella pool --refused
      lamella pool 5f0c2a91 --json
    """
    ask = _asking(endpoint, data)

    def show() -> None:
        found = ask()
        if as_json:
            output.as_json(found if which is None else _named(found, which))
            return
        for table in _tables(found, which, refused=refused):
            output.table(*table)

    if not watch:
        show()
    elif as_json or not output.at_terminal():
        _repeat(show)
    else:
        _watch(lambda: _tables(ask(), which, refused=refused))


def _repeat(show: Callable[[], None]) -> None:
    """Until Ctrl-C, one after the other."""
    try:
        while True:
            show()
            print(flush=True)
            time.sleep(SECONDS)
    except KeyboardInterrupt:
        return


def _watch(tables: Callable[[], list[Table]]) -> None:
    """Until Ctrl-C, in its place on the terminal."""
    try:
        from rich.console import Group
        from rich.live import Live

        with Live(auto_refresh=False) as live:
            while True:
                live.update(Group(*(output.drawn(*table) for table in tables())), refresh=True)
                time.sleep(SECONDS)
    except KeyboardInterrupt:
        return


def _asking(endpoint: str | None, data: Path | None) -> Callable[[], dict[str, Any]]:
    """What asks the server: with the user's keys, or by a link that the data directory's key signs."""
    from lamella.api.pages import OPERATOR, POOL

    def ask() -> dict[str, Any]:
        path = POOL if data is None else f"{POOL}?{_link(data, OPERATOR)}"
        try:
            status, content = endpoints.page(endpoint, path, signed=data is None)
        except ConnectionError as error:
            output.fail(f"No server answers: {error}")
        return _read(endpoints.url(endpoint), status, content)

    return ask


def _link(data: Path, what: str) -> str:
    """The query of a link that this machine's operator may follow."""
    from lamella.api.links import KEY_BYTES, Links

    try:
        key = (data / "link.key").read_bytes()
    except OSError as error:
        output.fail(f"The data directory {data} cannot be read: {error.strerror}.")
    if len(key) != KEY_BYTES:
        output.fail(f"{data} is no data directory of a server.")
    return Links(key, time.time).url("", what).partition("?")[2]


def _read(base: str, status: int, content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        found = None
    if not isinstance(found, dict) or status != 200:
        said = found.get("Message") or found.get("message") if isinstance(found, dict) else None
        output.fail(f"{base} does not tell: {said or f'it answers {status}'}.")
    return found


def _named(found: dict[str, Any], which: str) -> dict[str, Any]:
    named = [
        each for each in (*found["zygotes"], *found["failures"]) if each["set"].startswith(which)
    ]
    if not named:
        output.fail(f"There is no zygote {which}; lamella pool lists them.")
    return dict(named[0])


def _tables(found: dict[str, Any], which: str | None, *, refused: bool) -> list[Table]:
    if which is not None:
        return list(_detail(_named(found, which)))
    if refused:
        return [_refused(found)]
    return [
        _environments(found),
        _ready(found),
        _zygotes(found),
        *([_snapshots(found)] if found["snapshots"] else []),
        *([_failures(found)] if found["failures"] else []),
        _starts(found),
    ]


def _environments(found: dict[str, Any]) -> Table:
    counts = ("idle", "busy", "starting", "provisioned")
    rows = [
        (each["function"], *(str(each[name]) for name in counts)) for each in found["environments"]
    ]
    memory = found["memory"]
    title = f"Environments ({output.size(memory['held'])} of {output.size(memory['limit'])})"
    return title, ("function", *counts), rows


def _ready(found: dict[str, Any]) -> Table:
    rows = [
        (each["program"], f"{each['memoryMb']} MB", str(each["waiting"]), str(each["making"]))
        for each in found["readyBoxes"]
    ]
    return "Boxes kept ready", ("program", "memory", "waiting", "being made"), rows


def _snapshots(found: dict[str, Any]) -> Table:
    rows = [
        (
            each["function"],
            output.size(each["memory"]),
            str(each["living"]),
            str(each["eggs"]),
            _span(each["ageSeconds"]),
            _span(each["unusedSeconds"]),
        )
        for each in found["snapshots"]
    ]
    memory = found["snapshotMemory"]
    title = f"Snapshots ({output.size(memory['held'])} of {output.size(memory['limit'])})"
    return title, ("function", "memory", "environments", "eggs", "age", "unused"), rows


def _zygotes(found: dict[str, Any]) -> Table:
    heads = ("set", "account", "region", "runtime", "layers", "fork of")
    more = ("memory", "modules", "refused", "forks", "eggs", "per 10 min", "saves", "age")
    rows = [
        (
            each["set"],
            each["account"],
            each["region"],
            each["interpreter"],
            _layers(each),
            each["forkOf"] or "-",
            output.size(each["memory"]),
            str(len(each["imported"])),
            str(len(each["refused"])),
            str(each["forks"]),
            f"{each['eggs']}/{each['eggsWanted']}",
            f"{each['rate']:.1f}",
            _ms(each["savedSeconds"]),
            _span(each["ageSeconds"]),
        )
        for each in found["zygotes"]
    ]
    memory = found["zygoteMemory"]
    title = f"Zygotes ({output.size(memory['held'])} of {output.size(memory['limit'])})"
    return title, (*heads, *more), rows


def _failures(found: dict[str, Any]) -> Table:
    rows = [
        (
            each["set"],
            each["account"],
            each["interpreter"],
            ", ".join(each["layers"]) or "-",
            each["reason"],
            str(each["count"]),
            f"in {_span(each['againSeconds'])}",
        )
        for each in found["failures"]
    ]
    heads = ("set", "account", "runtime", "layers", "reason", "times", "tried again")
    return "Sets without a zygote", heads, rows


def _starts(found: dict[str, Any]) -> Table:
    rows = [
        (way, str(each["count"]), _ms(each["seconds"] / each["count"]))
        for way, each in found["coldStarts"].items()
        if each["count"]
    ]
    rows += [(f"not forked: {why}", str(count), "-") for why, count in found["plainStarts"].items()]
    return "Cold starts since the server began", ("way", "count", "mean"), rows


def _refused(found: dict[str, Any]) -> Table:
    rows = [
        (each["set"], _layers(each), name, reason)
        for each in found["zygotes"]
        for name, reason in each["refused"].items()
    ]
    return "Modules that are not preloaded", ("set", "layers", "module", "reason"), rows


def _detail(each: dict[str, Any]) -> Iterator[Table]:
    """All of one zygote, or of a set that has none."""
    lists = ("imported", "refused")
    rows = [
        (name, ", ".join(value) if isinstance(value, list) else str(value))
        for name, value in each.items()
        if name not in lists
    ]
    yield f"Set {each['set']}", ("what", "value"), rows
    if "imported" in each:
        yield "Modules preloaded", ("module",), [(name,) for name in each["imported"]]
        refused = list(each["refused"].items())
        yield "Modules that are not preloaded", ("module", "reason"), refused


def _layers(each: dict[str, Any]) -> str:
    """``pandas:3, shared:1``."""
    return ", ".join(":".join(arn.split(":")[-2:]) for arn in each["layers"]) or "-"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def _span(seconds: float) -> str:
    """``90 s``, ``15 min``, ``3 h``."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7_200 else f"{seconds / 3_600:.0f} h"
