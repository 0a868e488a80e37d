"""The functions of the soak: what each runs, and how it is asked for what.

The soak is a server under a mixed load for a long time, and whether anything grows, is lost or is left.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from tests.e2e.server import Cloud, zipped
from tests.e2e.shell import shell_function
from tests.e2e.streaming import custom
from tests.e2e.test_extensions import layer as layer_with_extension

PYTHON = """
import ctypes, os, time

def handler(event, context):
    if not isinstance(event, dict):
        return event
    what = event.get("do")
    if what == "error":
        raise ValueError("asked for")
    if what == "exit":
        os._exit(3)
    if what == "segfault":
        ctypes.string_at(0)
    if what == "memory":
        held = [bytearray(b"x" * 1_048_576) for _ in range(4_096)]
    if what == "sleep":
        time.sleep(event["seconds"])
    if what == "print":
        print("line\\n" * event["lines"])
    if what == "answer":
        return "x" * event["bytes"]
    return event
"""
NODE = "exports.handler = async (event) => event;\n"
READER = """
import os

def handler(event, context):
    word = open("/opt/word").read() if os.path.exists("/opt/word") else None
    return [word, os.environ.get("WORD"), context.function_version]
"""


@dataclass(frozen=True, slots=True)
class Functions:
    """Names of the functions that all workers share. ``echoes`` answer with their event."""

    python: str
    echoes: tuple[str, ...]
    streaming: str
    extended: str
    short: str
    asynchronous: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        names = (self.python, *self.echoes, self.streaming, self.extended, self.short)
        return tuple(dict.fromkeys((*names, *self.asynchronous)))


def create(cloud: Cloud) -> Functions:
    """Every shared function; ``short`` has a timeout of a second and 128 MB."""
    python = cloud.function(PYTHON, name="soak-python", MemorySize=512)
    echoes = [python]
    if shutil.which("bash"):
        echoes.append(shell_function(cloud, "soak-shell"))
    if shutil.which("node"):
        echoes.append(
            cloud.function(
                NODE,
                name="soak-node",
                runtime="nodejs20.x",
                handler="index.handler",
                file="index.js",
            )
        )
    extended = cloud.function(
        PYTHON, name="soak-extended", layers=[layer_with_extension(cloud, "soaker")]
    )
    return Functions(
        python=python,
        echoes=tuple(echoes),
        streaming=custom(cloud),
        extended=extended,
        short=cloud.function(PYTHON, name="soak-short", Timeout=1, MemorySize=128),
        asynchronous=(python, cloud.function(PYTHON, name="soak-async")),
    )


def word(text: str) -> bytes:
    """A layer that brings a word, for `READER`."""
    return zipped({"word": text, "python/extra.py": f"WORD = {text!r}\n"})
