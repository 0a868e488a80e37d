"""Control groups kept ready, each with a process in it that waits to become a box.

Putting a process into a control group makes it wait for the kernel, longer than all the rest
of making a box takes. A few groups and processes made ahead take that wait off cold starts.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from lamella.errors import SandboxFailed
from lamella.sandbox.box import Ahead, Pipe, Room
from lamella.sandbox.cgroup import Group, Groups
from lamella.sandbox.spawn import Spawner

READY = 4
PAUSES = (0.0, 0.001, 0.005, 0.02, 0.1, 0.5)
"""How long to wait for the kernel to let go of a group, each time it has not; in seconds."""
LONG_PAUSE_SECONDS = 1.0
"""How often a group is tried again whose processes outlive being killed."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """A group for one environment, and what its first box can be made of, if anything: a box ahead,
    which has a ``room`` or wants one for user ``uid``, and prints into ``pipe``, if it has one; or a
    spare. What ``restores`` has been initialised already; ``spoilt`` is told if it ends before it has
    become what it was."""

    group: Group
    spare: str | Ahead | None
    uid: int | None = None
    pipe: Pipe | None = None
    room: Room | None = None
    restores: bool = False
    spoilt: Callable[[], None] | None = None


class Reserve:
    """Hands out places; ``count`` of them are kept ready."""

    def __init__(self, spawner: Spawner, groups: Groups, count: int = READY) -> None:
        self._spawner = spawner
        self._groups = groups
        self._count = count if groups.any else 0
        self._ready: deque[Place] = deque()
        self._numbers = itertools.count(1)
        self._filling: asyncio.Task[None] | None = None
        self._clearing: asyncio.Task[None] | None = None
        self.stuck: set[Group] = set()
        """Groups of environments that are no more, with processes that have not died yet."""

    def take(self) -> Place:
        """A place of one's own. Raises OSError if no group can be made."""
        place = self._ready.popleft() if self._ready else Place(self.make(), None)
        self.fill()
        return place

    def fill(self) -> None:
        """Make, in the background, what is missing."""
        if self._filling is None or self._filling.done():
            self._filling = asyncio.get_running_loop().create_task(self._fill())

    def make(self) -> Group:
        """A group with nothing in it. Raises OSError."""
        return self._groups.make(f"g{next(self._numbers)}")

    async def _fill(self) -> None:
        with contextlib.suppress(SandboxFailed, OSError):
            while len(self._ready) < self._count:
                name = f"s{next(self._numbers)}"
                group = self.make()
                try:
                    await self._spawner.spare(name, group)
                except SandboxFailed:
                    group.remove()
                    raise
                self._ready.append(Place(group, name))

    async def drop(self, place: Place | None) -> None:
        """End what lies in a place that no box was made of. Raises SandboxFailed."""
        if place is None or place.spare is None:
            return
        if isinstance(place.spare, str):
            await self._spawner.drop(place.spare)
        else:
            await place.spare.discard()

    async def leave(self, group: Group) -> None:
        """Remove a group whose processes were killed: now, or whenever the kernel lets go of it.

        A process that waits for a broken disk, say, dies when that has answered. Nobody waits
        for it here.
        """
        for pause in PAUSES:
            await asyncio.sleep(pause)
            if group.remove():
                return
            group.kill()
        log.warning("processes outlive being killed; their control group goes when they have ended")
        self.stuck.add(group)
        if self._clearing is None or self._clearing.done():
            self._clearing = asyncio.get_running_loop().create_task(self._clear())

    async def _clear(self) -> None:
        while self.stuck:
            await asyncio.sleep(LONG_PAUSE_SECONDS)
            self.stuck = {group for group in self.stuck if not group.remove()}

    async def close(self) -> None:
        """End the spares; their groups are cleared with the others."""
        if self._clearing is not None:
            self._clearing.cancel()
            await asyncio.wait((self._clearing,))
        if self._filling is not None:
            self._filling.cancel()
            await asyncio.wait((self._filling,))
        while self._ready:
            place = self._ready.popleft()
            with contextlib.suppress(SandboxFailed):
                await self.drop(place)
