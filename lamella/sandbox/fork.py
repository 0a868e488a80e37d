"""Boxes that are forks of a process, from the server's side.

A `Nest` is a box whose process forks for the server (`lamella.sandbox.nests` is the keeper's part);
an `Egg` is such a fork, boxed already, that becomes the box of a plan when somebody needs one.
"""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lamella.errors import SandboxFailed
from lamella.sandbox.box import Box, Room
from lamella.sandbox.cgroup import Group
from lamella.sandbox.plan import BoxPlan, Mount
from lamella.sandbox.spawn import Spawner


@dataclass(frozen=True, slots=True)
class Nest:
    """A box whose process forks. Its forks run as the user of its room, and see what it sees."""

    box: Box
    room: Room
    plan: BoxPlan


async def nest(
    spawner: Spawner, plan: BoxPlan, room: Room, group: Group, outputs: Sequence[int]
) -> Nest:
    """Start a box of which forks can be had. Its process finds what it is told by at the
    descriptor behind those of ``outputs``. Raises SandboxFailed."""
    output, *given = outputs
    return Nest(await spawner.box(plan, room, group, output, given=given, nest=True), room, plan)


class Egg:
    """A fork of a nest that is a box in ``group`` and waits for what it is to be.

    ``hatched`` is told of the box that it becomes, ``left`` when it is no egg any more.
    """

    def __init__(
        self,
        spawner: Spawner,
        of: Nest,
        name: str,
        group: Group,
        hatched: Callable[[Box], None],
    ) -> None:
        self.name = name
        self.group = group
        self.room: Room | None = None
        """The ``/tmp`` of its box; from `become` on it is whose the box is."""
        self.left: Callable[[], None] = lambda: None
        self._hatched = hatched
        self._spawner = spawner
        self._of = of

    async def lay(self, tmp: int, listen: Sequence[int] = (), *, nests: bool = False) -> None:
        """Have it made, with a room of ``tmp`` bytes and sockets that listen on ports that its plan
        will have; ``nests`` says that it is to be a nest. Raises SandboxFailed."""
        asked = {"nest": self._of.box.name, "egg": self.name, "nests": nests}
        groups = [str(path) for path in self.group.processes]
        room = await self._spawner.room(self.name, tmp, self._of.room.uid)
        try:
            mounts = await self._spawner.described((), room)
            more = {"cgroups": groups, "mounts": mounts, "listen": listen}
            await self._spawner.ask({"do": "lay", **asked, **more})
        except SandboxFailed:
            with contextlib.suppress(SandboxFailed):
                await self._spawner.leave(room)
            raise
        self.room = room

    async def become(self, plan: BoxPlan, room: Room, outputs: Sequence[int]) -> Box:
        """Make it the box of ``plan``, whose command is the one it runs already.

        Raises SandboxFailed, BoxLost if it has ended.
        """
        mounts = [
            Mount(target, sources)
            for target, sources in plan.overlays.items()
            if sources and sources != self._of.plan.overlays.get(target)
        ]
        limits = {**self.group.rlimits(plan.limits), "RLIMIT_NPROC": plan.limits.processes}
        told = {
            "environment": {"PWD": plan.directory, **plan.environment},
            "directory": plan.directory,
            "argv": plan.argv,
            "rlimits": {getattr(resource, name): value for name, value in limits.items()},
        }
        asked = {"do": "hatch", "egg": self.name, "told": told}
        own = None if room is self.room else room
        try:
            box = await self._spawner.hatch(asked, plan, own, mounts, outputs)
            self._hatched(box)
            return box
        finally:
            self.left()

    async def sprout(self, plan: BoxPlan, outputs: Sequence[int]) -> Nest:
        """Make it, which was laid for that, a nest of its own, as `nest` does: its process goes on
        from what it is a fork of. Raises SandboxFailed, BoxLost if it has ended."""
        assert self.room is not None
        return Nest(await self.become(plan, self.room, outputs), self.room, plan)

    async def discard(self) -> None:
        """End it, but for its room: it is not needed. Raises SandboxFailed."""
        try:
            await self._spawner.ask({"do": "discard", "egg": self.name})
        finally:
            self.left()


async def retire(spawner: Spawner, of: Nest) -> None:
    """Have the process of a nest end; the box goes when its forks have gone. Raises SandboxFailed."""
    await spawner.ask({"do": "retire", "nest": of.box.name})
