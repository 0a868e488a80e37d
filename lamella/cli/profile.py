"""What the commands that measure share: a server of their own, how faults are told, the files."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from lamella.cli import output, own_server, progress

if TYPE_CHECKING:
    from lamella.toolchain.profile.laboratory import Laboratory
    from lamella.toolchain.profile.trace import Spent

Html = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(
        "--html",
        metavar="FILE",
        help="Write a flame chart to look at in a browser; it needs no network.",
        show_default=False,
    ),
]

LONGEST = 10
"""Modules that are listed by name."""


@contextlib.contextmanager
def laboratory(
    title: str, settings: Mapping[str, str]
) -> Iterator[tuple[Laboratory, Callable[[str], None]]]:
    """A place to measure in, and what is told each step; what goes wrong ends the command."""
    from botocore.exceptions import BotoCoreError, ClientError

    from lamella.errors import ApiError, HostError
    from lamella.toolchain.profile import bucket
    from lamella.toolchain.profile.laboratory import Laboratory, WentWrong
    from lamella.toolchain.profile.trace import NotMeasured

    with tempfile.TemporaryFile() as log, progress.shown(title) as say:
        try:
            say("start a server")
            with bucket.serving() as large:
                more = {**settings, "LAMELLA_S3_ENDPOINT": large.endpoint}
                with own_server.running(log, more) as endpoint:
                    yield Laboratory(own_server.client(endpoint), large), say
        except (WentWrong, NotMeasured, ApiError, HostError) as error:
            output.fail(printable(f"{title}: {error}"))
        except (own_server.NotReady, ClientError, BotoCoreError) as error:
            tail = own_server.tail(log)
            output.fail(printable(f"{title}: {error}\nThe server's log:\n{tail}"))


def available(runtime: str) -> None:
    """End the command, with the mend, if this host cannot run ``runtime``."""
    from lamella.errors import RuntimeMissing
    from lamella.runtimes.catalog import Catalog

    try:
        Catalog.discover().find(runtime)
    except RuntimeMissing as missing:
        output.fail(str(missing))


def printable(text: str) -> str:
    """Foreign text of several lines, without what a terminal would obey."""
    return "".join(char if char.isprintable() or char == "\n" else " " for char in text)


def checked(html: Path | None) -> None:
    """End the command, before it takes its time, where the chart could not be written."""
    if html is None:
        return
    if html.is_dir():
        output.fail(f"{html} cannot be written: it is a folder.", output.MISUSED)
    if not os.access(html if html.exists() else html.parent, os.W_OK):
        output.fail(f"{html} cannot be written.", output.MISUSED)


def written(html: Path | None, page: Callable[[], str]) -> None:
    """Write the chart, if one was asked for; a file that cannot be written ends the command."""
    if html is None:
        return
    try:
        html.write_text(page(), encoding="utf-8")
    except OSError as error:
        output.fail(f"{html} cannot be written: {error.strerror or error}")


def modules(each: Sequence[Spent]) -> None:
    """The modules that took longest by themselves."""
    longest = sorted(each, key=lambda one: -one.own)[:LONGEST]
    rows = [(one.name, ms(one.own), one.owner) for one in longest]
    if rows:
        output.table("Modules that took longest themselves", ("Module", "Time", "Owner"), rows)


def told(each: Sequence[Spent]) -> list[dict[str, Any]]:
    """Imports as JSON has them, in the order in which they began."""
    return [
        {
            "name": one.name,
            "owner": one.owner,
            "ms": round(one.took, 3),
            "selfMs": round(one.own, 3),
        }
        for one in each
    ]


def parts(owners: Mapping[str, float]) -> str:
    """``layer 12.3 ms, standard library 4.5 ms``."""
    return ", ".join(f"{name} {ms(took)}" for name, took in owners.items() if took >= 0.05)


def ms(took: float) -> str:
    return f"{took:.1f} ms"
