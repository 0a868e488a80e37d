"""``lamella demo``: a server of its own, the story told against it, and nothing left behind."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lamella.cli import output, own_server, tidy

if TYPE_CHECKING:
    from lamella.cli.story import Language


@tidy.end()
def demo() -> None:
    """Start a server, live through a layer's life in Python and Node.js, and clean up.

    Publishes, attaches, invokes, publishes version 2, moves, rolls back and deletes, by boto3,
    and says how long each step took. The server and its data are gone afterwards.

    \b
    Example:
      lamella demo
    """
    from botocore.exceptions import BotoCoreError, ClientError

    from lamella.cli import story

    began = time.perf_counter()
    languages = _languages()
    with tempfile.TemporaryFile() as log:
        try:
            with own_server.running(log) as endpoint:
                print(f"A server is ready at {endpoint}; the client is boto3.", flush=True)
                story.tell(own_server.client(endpoint), languages, _step)
        except (story.WentWrong, own_server.NotReady, ClientError, BotoCoreError) as error:
            tail = own_server.tail(log)
            output.fail(f"\nThe demo failed: {error}\nThe server's log:\n{tail}")
    print(f"Done in {time.perf_counter() - began:.1f} s; the server and its data are gone.")
    print("Next: lamella serve")


def _languages() -> tuple[Language, ...]:
    """What this host can run, Python first. Says what is left out and why."""
    from lamella.cli import story
    from lamella.runtimes.catalog import Catalog

    rows = [row for row in Catalog.discover().rows() if row.available]
    pythons = [row.runtime for row in rows if row.runtime.startswith("python")]
    # A remark says that another version stands in; one of its own is the better story.
    nodes = sorted(
        (row for row in rows if row.runtime.startswith("nodejs")), key=lambda row: bool(row.remark)
    )
    if not pythons:
        output.fail("No Python that functions can run on was found. lamella doctor says more.")
    own = f"python3.{sys.version_info.minor}"
    told = [story.python(own if own in pythons else pythons[-1])]
    if nodes:
        told.append(story.nodejs(nodes[0].runtime))
    else:
        print("Node.js is not installed here, so its half is left out (lamella doctor says more).")
    return tuple(told)


@contextlib.contextmanager
def _step(title: str) -> Iterator[None]:
    began = time.perf_counter()
    try:
        yield
    except BaseException:
        _say("failed", title, began)
        raise
    _say("ok", title, began)


def _say(mark: str, title: str, began: float) -> None:
    took = f"{(time.perf_counter() - began) * 1000:7.1f} ms"
    if not output.at_terminal():
        print(f"{took}  {mark:<6}  {title}", flush=True)
        return
    from rich.console import Console
    from rich.text import Text

    colour = "green" if mark == "ok" else "red"
    Console().print(Text(took, style="cyan"), Text(f" {mark:<6} ", style=colour), Text(title))
