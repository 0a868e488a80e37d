"""A zygote: a process that has imported what functions of a layer set import, and forks.

How one is made, as a box of its own or as a fork of another, and cleared away. Which there are is
the business of `lamella.invoke.zygotes`.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple, Protocol

from lamella.errors import SandboxFailed
from lamella.invoke.eggs import Eggs
from lamella.invoke.furnish import Furnisher, limits
from lamella.invoke.learned import Verdict
from lamella.invoke.stems import is_below
from lamella.invoke.told import line
from lamella.invoke.worth import Demand, worth
from lamella.model.function import Function
from lamella.runtimes.forking import Plain
from lamella.sandbox import usage
from lamella.sandbox.box import Box, Room
from lamella.sandbox.cgroup import NOTHING, Group, Memory
from lamella.sandbox.fork import Egg, Nest, nest
from lamella.sandbox.plan import BoxPlan
from lamella.sandbox.reserve import Place, Reserve
from lamella.sandbox.spawn import Spawner

BUILD_SECONDS = 120.0
"""How long imports may take, trials included."""
REPORT_BYTES = 1_048_576
PROCESSES = 256
"""What a zygote's own imports may start; its forks are counted each for itself."""
ROOM_BYTES = 64 * 1_048_576
MEBIBYTE = 1_048_576
MOST_SHARED = 0.75
"""The part of a function's memory that it may share with a zygote, as if all of it was its own."""
END_SECONDS = 2.0


class Key(NamedTuple):
    """What functions share a zygote; ``layers`` are digests, in order."""

    account: str
    region: str
    interpreter: str
    layers: tuple[str, ...]


class Book(Protocol):
    """What is known of modules that functions import."""

    def knows(self, function: Function) -> bool: ...

    def modules(self, function: Function) -> tuple[str, ...]: ...

    def verdict(self, function: Function, report: object) -> Verdict: ...

    def inherit(self, function: Function, names: tuple[str, ...]) -> None:
        """Take it that ``function`` imports these, if nothing is known of its set."""


class Holding(Protocol):
    """Keeps the bytes that a box has mounted."""

    def hold(self, digests: Iterable[str]) -> None: ...

    def release(self, digests: Iterable[str]) -> None: ...


@dataclass(eq=False)
class Zygote:
    """One that stands. ``names`` are the modules it was asked to import, ``verdict`` what became of
    them, ``base`` is the memory that a fork shares with it, ``seconds`` what its making took,
    ``held`` what it and its eggs were last seen to hold, ``users`` the functions (by name) that are
    forks of it. It was made for ``function``. ``stem`` is the zygote that it is a fork of, ``sprouts``
    are those that stand and are forks of it."""

    key: Key
    function: Function
    demand: Demand
    nest: Nest
    group: Group
    names: tuple[str, ...]
    base: Memory
    verdict: Verdict
    seconds: float
    stem: Zygote | None = None
    sprouts: set[Zygote] = field(default_factory=set)
    eggs: Eggs = field(init=False)
    forks: int = 0
    made_at: float = field(default_factory=time.monotonic)
    used_at: float = field(default_factory=time.monotonic)
    is_retired: bool = False
    users: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.held = self.group.memory().held
        self.read = frozenset(self.verdict.read)
        self.hides = frozenset(self.verdict.hides)

    def unlike(self, function: Function, names: frozenset[str]) -> Plain | None:
        """Why ``function``, whose folder has modules of these names, must not be its fork."""
        if not self.read.isdisjoint(function.environment or {}):
            return Plain.VARIABLES
        if not self.hides.isdisjoint(names):
            return Plain.NAMES
        if self.base.held > MOST_SHARED * function.memory_size * MEBIBYTE:
            return Plain.MEMORY
        return None

    @property
    def layers(self) -> tuple[str, ...]:
        return self.key.layers

    @property
    def depth(self) -> int:
        return 1 if self.stem is None else self.stem.depth + 1

    def gains_by(self, other: Zygote) -> bool:
        """Whether it would share more as a fork of ``other`` than as what it is."""
        if self.stem is None or self.stem.is_retired:
            return is_below(other.layers, self.layers)
        return is_below(self.stem.layers, other.layers) and is_below(other.layers, self.layers)

    @property
    def living(self) -> int:
        return self.eggs.living

    def use(self, function: Function) -> None:
        """An environment of ``function`` is to be a fork of it, or of a sprout."""
        self.used_at = time.monotonic()
        self.users.add(function.name)
        if self.stem is not None:
            self.stem.use(function)

    @property
    def saves(self) -> float:
        """Seconds that a fork saves."""
        return self.demand.saved(self.seconds)

    @property
    def worth(self) -> float:
        own = worth(self.saves, self.demand.rate(), self.held)
        return own + sum(each.worth for each in self.sprouts)


