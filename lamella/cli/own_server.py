"""A server of a command's own: started for it, on a free port, and gone with all it kept.

What is done with it is the commands' affair: `lamella.cli.demo`, `lamella.cli.profile`.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import IO, Any

from lamella.config import SETTINGS

READY_SECONDS = 30.0
STOP_SECONDS = 60.0
"""Everything that it kept has to be removed by then, on a busy machine too."""
LOG_BYTES = 8_000


class NotReady(Exception):
    """The server did not begin to serve; the message says what it said instead."""


@contextlib.contextmanager
def running(log: IO[bytes], settings: Mapping[str, str] | None = None) -> Iterator[str]:
    """``lamella serve --ephemeral`` as a child that logs into ``log``; yields its endpoint.

    ``settings`` are environment variables; those of a server that the user runs do not count.
    For a signal to end it too, call it in `lamella.cli.tidy.end`.
    Raises NotReady.
    """
    ours = {each.variable for each in SETTINGS}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    command = [sys.executable, "-m", "lamella", "serve", "--port", "0", "--ephemeral"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=log, env={**kept, **(settings or {})}
    )
    try:
        assert process.stdout is not None
        with process.stdout:
            yield _endpoint(process.stdout)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _endpoint(said: IO[bytes]) -> str:
    readable, _, _ = select.select([said], [], [], READY_SECONDS)
    line = said.readline().decode() if readable else ""
    found = re.search(r"https?://\S+", line)
    if found is None:
        raise NotReady(f"the server did not get ready: {line!r}")
    return found[0]


def client(endpoint: str) -> Any:
    """boto3's Lambda client for such a server: it tries nothing twice, and waits long."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "lambda",
        endpoint_url=endpoint,
        region_name="eu-west-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 0}, read_timeout=910),
    )


def tail(log: IO[bytes]) -> str:
    """The end of what the server has logged."""
    log.seek(0)
    return log.read()[-LOG_BYTES:].decode(errors="replace")
