"""Signals: to the processes of a box, sent by the keeper (``first`` is the box's first process), and
those that a box's program begins with."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, NoReturn

from lamella.sandbox import syscalls

SEND_SECONDS = 1.0
"""How long it may take to send a signal to all of a box: a millisecond or two is usual."""
TRIES = 3
"""Who sends may be killed with the box, or by it."""
GONE = 3
"""What the child that sends one exits with where the box has ended."""

_FIXED = (signal.SIGKILL, signal.SIGSTOP)
"""What no program can set."""


def to_command(first: int, number: int) -> None:
    """Send a signal to the box's command. Its parent, bubblewrap's own process, ends with it."""
    with contextlib.suppress(OSError):
        children = Path(f"/proc/{first}/task/{first}/children").read_text()
        for child in children.split():
            os.kill(int(child), number)


class Sending(NamedTuple):
    """A signal for every process of a box but its ``first``, which runs nothing of a function.

    ``done`` is told once that it was sent, or what went wrong.
    """

    box: str
    first: int
    number: int
    done: Callable[[str | None], None]


class Outbox:
    """Sends SIGSTOP and SIGCONT to all of a box. Nobody waits for it: who sends is in the box's
    process namespace for a moment, where a box of the server's own user may stop it.

    Of one box the signals take effect in order; of those that wait for another the last counts.
    """

    def __init__(self) -> None:
        self._busy: dict[str, int] = {}
        self._next: dict[str, Sending] = {}
        self._children: dict[int, tuple[Sending, float]] = {}

    def add(self, sending: Sending) -> None:
        """Send, at once or when what is being sent to the same box has been."""
        if sending.box in self._busy:
            replaced = self._next.get(sending.box)
            self._next[sending.box] = sending
            if replaced is not None:
                replaced.done(None)
            return
        try:
            child = _begin(sending.first, sending.number)
        except FileNotFoundError:
            sending.done(None)  # the box has ended
        except OSError as error:
            sending.done(None if _is_ending(sending.first) else str(error))
        else:
            self._busy[sending.box] = child
            self._children[child] = sending, time.monotonic() + SEND_SECONDS

    def ended(self, child: int, status: int) -> bool:
        """A child of this process has ended; whether it was one that sent a signal."""
        if child not in self._children:
            return False
        sending, _ = self._children.pop(child)
        del self._busy[sending.box]
        good = status == 0 or os.waitstatus_to_exitcode(status) == GONE
        sending.done(None if good else "signals could not be sent to the processes of a box")
        following = self._next.pop(sending.box, None)
        if following is not None:
            self.add(following)
        return True

    def forget(self, box: str) -> None:
        """A box has ended: nothing is sent to it any more."""
        waiting = self._next.pop(box, None)
        if waiting is not None:
            waiting.done(None)

    @property
    def children(self) -> set[int]:
        """The processes that are sending now."""
        return set(self._children)

    @property
    def until(self) -> float:
        """When the first that is being sent has taken too long."""
        return min((until for _, until in self._children.values()), default=math.inf)

    def end_late(self) -> None:
        """End what has taken too long; `ended` hears of it."""
        now = time.monotonic()
        for child, (sending, until) in self._children.items():
            if until < now:
                self._children[child] = sending, math.inf
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)


def _begin(first: int, number: int) -> int:
    """Fork a child that sends a signal to every process beside ``first``; its number.

    They get it in one moment: the kernel goes through the process namespace while nothing can
    fork, so nobody gets away by having children. Raises OSError, FileNotFoundError if ``first``
    has ended.
    """
    space = os.open(f"/proc/{first}/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    try:
        child = os.fork()
        if child == 0:
            _from_within(space, number)
    finally:
        os.close(space)
    return child


def _is_ending(first: int) -> bool:
    """Whether a process has given up its memory already: nobody may look at its namespaces then,
    where it had shut others out."""
    try:
        sizes = Path(f"/proc/{first}/statm").read_text().split()
    except OSError:
        return True
    return sizes[0] == "0"


def _from_within(space: int, number: int) -> NoReturn:
    """In a forked child: fork into the namespace, whose processes are then all there are."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        syscalls.setns(space, syscalls.CLONE_NEWPID)
        theirs, ours = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        for _ in range(TRIES):
            sender = _forked()
            if sender == 0:
                os.close(ours)
                _send(number, theirs)
            status = GONE if sender is None else os.waitpid(sender, 0)[1] and 1
            if status != 1:
                break
    finally:
        os._exit(status)


def _send(number: int, parent: int) -> NoReturn:
    """Among the processes of the box: send the signal, unless the parent has ended, at whose end
    ``parent`` can be read to its end.

    The box may stop who sends at any moment, and let it go on when it is late.
    """
    syscalls.die_with_parent(signal.SIGKILL)
    try:
        os.read(parent, 1)
    except BlockingIOError:
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, number)
    os._exit(0)


def _forked() -> int | None:
    """`os.fork` into a namespace; None where its first process has ended: no other can begin."""
    try:
        return os.fork()
    except OSError as error:
        if error.errno == errno.ENOMEM:
            return None
        raise


def restore() -> None:
    """In a child before it becomes the program: every signal does what programs expect of it.

    A program would inherit what is blocked or ignored, by the keeper, by Python or by who started
    the server (a shell's background job ignores SIGINT and SIGQUIT), and a shell could not even trap
    it. The child leaves the server's session first, so that a Ctrl-C in the server's terminal is not
    also the program's. Raises OSError.
    """
    os.setsid()
    every = signal.valid_signals()
    for each in every.difference(_FIXED):
        signal.signal(each, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, every)
