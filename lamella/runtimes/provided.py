"""Custom runtimes: which ``bootstrap`` an environment runs.

The function's own comes before one in a layer, and of several layers the last listed wins.
"""

from __future__ import annotations

import os
import platform
import struct
from collections.abc import Sequence
from pathlib import Path

from lamella.errors import LamellaError

INVALID_ENTRYPOINT = "Runtime.InvalidEntrypoint"
_MACHINES = {"x86_64": 62, "aarch64": 183}


class InvalidEntrypoint(LamellaError):
    """No program to start. ``message`` is what AWS says after ``RequestId: … Error: ``."""

    error_type = INVALID_ENTRYPOINT

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def find_bootstrap(task: Path, layers: Sequence[Path], runtime: Path | None = None) -> str:
    """The path in the box of the ``bootstrap`` to run.

    ``task`` is the function's unpacked code, ``layers`` the layers' in the order listed, and
    ``runtime`` what becomes ``/var/runtime``, if anything. Raises InvalidEntrypoint.
    """
    searched = [(task, "/var/task/bootstrap")]
    if runtime is not None:
        searched.insert(0, (runtime, "/var/runtime/bootstrap"))
    searched += [(layer, "/opt/bootstrap") for layer in reversed(layers)]
    for folder, place in searched:
        path = folder / "bootstrap"
        if path.is_symlink():
            # Where it leads is a question of the box's own root, not of the host's.
            return place
        if path.is_file():
            _check(path, place)
            return place
    raise InvalidEntrypoint(
        "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"
    )


def _check(path: Path, place: str) -> None:
    """Refuse what the kernel would refuse, in the words AWS passes on."""
    if not path.stat().st_mode & 0o111:
        raise InvalidEntrypoint(f"fork/exec {place}: permission denied")
    if not _executable_format(path):
        raise InvalidEntrypoint(f"fork/exec {place}: exec format error")


def _executable_format(path: Path) -> bool:
    if not os.access(path, os.R_OK):
        return True
    with path.open("rb") as file:
        head = file.read(20)
    if head.startswith(b"#!"):
        return True
    if not head.startswith(b"\x7fELF") or len(head) < 20:
        return False
    (machine,) = struct.unpack_from("<H", head, 18)
    return bool(machine == _MACHINES.get(platform.machine(), machine))
