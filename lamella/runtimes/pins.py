"""Which interpreters were chosen by hand, kept in the data directory as ``runtimes.json``.

A JSON object of AWS runtime names and absolute paths. Whether a path is an interpreter of its
runtime is `lamella.runtimes.catalog`'s to say.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from lamella.errors import HostError

FILE = "runtimes.json"


def load(data: Path) -> dict[str, Path]:
    """The pins of a data directory; none where there is no file. Raises HostError."""
    file = data / FILE
    try:
        read = json.loads(file.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise HostError(f"The pinned runtimes in {file} cannot be read: {error}") from error
    if not isinstance(read, dict) or not all(
        isinstance(path, str) and Path(path).is_absolute() for path in read.values()
    ):
        raise HostError(
            f"The pinned runtimes in {file} cannot be read: it is not an object of runtimes and "
            "absolute paths."
        )
    return {runtime: Path(path) for runtime, path in read.items()}


def save(data: Path, pins: Mapping[str, Path]) -> None:
    """Keep ``pins`` in a data directory, which is made if it is not there. Raises HostError."""
    file = data / FILE
    fresh = file.with_name(f"{FILE}.{os.getpid()}.new")
    text = json.dumps({runtime: str(path) for runtime, path in sorted(pins.items())}, indent=2)
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        with fresh.open("w") as written:
            written.write(text + "\n")
            written.flush()
            os.fsync(written.fileno())
        fresh.replace(file)
        folder = os.open(data, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise HostError(f"{file} cannot be written: {error.strerror or error}") from error
