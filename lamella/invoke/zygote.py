"""Zygotes: processes that have imported what functions of a layer set import, and fork.

One for each account, region, interpreter and layer set. A function's environment is then made of a
fork, an egg, that is a box of its own already (`lamella.sandbox.fork`). Some eggs lie ready. The
first functions that use a set never wait: they begin plainly, and what they import is learned;
whatever is wrong with a zygote, functions begin plainly again.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple, Protocol

from lamella.errors import SandboxFailed
from lamella.invoke.eggs import Eggs
from lamella.invoke.furnish import Furnished, Furnisher, limits
from lamella.invoke.learned import Verdict
from lamella.invoke.ready import ReadyBoxes
from lamella.invoke.starts import Starts, Way
from lamella.invoke.told import line
from lamella.invoke.worth import FORGOTTEN_RATE, Demand, Going, worth
from lamella.model.function import Function
from lamella.runtimes.forking import Plain
from lamella.sandbox.box import Box, Room
from lamella.sandbox.cgroup import Group, Memory
from lamella.sandbox.fork import Nest, nest, retire
from lamella.sandbox.plan import BoxPlan
from lamella.sandbox.reserve import Place
from lamella.sandbox.spawn import Spawner

BUILD_SECONDS = 120.0
"""How long imports may take, trials included."""
REPORT_BYTES = 1_048_576
PROCESSES = 256
"""What a zygote's own imports may start; its forks are counted each for itself."""
ROOM_BYTES = 64 * 1_048_576
HOLD_OFF_SECONDS = 60.0
"""When a set is tried again whose zygote could not be made, doubled each time."""
MOST_FAILURES = 6
MEBIBYTE = 1_048_576
MOST_SHARED = 0.75
"""The part of a function's memory that it may share with a zygote, as if all of it was its own."""
END_SECONDS = 2.0
BUILDING = "building a zygote"

