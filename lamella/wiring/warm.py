"""What is made ahead of the functions that will need it, and what looks after memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from lamella.config import Settings
from lamella.errors import RuntimeMissing, SnapshotFailed
from lamella.functions.ready import key_of
from lamella.invoke.foresight import Foresight
from lamella.invoke.furnish import Furnished, Furnisher
from lamella.invoke.ground import Ground
from lamella.invoke.learned import Learned
from lamella.invoke.pool import Pool
from lamella.invoke.pressure import MemoryGuard
from lamella.invoke.ready import MOST, ReadyBoxes
from lamella.invoke.snapshot import Snapshots
from lamella.invoke.tending import Tending
from lamella.invoke.together import Together
from lamella.invoke.zygotes import Zygotes
from lamella.layers.collect import Collecting
from lamella.logs.append import LogStream, LogStreams
from lamella.model.arn import LATEST
from lamella.model.function import Function
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
    memory: int
    """What may be held by all that is made ahead of anybody's use."""


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
    allowed = settings.warm_memory.of(machine.total)
    memory = allowed if settings.preload else 0
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

    def exists(account: str, region: str, name: str) -> bool:
        return records.function(account, region, name, LATEST) is not None

    tending = Tending(zygotes, furnisher, collecting.is_used, exists, settings.idle_seconds)
    tending.start()
    stack.push_async_callback(tending.close)
    foresight = Foresight(zygotes, furnisher, records, collecting)
    stack.push_async_callback(foresight.close)
    if memory:
        foresight.revive(learned.verdicts())
    return Warmed(ready, zygotes, tending, foresight, allowed)


def snapped(
    server: tuple[Settings, contextlib.AsyncExitStack],
    ground: Ground,
    furnisher: Furnisher,
    streams: LogStreams,
    records: Records,
    warm: Warmed,
) -> Snapshots:
    """What restores the environments of versions with SnapStart. What it holds zygotes may not."""
    settings, stack = server

    def opened(function: Function, furnished: Furnished) -> LogStream:
        where = (function.account, function.region, function.effective_log_group)
        return streams.open(*where, furnished.stream)

    def exists(function: Function) -> bool:
        row = records.function(*key_of(function))
        return row is not None and row.last_modified == function.last_modified

    def measured(held: int) -> None:
        if settings.preload:
            warm.zygotes.memory = int(max(0, warm.memory - held) * ZYGOTES)

    most = max(1, settings.max_environments // 2)
    snapshots = Snapshots(ground, furnisher, opened, exists, memory=warm.memory, most=most)
    snapshots.measured = measured
    snapshots.start()
    stack.push_async_callback(snapshots.close)
    return snapshots


def prepared(furnisher: Furnisher, snapshots: Snapshots) -> Callable[[Function], None]:
    """What makes a version ready. A runtime this host lacks is told when it is invoked, unless it
    would have been used for getting ready."""
    loop = asyncio.get_running_loop()

    def prepare(function: Function) -> None:
        try:
            furnisher.prepare(function)
        except RuntimeMissing as error:
            if function.has_snapshot:
                raise SnapshotFailed("InvalidRuntime", str(error)) from error
        else:
            if function.has_snapshot:
                asyncio.run_coroutine_threadsafe(snapshots.make(function), loop).result()

    return prepare


def guarded(
    groups: Groups,
    pool: Pool,
    warm: Warmed,
    snapshots: Snapshots,
    stack: contextlib.AsyncExitStack,
) -> None:
    """Look after the memory of environments and of what is made ahead of them."""

    def has_room() -> bool:
        return not pool.budget.is_spent

    warm.ready.has_room = warm.zygotes.has_room = snapshots.has_room = has_room
    together = Together(pool, warm.ready, warm.tending, snapshots)
    guard = MemoryGuard(together, partial(seen, groups))
    guard.start()
    stack.push_async_callback(guard.close)
