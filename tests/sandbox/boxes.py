"""Runs commands in real boxes, for tests."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from lamella.sandbox.cgroup import Group, Groups
from lamella.sandbox.plan import BoxPlan, Limits
from lamella.sandbox.spawn import Spawner

MEGABYTE = 1_048_576
T = TypeVar("T")


@dataclass
class Result:
    code: int
    output: str


@dataclass
class Boxes:
    """Runs commands in boxes."""

    spawner: Spawner
    groups: Groups
    folder: Path
    made: int = 0

    async def run(
        self,
        *argv: str,
        memory: int = 128 * MEGABYTE,
        tmp: int = 16 * MEGABYTE,
        overlays: dict[str, tuple[Path, ...]] | None = None,
        during: Callable[[Group], Awaitable[None]] | None = None,
        processes: int = 256,
    ) -> Result:
        self.made += 1
        name = f"test{self.made}"
        limits = Limits(memory=memory, tmp=tmp, processes=processes)
        group = self.groups.make(name)
        group.limit(limits)
        room = await self.spawner.room(name, tmp)
        plan = BoxPlan(
            name=name,
            argv=argv,
            environment={"PATH": "/usr/bin:/bin"},
            limits=limits,
            overlays=overlays or {},
        )
        reader, writer = os.pipe()
        try:
            box = await self.spawner.box(plan, room, group, writer)
        finally:
            os.close(writer)
        if during is not None:
            await during(group)
        output = await asyncio.to_thread(read_all, reader)
        code = await asyncio.wait_for(box.exited, 20)
        box.close()
        await self.spawner.leave(room)
        while not group.remove():
            await asyncio.sleep(0.001)
        return Result(code, output)


def read_all(descriptor: int) -> str:
    with open(descriptor, "rb") as file:
        return file.read().decode()


Script = Callable[[Boxes], Awaitable[T]]
