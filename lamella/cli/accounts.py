"""What commands beside a server share: the data directory, and how faults are told."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from lamella.cli import output
from lamella.config import PREFIX, default_data

if TYPE_CHECKING:
    from lamella.records.base import Records

Data = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(
        "--data",
        metavar="DIR",
        envvar=f"{PREFIX}DATA",
        help="The server's data directory; by default the one that lamella serve takes.",
        show_default=False,
    ),
]


@contextlib.contextmanager
def opened(data: Path | None) -> Iterator[Records]:
    """The records of the data directory; what cannot be ends the command, with its reasons."""
    from lamella.errors import HostError, Refused
    from lamella.wiring.accounts import account_records

    try:
        with account_records(data or default_data(os.environ, os.getuid())) as records:
            yield records
    except Refused as refused:
        output.fail(str(refused), output.MISUSED)
    except HostError as error:
        output.fail(str(error))
