"""What memory environments may hold together, and which of them end when it gets short.

The rules are pure: `excess` says how many bytes have to go and why, `first_to_go` which unused
environments those are. `MemoryGuard` looks once a second and has the pool end them. What works
is never ended: a function's own limit bounds it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from lamella.sandbox.usage import Machine

LOOK_SECONDS = 1.0
LEAST_PAUSE = 20
"""How many times as long as a look takes is waited at least: without control groups it is long."""
ENDING_SECONDS = 4.0
"""How long what was ended may take before memory is counted again, as if it was gone."""
FLOOR_SHARE = 20
"""One part in so many of the machine's memory stays available, as far as it depends on us."""
STALLED_PERCENT = 10.0
STALLED_TIMES = 3
"""The floor is so many times higher while processes wait for memory."""
LEAST_BYTES = 8 * 1_048_576
"""Reckoned at least for an environment that has just been started."""

log = logging.getLogger(__name__)


class Cause(StrEnum):
    """Why environments end that could have gone on: all hold too much, or the host has too little."""

    MEMORY = "memory"
    HOST = "host"


@dataclass(frozen=True, slots=True)
class Seen:
    """Bytes that environments hold together, and the machine they are on."""

    held: int
    machine: Machine


def excess(most: int, seen: Seen) -> tuple[Cause, int] | None:
    """How many bytes have to go, and why; None while there is room.

    Where processes stall for want of memory more of it has to stay available.
    """
    machine = seen.machine
    floor = machine.total // FLOOR_SHARE
    if machine.stalled >= STALLED_PERCENT:
        floor *= STALLED_TIMES
    over, lack = seen.held - most, floor - machine.available
    if max(over, lack) <= 0:
        return None
    return (Cause.MEMORY, over) if over >= lack else (Cause.HOST, lack)


E = TypeVar("E", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Unused(Generic[E]):
    """An environment that does nothing ``since`` a point in time (monotonic seconds)."""

    environment: E
    since: float
    provisioned: bool = False


def in_turn(unused: Sequence[Unused[E]]) -> list[E]:
    """In the order they are to end: unused longest first, provisioned ones last."""
    ordered = sorted(unused, key=lambda each: (each.provisioned, each.since))
    return [each.environment for each in ordered]


def first_to_go(ordered: Sequence[E], sizes: Mapping[E, int], wanted: int) -> list[E]:
    """As many of those in turn as hold ``wanted`` bytes together; all if they hold less.

    One that holds nothing frees nothing, and stays.
    """
    chosen: list[E] = []
    for each in ordered:
        if wanted <= 0:
            break
        if sizes[each] > 0:
            chosen.append(each)
            wanted -= sizes[each]
    return chosen


class Budget:
    """What environments hold of what they may: as it was seen last, and what was started since.

    What has just been started is reckoned as the mean of those that are there.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.held = 0
        self._each = LEAST_BYTES

    @property
    def is_spent(self) -> bool:
        return self.held >= self.most

    def started(self) -> None:
        self.held += self._each

    def ended(self) -> None:
        self.held = max(0, self.held - self._each)

    def seen(self, held: int, count: int) -> None:
        self.held = held
        self._each = max(LEAST_BYTES, held // count if count else 0)


class Sized(Hashable, Protocol):
    """An environment, as far as its memory goes."""

    def memory_held(self) -> int:
        """Bytes; blocks."""


S = TypeVar("S", bound=Sized)


class Holder(Protocol[S]):
    """Who has the environments: the pool."""

    budget: Budget

    @property
    def count(self) -> int: ...

    def unused(self) -> Sequence[Unused[S]]: ...

    def evict(self, environment: S, cause: Cause) -> asyncio.Task[None] | None:
        """End one that is still unused."""


class MemoryGuard(Generic[S]):
    """Looks every second at what environments hold; ``look`` blocks and runs in a thread."""

    def __init__(self, holder: Holder[S], look: Callable[[], Seen]) -> None:
        self._holder = holder
        self._look = look
        self._task: asyncio.Task[None] | None = None
        self._told = False

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._watch())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _watch(self) -> None:
        took = 0.0
        while True:
            await asyncio.sleep(max(LOOK_SECONDS, took * LEAST_PAUSE))
            began = time.monotonic()
            try:
                await self.look()
            except OSError as error:
                if not self._told:
                    log.warning("memory of environments cannot be counted: %s", error)
                self._told = True
            took = time.monotonic() - began

    async def look(self) -> None:
        """Count once, and end what has to go. Raises OSError."""
        if not self._holder.count:
            self._holder.budget.seen(0, 0)
            return
        seen = await asyncio.to_thread(self._look)
        self._holder.budget.seen(seen.held, self._holder.count)
        found = excess(self._holder.budget.most, seen)
        if found is None:
            return
        cause, wanted = found
        ordered = in_turn(self._holder.unused())
        sizes = await asyncio.to_thread(lambda: {each: each.memory_held() for each in ordered})
        going = first_to_go(ordered, sizes, wanted)
        ending = [self._holder.evict(each, cause) for each in going]
        ended = [task for task in ending if task is not None]
        if ended:
            log.info("%d idle environments end for want of memory (%s)", len(ended), cause)
            await asyncio.wait(ended, timeout=ENDING_SECONDS)
            seen = await asyncio.to_thread(self._look)
            self._holder.budget.seen(seen.held, self._holder.count)