def forked_memory(group: Group, box: Box) -> Memory:
    """What the process of a box that is a fork holds, with what it shares with others: its group
    has only what it does not. Nothing where groups do not count memory at all."""
    pid = box.pid
    if pid is None or not group.counts_memory:
        return NOTHING
    with contextlib.suppress(OSError):
        found = map(usage.of_process, usage.children(pid))
        return max(found, key=lambda each: each.held, default=NOTHING)
    return NOTHING


class Maker:
    """Makes zygotes, each of which tells ``failed`` when it forks no more, and why, and calls ``gone``
    each time that fewer of its forks live."""

    def __init__(
        self,
        spawner: Spawner,
        reserve: Reserve,
        furnisher: Furnisher,
        book: Book,
        holding: Holding,
    ) -> None:
        self._spawner = spawner
        self._reserve = reserve
        self._furnisher = furnisher
        self._book = book
        self._holding = holding
        self._numbers = itertools.count(1)
        self.failed: Callable[[Zygote, str], None] = lambda zygote, why: None
        self.gone: Callable[[Zygote], None] = lambda zygote: None

    async def make(
        self,
        key: Key,
        function: Function,
        names: tuple[str, ...],
        demand: Demand,
        stem: Zygote | None,
    ) -> Zygote:
        """A zygote that has imported what it may of ``names``. Raises SandboxFailed, OSError."""
        name = f"z{next(self._numbers)}"
        plan = await asyncio.to_thread(self._furnisher.furnish_nest, function, name)
        started = time.monotonic()
        place = await self._place(plan, stem)
        box: Box | None = None
        self._holding.hold(key.layers)
        try:
            async with asyncio.timeout(BUILD_SECONDS):
                made, report = await self._told(plan, place, names)
            box = made.box
            verdict = self._book.verdict(function, report)
            if verdict.fault is not None:
                raise SandboxFailed(verdict.fault)
            took = time.monotonic() - started
            base = place.group.memory() if stem is None else forked_memory(place.group, box)
            zygote = Zygote(
                key, function, demand, made, place.group, names, base, verdict, took, stem
            )
            zygote.eggs = Eggs(
                self._spawner,
                self._reserve,
                made,
                (limits(function), base),
                failed=partial(self.failed, zygote),
                gone=partial(self.gone, zygote),
            )
            return zygote
        except BaseException as error:
            if box is None and isinstance(place.spare, Egg):
                with contextlib.suppress(SandboxFailed):
                    await place.spare.discard()
            await self._clear(key, box, place.room, place.group)
            if isinstance(error, TimeoutError | ValueError):
                raise SandboxFailed(f"its imports came to no end: {error!r}") from error
            raise

    async def _place(self, plan: BoxPlan, stem: Zygote | None) -> Place:
        """Where a zygote is to be. Raises SandboxFailed, OSError."""
        limits = replace(plan.limits, processes=PROCESSES, tmp=ROOM_BYTES)
        if stem is not None:
            egg = await stem.eggs.sprout(limits)
            if egg is None:
                raise SandboxFailed("what it was to be forked from has ended")
            return Place(egg.group, egg, room=egg.room)
        room = await self._spawner.room(plan.name, ROOM_BYTES)
        try:
            group = self._reserve.make()
            group.limit(limits)
        except OSError:
            await self._spawner.leave(room)
            raise
        return Place(group, None, room=room)

    async def _told(
        self, plan: BoxPlan, place: Place, names: tuple[str, ...]
    ) -> tuple[Nest, object]:
        """Start a zygote; its report. Raises SandboxFailed, and ValueError for what is no report."""
        report, theirs = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        told = os.memfd_create("names", os.MFD_CLOEXEC)
        null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.set_blocking(theirs, True)
            os.write(told, json.dumps(names).encode())
            os.lseek(told, 0, os.SEEK_SET)
            made = await self._nest(plan, place, (null, theirs, told))
            os.close(theirs)
            theirs = -1
            try:
                said = json.loads(await line(report, REPORT_BYTES))
            except BaseException:
                made.box.kill()
                await made.box.exited
                made.box.close()
                raise
            return made, said
        finally:
            for each in (report, told, null):
                os.close(each)
            if theirs >= 0:
                os.close(theirs)

    async def _nest(self, plan: BoxPlan, place: Place, outputs: Sequence[int]) -> Nest:
        if isinstance(place.spare, Egg):
            return await place.spare.sprout(plan, outputs)
        assert place.room is not None
        return await nest(self._spawner, plan, place.room, place.group, outputs)

    async def clear(self, zygote: Zygote) -> None:
        """Clear one away of which nothing lives any more."""
        await self._clear(zygote.key, zygote.nest.box, zygote.nest.room, zygote.group)

    async def _clear(self, key: Key, box: Box | None, room: Room | None, group: Group) -> None:
        if box is not None:
            box.kill()
            await asyncio.wait((box.exited,), timeout=END_SECONDS)
            box.close()
        if room is not None:
            with contextlib.suppress(SandboxFailed):
                await self._spawner.leave(room)
        await self._reserve.leave(group)
        await asyncio.to_thread(self._holding.release, key.layers)
