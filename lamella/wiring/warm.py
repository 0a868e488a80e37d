"""What is made ahead of the functions that will need it, and what looks after memory."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from functools import partial

from lamella.config import Settings
from lamella.invoke.foresight import Foresight
from lamella.invoke.furnish import Furnisher
from lamella.invoke.learned import Learned
from lamella.invoke.pool import Pool
from lamella.invoke.pressure import MemoryGuard
from lamella.invoke.ready import MOST, ReadyBoxes
from lamella.invoke.tending import Tending
from lamella.invoke.together import Together
from lamella.invoke.zygote import Zygotes
from lamella.layers.collect import Collecting
from lamella.records.base import Records
from lamella.sandbox import usage
from lamella.sandbox.cgroup import Groups
from lamella.sandbox.reserve import Reserve
from lamella.sandbox.spawn import Spawner
from lamella.wiring.host import seen

ZYGOTES = 0.75
"""Their part of the memory for what is made ahead; ready boxes have the rest."""


@dataclass(frozen=True, slots=True)
class Warmed:
    """What makes things ahead, and what looks after them."""

    ready: ReadyBoxes
    zygotes: Zygotes
    tending: Tending
    foresight: Foresight


async def warmed(
    server: tuple[Settings, contextlib.AsyncExitStack],
    ground: tuple[Groups, Spawner, Reserve],
    furnisher: Furnisher,
    learned: Learned,
    collecting: Collecting,
    records: Records,
) -> Warmed:
    (settings, stack), (groups, spawner, reserve) = server, ground
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
    tending = Tending(zygotes, furnisher, collecting.is_used, settings.idle_seconds)
    tending.start()
    stack.push_async_callback(tending.close)
    foresight = Foresight(zygotes, furnisher, records, collecting)
    stack.push_async_callback(foresight.close)
    return Warmed(ready, zygotes, tending, foresight)


def guarded(groups: Groups, pool: Pool, warm: Warmed, stack: contextlib.AsyncExitStack) -> None:
    """Look after the memory of environments and of what is made ahead of them."""

    def has_room() -> bool:
        return not pool.budget.is_spent

    warm.ready.has_room = warm.zygotes.has_room = has_room
    guard = MemoryGuard(Together(pool, warm.ready, warm.tending), partial(seen, groups))
    guard.start()
    stack.push_async_callback(guard.close)
