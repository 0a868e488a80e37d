"""Stops everything that runs in a box, and lets it go on: by its control group, or by signals.

The freezer of control groups (version 2) cannot be noticed by who is frozen, and nobody gets
away. Where the server may not write one, SIGSTOP and SIGCONT do nearly the same. The freezer of
version 1 is not used: what it has frozen does not die of SIGKILL, and so would outlive a server
that was killed.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from typing import Protocol
from weakref import WeakValueDictionary

from lamella.errors import SandboxFailed
from lamella.sandbox.cgroup import Group, Hierarchy
from lamella.sandbox.spawn import Spawner

WAKE_SECONDS = 0.2
PAUSE_SECONDS = 0.002
"""How long threads may take to wake up before nobody waits for them, and how often they are looked
at: they take microseconds, unless every processor is busy."""

log = logging.getLogger(__name__)


class Freezer(Protocol):
    """Both calls return at once; of one box they take effect in the order made."""

    def freeze(self, group: Group, box: str) -> None:
        """Stop every process in ``box``, which is in ``group``.

        It can be killed; that it has ended is known only once it is thawed, because bubblewrap's
        own process, which tells, is frozen too.
        """

    def thaw(self, group: Group, box: str) -> None:
        """Let them go on; nothing happens to a box that is not frozen."""

    async def settled(self, box: str) -> None:
        """Wait until what was begun for ``box`` has taken effect."""


def choose(hierarchy: Hierarchy, spawner: Spawner) -> Freezer:
    """The best way to freeze that this host allows."""
    return GroupFreezer() if hierarchy.freezer else SignalFreezer(spawner)


class GroupFreezer:
    """Freezes by the box's control group."""

    def __init__(self) -> None:
        self._thawed: WeakValueDictionary[str, Group] = WeakValueDictionary()

    def freeze(self, group: Group, box: str) -> None:
        self._thawed.pop(box, None)
        group.set_frozen(True)

    def thaw(self, group: Group, box: str) -> None:
        self._thawed[box] = group
        group.set_frozen(False)

    async def settled(self, box: str) -> None:
        """A signal for a process goes to another thread than the first where that still wakes up,
        and Python and others would learn of it late."""
        group = self._thawed.pop(box, None)
        until = time.monotonic() + WAKE_SECONDS
        while group is not None and group.is_waking() and time.monotonic() < until:
            await asyncio.sleep(PAUSE_SECONDS)


class SignalFreezer:
    """Freezes by signals, which the keeper sends.

    Processes see that they were stopped if they look: a handler of SIGCONT runs, and what a
    function itself had stopped goes on with the rest.
    """

    def __init__(self, spawner: Spawner) -> None:
        self._spawner = spawner
        self._sending: dict[asyncio.Task[None], str] = {}
        self._has_failed = False

    def freeze(self, group: Group, box: str) -> None:
        self._start(box, signal.SIGSTOP)

    def thaw(self, group: Group, box: str) -> None:
        self._start(box, signal.SIGCONT)

    async def settled(self, box: str) -> None:
        sending = [task for task, name in self._sending.items() if name == box]
        if sending:
            await asyncio.wait(sending)

    def _start(self, box: str, number: int) -> None:
        task = asyncio.get_running_loop().create_task(self._send(box, number))
        self._sending[task] = box
        task.add_done_callback(self._sending.pop)

    async def _send(self, box: str, number: int) -> None:
        try:
            await self._spawner.signal_all(box, number)
        except SandboxFailed as error:
            if not self._has_failed:
                self._has_failed = True
                log.warning("environments are not frozen between invocations: %s", error)
