"""Control groups kept ready, each with a process in it that waits to become a box.

Putting a process into a control group makes it wait for the kernel, longer than all the rest
of making a box takes. A few groups and processes made ahead take that wait off cold starts.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import deque
from dataclasses import dataclass

from lamella.errors import SandboxFailed
from lamella.sandbox.cgroup import Group, Groups
from lamella.sandbox.spawn import Spawner

READY = 4


@dataclass(frozen=True, slots=True)
class Place:
    """A group for one environment, and the spare that its first box can be made of, if any."""

    group: Group
    spare: str | None


class Reserve:
    """Hands out places; ``count`` of them are kept ready."""

    def __init__(self, spawner: Spawner, groups: Groups, count: int = READY) -> None:
        self._spawner = spawner
        self._groups = groups
        self._count = count if groups.any else 0
        self._ready: deque[Place] = deque()
        self._numbers = itertools.count(1)
        self._filling: asyncio.Task[None] | None = None

    def take(self) -> Place:
        """A place of one's own. Raises OSError if no group can be made."""
        place = self._ready.popleft() if self._ready else Place(self._make(), None)
        self.fill()
        return place

    def fill(self) -> None:
        """Make, in the background, what is missing."""
        if self._filling is None or self._filling.done():
            self._filling = asyncio.get_running_loop().create_task(self._fill())

    def _make(self) -> Group:
        return self._groups.make(f"g{next(self._numbers)}")

    async def _fill(self) -> None:
        with contextlib.suppress(SandboxFailed, OSError):
            while len(self._ready) < self._count:
                name = f"s{next(self._numbers)}"
                group = self._make()
                await self._spawner.spare(name, group)
                self._ready.append(Place(group, name))

    async def close(self) -> None:
        """End the spares; their groups are cleared with the others."""
        if self._filling is not None:
            self._filling.cancel()
            await asyncio.wait((self._filling,))
        while self._ready:
            place = self._ready.popleft()
            with contextlib.suppress(SandboxFailed):
                if place.spare is not None:
                    await self._spawner.drop(place.spare)