log = logging.getLogger(__name__)


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
    forks of it. It was made for ``function``."""

    key: Key
    function: Function
    demand: Demand
    nest: Nest
    group: Group
    names: tuple[str, ...]
    base: Memory
    verdict: Verdict
    seconds: float
    eggs: Eggs = field(init=False)
    forks: int = 0
    made_at: float = field(default_factory=time.monotonic)
    used_at: float = field(default_factory=time.monotonic)
    is_retired: bool = False
    users: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.held = self.base.held
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
    def living(self) -> int:
        return self.eggs.living

    def use(self, function: Function) -> None:
        self.used_at = time.monotonic()
        self.users.add(function.name)
        self.forks += 1

    @property
    def saves(self) -> float:
        """Seconds that a fork saves."""
        return self.demand.saved(self.seconds)

    @property
    def worth(self) -> float:
        return worth(self.saves, self.demand.rate(), self.held)


@dataclass
class Failure:
    """A set whose zygote could not be made: why, how often, and when it may be tried again."""

    why: str
    count: int
    until: float


class Zygotes:
    """Gives every environment its place: a fork of a zygote where one stands, else one of ``ready``.

    ``memory`` is how many bytes all zygotes together may hold, 0 for no zygotes at all.
    """

    def __init__(
        self,
        spawner: Spawner,
        ready: ReadyBoxes,
        furnisher: Furnisher,
        book: Book,
        holding: Holding,
        memory: int,
    ) -> None:
        self._spawner = spawner
        self._ready = ready
        self._reserve = ready.reserve
        self._furnisher = furnisher
        self._book = book
        self._holding = holding
        self.memory = memory
        self._standing: dict[Key, Zygote] = {}
        self._retired: set[Zygote] = set()
        self._building: set[Key] = set()
        self._failures: dict[Key, Failure] = {}
        self._demands: dict[Key, Demand] = {}
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False
        self.plain: Counter[Plain] = Counter()
        self.gone: Counter[Going] = Counter()
        self.failed = 0
        self.starts = Starts(self._started)
        self.has_room: Callable[[], bool] = lambda: True
        """Whether there is memory for more."""
        self.grown: Callable[[], None] = lambda: None
        """Called when there is one more."""

    async def place(self, function: Function, furnished: Furnished) -> Place:
        """A place for an environment that starts. Raises OSError if no group can be made."""
        zygote = self._serving(function, furnished)
        if zygote is None:
            return self._ready.take(furnished)
        zygote.use(function)
        egg = await zygote.eggs.take()
        if egg is None:
            return self._ready.take(furnished)
        return Place(egg.group, egg, room=egg.room)

    def _serving(self, function: Function, furnished: Furnished) -> Zygote | None:
        """The zygote that serves an environment of ``function``; seen to if there is none."""
        why = furnished.plain if self.memory > 0 else Plain.OFF
        if why is not None:
            self.plain[why] += 1
            return None
        key = self.key(function)
        self._demand(key).note()
        zygote = self._standing.get(key)
        names = self._book.modules(function)
        is_known = bool(names) or self._book.knows(function)
        if is_known and (zygote is None or zygote.names != names):
            self._consider(key, function, names)
        if zygote is None:
            self.plain[Plain.ABSENT] += 1
            return None
        unlike = zygote.unlike(function, furnished.names)
        if unlike is not None:
            self.plain[unlike] += 1
            return None
        return zygote

    def _demand(self, key: Key) -> Demand:
        return self._demands.setdefault(key, Demand())

    def _started(self, function: Function, way: Way, seconds: float) -> None:
        demand = self._demands.get(self.key(function)) if self._demands else None
        if demand is not None:
            demand.took(seconds, forked=way is Way.FORK)

    def key(self, function: Function) -> Key:
        layers = tuple(each.digest for each in function.layers)
        return Key(
            function.account, function.region, self._furnisher.interpreter_of(function), layers
        )

    def _consider(self, key: Key, function: Function, names: tuple[str, ...]) -> None:
        """Build a zygote, unless that is under way or has failed of late."""
        failure = self._failures.get(key)
        if self._closing or key in self._building or not self.has_room():
            return
        if failure is not None and failure.until > time.monotonic():
            return
        self._building.add(key)
        self._holding.hold(key.layers)
        self._spawn(self._build(key, function, names), BUILDING)

    def succeed(self, before: Zygote, function: Function) -> None:
        """Have a zygote for the set of ``function``, which is about to be used as that of ``before``
        was."""
        key = self.key(function)
        if key not in self._standing:
            self._demands.setdefault(key, before.demand.followed())
            self._book.inherit(function, before.names)
            self._consider(key, function, self._book.modules(function))

    async def _build(self, key: Key, function: Function, names: tuple[str, ...]) -> None:
        try:
            zygote = await self._made(key, function, names)
        except (SandboxFailed, OSError) as error:
            self.failed += not self._closing
            self._fail(key, str(error))
        else:
            self._failures.pop(key, None)
            older = self._standing.pop(key, None)
            if older is not None:
                self._retire(older)
            self._standing[key] = zygote
            zygote.eggs.fill()
            self.grown()
        finally:
            self._building.discard(key)
            self._spawn(asyncio.to_thread(self._holding.release, key.layers))

    def _fail(self, key: Key, why: str) -> None:
        if self._closing:
            return
        count = self._failures[key].count + 1 if key in self._failures else 1
        pause = HOLD_OFF_SECONDS * 2 ** min(count, MOST_FAILURES)
        self._failures[key] = Failure(why, count, time.monotonic() + pause)
        log.info("no zygote for %s of account %s: %s", key.interpreter, key.account, why)

    async def _made(self, key: Key, function: Function, names: tuple[str, ...]) -> Zygote:
        """A zygote that has imported what it may. Raises SandboxFailed, OSError."""
        name = f"z{next(self._numbers)}"
        plan = await asyncio.to_thread(self._furnisher.furnish_nest, function, name)
        group = self._reserve.make()
        self._holding.hold(key.layers)
        room: Room | None = None
        box: Box | None = None
        started = time.monotonic()
        try:
            group.limit(replace(plan.limits, processes=PROCESSES))
            room = await self._spawner.room(name, ROOM_BYTES)
            async with asyncio.timeout(BUILD_SECONDS):
                made, report = await self._told(plan, room, group, names)
            box = made.box
            verdict = self._book.verdict(function, report)
            if verdict.fault is not None:
                raise SandboxFailed(verdict.fault)
            took = time.monotonic() - started
            demand = self._demand(key)
            base = group.memory()
            zygote = Zygote(key, function, demand, made, group, names, base, verdict, took)
            zygote.eggs = Eggs(
                self._spawner,
                self._reserve,
                made,
                (limits(function), base),
                failed=partial(self._give_up, zygote),
                gone=partial(self._clear, zygote),
            )
            return zygote
        except BaseException as error:
            await self._unmake(key, box, room, group)
            if isinstance(error, TimeoutError | ValueError):
                raise SandboxFailed(f"its imports came to no end: {error!r}") from error
            raise

    async def _told(
        self, plan: BoxPlan, room: Room, group: Group, names: tuple[str, ...]
    ) -> tuple[Nest, object]:
        """Start a zygote; its report. Raises SandboxFailed, and ValueError for what is no report."""
        report, theirs = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        told = os.memfd_create("names", os.MFD_CLOEXEC)
        null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.set_blocking(theirs, True)
            os.write(told, json.dumps(names).encode())
            os.lseek(told, 0, os.SEEK_SET)
            made = await nest(self._spawner, plan, room, group, (null, theirs, told))
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

    def _give_up(self, zygote: Zygote, why: str) -> None:
        """A zygote does not fork any more: functions begin plainly until there is another."""
        if self._closing:
            return
        if self._standing.get(zygote.key) is zygote:
            del self._standing[zygote.key]
            self._fail(zygote.key, why)
        self._retire(zygote)

    def retire(self, zygote: Zygote, why: Going) -> asyncio.Task[None] | None:
        """Have no more forks of one that stands; what it is that ends now."""
        if self._standing.get(zygote.key) is not zygote:
            return None
        del self._standing[zygote.key]
        self.gone[why] += 1
        if why is Going.ROOM:
            self._fail(zygote.key, why)
        return self._retire(zygote)

    def _retire(self, zygote: Zygote) -> asyncio.Task[None] | None:
        """Have no more forks of it; it ends with the last of them."""
        if zygote.is_retired:
            return None
        zygote.is_retired = True
        self._retired.add(zygote)
        zygote.eggs.close()
        ending = self._spawn(self._end_process(zygote))
        self._clear(zygote)
        return ending

    async def _end_process(self, zygote: Zygote) -> None:
        await zygote.eggs.closed()
        with contextlib.suppress(SandboxFailed):
            await retire(self._spawner, zygote.nest)

    def _clear(self, zygote: Zygote) -> None:
        """Clear a zygote away that is retired and of which nothing lives any more."""
        if zygote in self._retired and zygote.eggs.are_gone:
            self._retired.discard(zygote)
            made = zygote.nest
            self._spawn(self._unmake(zygote.key, made.box, made.room, zygote.group))

    async def _unmake(self, key: Key, box: Box | None, room: Room | None, group: Group) -> None:
        if box is not None:
            box.kill()
            await asyncio.wait((box.exited,), timeout=END_SECONDS)
            box.close()
        if room is not None:
            with contextlib.suppress(SandboxFailed):
                await self._spawner.leave(room)
        await self._reserve.leave(group)
        await asyncio.to_thread(self._holding.release, key.layers)

    @property
    def count(self) -> int:
        """How many stand."""
        return len(self._standing)

    def standing(self) -> tuple[Zygote, ...]:
        """Those that stand, most valuable first."""
        return tuple(sorted(self._standing.values(), key=lambda each: -each.worth))

    def forget(self) -> None:
        """Forget sets that nobody asks for, and failures long past."""
        for key, demand in tuple(self._demands.items()):
            if demand.rate() < FORGOTTEN_RATE and key not in self._standing:
                del self._demands[key]
                self._failures.pop(key, None)

    @property
    def failures(self) -> Mapping[Key, Failure]:
        return self._failures

    def _spawn(
        self, work: Coroutine[Any, Any, None], name: str | None = None
    ) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """End every zygote, and what was forked and not used."""
        self._closing = True
        for zygote in tuple(self._standing.values()):
            self._retire(zygote)
        self._standing.clear()
        for task in tuple(self._tasks):
            if task.get_name() == BUILDING:
                task.cancel()
        while self._tasks:
            await asyncio.wait(self._tasks, timeout=1.0)
