"""What is made ahead of the functions that will need it, and what looks after memory."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial

from lamella.config import Settings
from lamella.invoke.furnish import Furnisher
from lamella.invoke.learned import Learned
from lamella.invoke.pool import Pool
from lamella.invoke.pressure import MemoryGuard
from lamella.invoke.ready import MOST, ReadyBoxes, Together
from lamella.invoke.zygote import Zygotes
from lamella.layers.collect import Collecting
from lamella.sandbox import usage
from lamella.sandbox.cgroup import Groups
from lamella.sandbox.reserve import Reserve
from lamella.sandbox.spawn import Spawner
from lamella.wiring.host import seen

ZYGOTES = 0.75
"""Their part of the memory for what is made ahead; ready boxes have the rest."""


async def warmed(
    server: tuple[Settings, contextlib.AsyncExitStack],
    groups: Groups,
    spawner: Spawner,
    reserve: Reserve,
    furnisher: Furnisher,
    learned: Learned,
    collecting: Collecting,
) -> tuple[ReadyBoxes, Zygotes]:
    settings, stack = server
    machine = await asyncio.to_thread(usage.machine, groups.hierarchy)
    memory = settings.warm_memory.of(machine.total) if settings.preload else 0
    ready = ReadyBoxes(
        spawner,
        reserve,
        most=min(MOST, max(1, settings.max_environments // 4)),
        memory=int(memory * (1 - ZYGOTES)),
        idle_seconds=settings.idle_seconds,
    )
    stack.push_async_callback(ready.close)
    zygotes = Zygotes(spawner, ready, furnisher, learned, collecting, int(memory * ZYGOTES))
    stack.push_async_callback(zygotes.close)
    return ready, zygotes


def guarded(
    groups: Groups, pool: Pool, ready: ReadyBoxes, stack: contextlib.AsyncExitStack
) -> None:
    """Look after the memory of environments and ready boxes."""
    ready.has_room = lambda: not pool.budget.is_spent
    guard = MemoryGuard(Together(pool, ready), partial(seen, groups))
    guard.start()
    stack.push_async_callback(guard.close)
