"""A command that is told to end cleans up first, whenever that comes.

Told to end is SIGTERM and SIGHUP; an interrupt from the keyboard does so by itself.
"""

from __future__ import annotations

import contextlib
import signal
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def end() -> Iterator[None]:
    """What the block began is ended, and its temporary files are gone, also when it is told to end.

    They lie in one folder, as a signal may come when one was made and nobody knows of it yet.
    A second signal does not cut the cleaning short. Raises SystemExit, as a shell tells a signal.
    """
    told: int | None = None
    listening = False

    def hear(number: int, _: object) -> None:
        nonlocal told, listening
        told, first = told or number, listening
        listening = False
        if first:
            raise SystemExit(128 + number)

    before = {each: signal.signal(each, hear) for each in (signal.SIGTERM, signal.SIGHUP)}
    usual = tempfile.tempdir
    try:
        with tempfile.TemporaryDirectory(prefix="lamella-") as folder:
            tempfile.tempdir = folder
            try:
                listening = True
                if told is None:
                    yield
            finally:
                listening = False
                tempfile.tempdir = usual
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        # What was cut short may have failed in a way of its own: the signal is the reason.
        if told is not None:
            raise SystemExit(128 + told)
