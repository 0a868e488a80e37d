"""``lamella demo``: a server of its own, the story told against it, and nothing left behind."""

from __future__ import annotations

import contextlib
import re
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

from lamella.cli import output

if TYPE_CHECKING:
    from lamella.cli.story import Language

READY_SECONDS = 30.0
STOP_SECONDS = 10.0


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
            with _server(log) as endpoint:
                print(f"A server is ready at {endpoint}; the client is boto3.", flush=True)
                story.tell(_client(endpoint), languages, _step)
        except (story.WentWrong, ClientError, BotoCoreError) as error:
            log.seek(0)
            tail = log.read()[-8000:].decode(errors="replace")
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
def _server(log: IO[bytes]) -> Iterator[str]:
    """``lamella serve --ephemeral`` as a child; yields its endpoint."""
    command = [sys.executable, "-m", "lamella", "serve", "--port", "0", "--ephemeral"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
    try:
        assert process.stdout is not None
        yield _endpoint(process.stdout)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _endpoint(said: IO[bytes]) -> str:
    from lamella.cli.story import WentWrong

    readable, _, _ = select.select([said], [], [], READY_SECONDS)
    line = said.readline().decode() if readable else ""
    found = re.search(r"https?://\S+", line)
    if found is None:
        raise WentWrong(f"the server did not get ready: {line!r}")
    return found[0]


def _client(endpoint: str) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.client(
        "lambda",
        endpoint_url=endpoint,
        region_name="eu-west-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 0}),
    )


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
