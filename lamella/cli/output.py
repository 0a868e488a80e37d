"""How commands speak: JSON when asked, a table at a terminal, plain lines anywhere else."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from rich.table import Table

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs to read.")]

FAILED = 1
MISUSED = 2


def as_json(value: Any) -> None:
    print(json.dumps(value, indent=2))


def at_terminal() -> bool:
    return sys.stdout.isatty()


def fail(message: str, code: int = FAILED) -> NoReturn:
    """Say what went wrong, on the standard error, and end with ``code``."""
    print(message, file=sys.stderr)
    raise typer.Exit(code)


def size(count: int) -> str:
    """``count`` bytes as a person reads it, for example ``1.5 MB`` (1 MB is 2**20 bytes)."""
    amount = float(count)
    for unit in ("B", "KB", "MB"):
        if amount < 1024:
            return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GB"


def table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table at a terminal; elsewhere a title and lines whose cells are parted by tabs."""
    if not at_terminal():
        print(f"# {title}")
        for row in rows:
            print("\t".join(row))
        return
    from rich.console import Console

    Console().print(drawn(title, heads, rows), markup=False)


def drawn(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table for a terminal; what is in it is shown as it is, without markup."""
    from rich.table import Table
    from rich.text import Text

    made = Table(*heads, title=Text(title), title_justify="left", box=None, pad_edge=False)
    for row in rows:
        made.add_row(*map(Text, row))
    return made
