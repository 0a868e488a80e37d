"""What the environment of a snapshot begins in: a box whose process forks once it is initialised."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace

from lamella.invoke.furnish import FORKS, Furnished
from lamella.invoke.restoring import sentence
from lamella.invoke.starts import Starts
from lamella.model.function import Function
from lamella.sandbox.box import Box, Room
from lamella.sandbox.cgroup import Group
from lamella.sandbox.fork import Nest, nest
from lamella.sandbox.plan import BoxPlan
from lamella.sandbox.reserve import Place
from lamella.sandbox.spawn import Spawner

REPORT_BYTES = 4_096
ASK = "--snapshot"
OUTLIVED = (
    's=; trap s=1 USR1; "$0" "$@"; c=$?; [ "$s" ] || exit "$c"; '
    "exec 6>&- 7>&- 8>&-; exec sleep 2147483647"
)
"""A box lasts as long as its first command: of what has said that it is a snapshot the forks are to
outlive it; of what has not the end is the end."""


class Nesting:
    """What the environment of a snapshot begins in, in ``group``: a box whose process forks."""

    def __init__(self, spawner: Spawner, group: Group) -> None:
        self.group = group
        self.nest: Nest | None = None
        self._spawner = spawner
        self._report, self._theirs = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(self._theirs, True)

    async def become(self, plan: BoxPlan, room: Room, outputs: Sequence[int]) -> Box:
        """Begin ``plan`` so. Raises SandboxFailed."""
        plan = replace(
            plan,
            argv=("/bin/sh", "-c", OUTLIVED, *plan.argv, ASK),
            limits=replace(plan.limits, processes=FORKS),
        )
        self.nest = await nest(self._spawner, plan, room, self.group, (*outputs, self._theirs))
        return self.nest.box

    async def discard(self) -> None:
        """Nothing lies ready."""

    def said(self) -> str | None:
        """Why the process says that it cannot be forked, if it does."""
        try:
            told = json.loads(os.read(self._report, REPORT_BYTES))
        except (BlockingIOError, ValueError):
            return "it did not say whether it can be forked"
        fault = told.get("fault") if isinstance(told, dict) else "it said nothing of use"
        return None if fault is None else sentence(str(fault))

    def close(self) -> None:
        os.close(self._report)
        os.close(self._theirs)


class Given:
    """The place of one environment that nobody else decides about."""

    def __init__(self, place: Place) -> None:
        self._place = place

    async def place(self, function: Function, furnished: Furnished) -> Place:
        return self._place


class Unseen(Starts):
    """What a snapshot begins with is no start of an environment."""

    def __init__(self) -> None:
        super().__init__(lambda function, way, seconds: None)

    def began(self, function: Function, spare: object, seconds: float) -> None:
        pass
