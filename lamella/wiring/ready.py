"""Boxes that are made ahead of the functions that will need them, and what looks after memory."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial

from lamella.config import Preload, Settings
from lamella.invoke.pool import Pool
from lamella.invoke.pressure import MemoryGuard
from lamella.invoke.ready import MOST, ReadyBoxes, Together
from lamella.sandbox import usage
from lamella.sandbox.cgroup import Groups
from lamella.sandbox.reserve import Reserve
from lamella.sandbox.spawn import Spawner
from lamella.wiring.host import seen


async def ready_boxes(
    settings: Settings,
    groups: Groups,
    spawner: Spawner,
    reserve: Reserve,
    stack: contextlib.AsyncExitStack,
) -> ReadyBoxes:
    machine = await asyncio.to_thread(usage.machine, groups.hierarchy)
    memory = settings.warm_memory.of(machine.total) if settings.preload is Preload.ON else 0
    ready = ReadyBoxes(
        spawner,
        reserve,
        most=min(MOST, max(1, settings.max_environments // 4)),
        memory=memory,
        idle_seconds=settings.idle_seconds,
    )
    stack.push_async_callback(ready.close)
    return ready


def guarded(
    groups: Groups, pool: Pool, ready: ReadyBoxes, stack: contextlib.AsyncExitStack
) -> None:
    """Look after the memory of environments and ready boxes."""
    ready.has_room = lambda: not pool.budget.is_spent
    guard = MemoryGuard(Together(pool, ready), partial(seen, groups))
    guard.start()
    stack.push_async_callback(guard.close)
