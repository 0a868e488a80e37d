"""Signals: to the processes of a box, sent by the keeper (``first`` is the box's first process), and
those that a box's program begins with."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import NoReturn

from lamella.sandbox import syscalls

_OURS = (
    signal.SIGCHLD,
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGPIPE,
    signal.SIGTERM,
    signal.SIGXFSZ,
)
"""What the keeper, or Python itself, handles or ignores; a program would inherit what is ignored,
and a shell could not even trap it."""


def to_command(first: int, number: int) -> None:
    """Send a signal to the box's command. Its parent, bubblewrap's own process, ends with it."""
    with contextlib.suppress(OSError):
        children = Path(f"/proc/{first}/task/{first}/children").read_text()
        for child in children.split():
            os.kill(int(child), number)


def to_all(first: int, number: int) -> None:
    """Send a signal to every process of the box but its first, which runs nothing of a function.

    They get it in one moment: the kernel goes through the process namespace while nothing can
    fork, so nobody gets away by having children. Raises OSError if it cannot be sent.
    """
    space = os.open(f"/proc/{first}/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    try:
        child = os.fork()
        if child == 0:
            _from_within(space, number)
    finally:
        os.close(space)
    _, status = os.waitpid(child, 0)
    if status:
        raise OSError("signals could not be sent to the processes of a box")


def _from_within(space: int, number: int) -> NoReturn:
    """In a forked child: fork into the namespace, whose processes are then all there are."""
    status = 1
    try:
        syscalls.setns(space, syscalls.CLONE_NEWPID)
        sender = os.fork()
        if sender == 0:
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, number)
            os._exit(0)
        status = os.waitpid(sender, 0)[1] and 1
    finally:
        os._exit(status)


def restore() -> None:
    """In a child before it becomes the program: every signal does what programs expect of it.

    The child leaves the server's session first, so that a Ctrl-C in the server's terminal is not
    also the program's. Raises OSError.
    """
    os.setsid()
    for each in _OURS:
        signal.signal(each, signal.SIG_DFL)
