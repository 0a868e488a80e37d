"""``lamella runtimes …``: which interpreter runs which runtime, and choosing one by hand."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lamella.cli import accounts, output
from lamella.config import default_data

if TYPE_CHECKING:
    from lamella.runtimes.catalog import Row

app = typer.Typer(help="Show and pin the interpreters of runtimes.", no_args_is_help=False)

_Runtime = Annotated[
    str, typer.Argument(metavar="RUNTIME", help="AWS's name of a runtime, for example ruby3.3.")
]


@app.callback(invoke_without_command=True)
def listed(
    context: typer.Context, data: accounts.Data = None, as_json: output.Json = False
) -> None:
    """Show which interpreter runs each runtime; pin and unpin choose it by hand.

    \b
    Examples:
      lamella runtimes
      lamella runtimes --json
    """
    if context.invoked_subcommand is not None:
        return
    from lamella.runtimes import pins
    from lamella.runtimes.catalog import Catalog

    with _told():
        rows = Catalog.discover(pins=pins.load(_folder(data))).rows()
    if as_json:
        output.as_json([_shown(row) for row in rows])
        return
    heads = ("runtime", "version", "interpreter", "", "remark")
    output.table("Runtimes", heads, map(_row, rows))


@app.command("pin")
def pin(
    runtime: _Runtime,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The interpreter's program.")],
    data: accounts.Data = None,
    as_json: output.Json = False,
) -> None:
    """Have a runtime run on this interpreter alone. A server takes it when it starts.

    \b
    Example:
      lamella runtimes pin ruby3.3 ~/.rbenv/versions/3.3.5/bin/ruby
    """
    from lamella.runtimes import catalog, pins

    with _told():
        path = path.expanduser().absolute()
        found = catalog.identify(runtime, path)
        folder = _folder(data)
        pins.save(folder, {**pins.load(folder), runtime: path})
    if as_json:
        output.as_json({"runtime": runtime, "interpreter": str(path), "version": found.version})
        return
    print(f"{runtime} runs on {path} (version {found.version}) from the server's next start on")


@app.command("unpin")
def unpin(runtime: _Runtime, data: accounts.Data = None, as_json: output.Json = False) -> None:
    """Have a runtime run on what the host has for it again. A server takes it when it starts.

    \b
    Example:
      lamella runtimes unpin ruby3.3
    """
    from lamella.runtimes import pins

    with _told():
        folder = _folder(data)
        kept = pins.load(folder)
        if runtime not in kept:
            output.fail(f"{runtime} is not pinned.", output.MISUSED)
        path = kept.pop(runtime)
        pins.save(folder, kept)
    if as_json:
        output.as_json({"runtime": runtime, "interpreter": str(path)})
        return
    print(f"{runtime} is not pinned to {path} any more, from the server's next start on")


def _folder(data: Path | None) -> Path:
    return data or default_data(os.environ, os.getuid())


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What cannot be ends the command, with its reasons."""
    from lamella.errors import HostError

    try:
        yield
    except HostError as error:
        output.fail(str(error))


def _shown(row: Row) -> dict[str, Any]:
    return {
        "runtime": row.runtime,
        "available": row.available,
        "version": row.version or None,
        "interpreter": row.interpreter or None,
        "pinned": row.pinned,
        "remark": row.remark,
    }


def _row(row: Row) -> tuple[str, ...]:
    return (
        row.runtime,
        row.version or "-",
        row.interpreter or "-",
        "pinned" if row.pinned else "",
        row.remark,
    )
