"""Zygotes: processes that have imported what functions of a layer set import, and fork.

One for each account, region, interpreter and layer set, itself a fork of one with fewer layers
where it can be (`lamella.invoke.stems`). A function's environment is then made of a fork, an egg,
that is a box of its own already (`lamella.sandbox.fork`). Some eggs lie ready. The first functions
that use a set never wait: they begin plainly, and what they import is learned; whatever is wrong
with a zygote, functions begin plainly again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from typing import Any

from lamella.errors import SandboxFailed
from lamella.invoke import stems
from lamella.invoke.furnish import Furnished, Furnisher
from lamella.invoke.ready import ReadyBoxes
from lamella.invoke.starts import Starts, Way
from lamella.invoke.worth import FORGOTTEN_RATE, Demand, Going
from lamella.invoke.zygote import Book, Holding, Key, Maker, Zygote
from lamella.model.function import Function
from lamella.runtimes.forking import Plain
from lamella.sandbox.fork import retire
from lamella.sandbox.reserve import Place
from lamella.sandbox.spawn import Spawner

HOLD_OFF_SECONDS = 60.0
"""When a set is tried again whose zygote could not be made, doubled each time."""
MOST_FAILURES = 6
BUILDING = "building a zygote"

log = logging.getLogger(__name__)


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
        self._maker = Maker(spawner, ready.reserve, furnisher, book, holding)
        self._maker.failed, self._maker.gone = self._give_up, self._clear
        self._furnisher = furnisher
        self._book = book
        self._holding = holding
        self.memory = memory
        self._standing: dict[Key, Zygote] = {}
        self._retired: set[Zygote] = set()
        self._building: dict[Key, asyncio.Task[None]] = {}
        self._failures: dict[Key, Failure] = {}
        self._demands: dict[Key, Demand] = {}
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
        zygote.forks += 1
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
        self._begin(key, function, names, ready=1)

    def _begin(
        self, key: Key, function: Function, names: tuple[str, ...], *, ready: int
    ) -> asyncio.Task[None] | None:
        """What builds a zygote, ``ready`` eggs of which are to lie ready; None if nothing does."""
        if key in self._building:
            return self._building[key]
        failure = self._failures.get(key)
        has_failed = failure is not None and failure.until > time.monotonic()
        if self._closing or has_failed or not self.has_room():
            return None
        self._holding.hold(key.layers)
        building = self._spawn(self._build(key, function, names, ready), BUILDING)
        self._building[key] = building
        return building

    def succeed(self, before: Zygote, function: Function) -> None:
        """Have a zygote for the set of ``function``, which is about to be used as that of ``before``
        was."""
        key = self.key(function)
        if key not in self._standing:
            self._demands.setdefault(key, before.demand.followed())
            self._book.inherit(function, before.names)
            self._consider(key, function, self._book.modules(function))

    async def revive(self, function: Function) -> None:
        """Have a zygote for the set of ``function``, which had one when the server ended."""
        key = self.key(function)
        if self.memory > 0 and key not in self._standing:
            building = self._begin(key, function, self._book.modules(function), ready=1)
            if building is not None:
                await asyncio.wait((building,))

    async def _build(
        self, key: Key, function: Function, names: tuple[str, ...], ready: int
    ) -> None:
        try:
            stem = await self._stem(key, function, names)
            try:
                zygote = await self._maker.make(key, function, names, self._demand(key), stem)
            except SandboxFailed as error:
                if stem is None:
                    raise
                log.info("a zygote of account %s is no fork of another: %s", key.account, error)
                zygote = await self._maker.make(key, function, names, self._demand(key), None)
        except (SandboxFailed, OSError) as error:
            self.failed += not self._closing
            self._fail(key, str(error))
        else:
            await self._stand(zygote, ready)
        finally:
            del self._building[key]
            self._spawn(asyncio.to_thread(self._holding.release, key.layers))

    async def _stand(self, zygote: Zygote, ready: int) -> None:
        """Have one take the place of that which is there, whose eggs serve until there are others."""
        zygote.eggs.wanted = ready
        zygote.eggs.fill()
        try:
            if zygote.key in self._standing:
                await zygote.eggs.settled()
        except asyncio.CancelledError:
            self._retire(zygote)
            raise
        if zygote.is_retired:
            self._fail(zygote.key, "no fork of it became a box")
            return
        self._failures.pop(zygote.key, None)
        older = self._standing.pop(zygote.key, None)
        if older is not None:
            zygote.users |= older.users
            self._retire(older)
        self._standing[zygote.key] = zygote
        if zygote.stem is not None:
            zygote.stem.sprouts.add(zygote)
        if zygote.layers:
            self._spawn(self._graft(zygote), BUILDING)
        self.grown()

    async def _stem(self, key: Key, function: Function, names: tuple[str, ...]) -> Zygote | None:
        """What to fork the zygote of a set from, if anything. Where another set begins with the same
        layers, that is one for those, made now if there is none."""
        brought = await asyncio.to_thread(self._furnisher.names_of_layers, function)
        family = self._family(key)
        stem = stems.best(key.layers, brought, family)
        shared = stems.shared(key.layers, [each.layers for each in family])
        if shared is None or (stem is not None and len(stem.layers) >= len(shared)):
            return stem
        above = brought[len(shared) :]
        below = replace(function, layers=function.layers[: len(shared)])
        if self.key(below) in self._standing or not stems.fits(above, frozenset()):
            return stem
        wanted = self._book.modules(below) or stems.remaining(names, above)
        building = self._begin(self.key(below), below, wanted, ready=0)
        if building is not None:
            await asyncio.wait((building,))
        return stems.best(key.layers, brought, self._family(key))

    def _family(self, key: Key) -> list[Zygote]:
        """Those that stand for the same account, region and interpreter."""
        return [each for each in self._standing.values() if each.key[:-1] == key[:-1]]

    async def _graft(self, stem: Zygote) -> None:
        """Make those anew that share more of their memory as forks of ``stem``, one after the other:
        whatever starts meanwhile needs the processors, too. The runtime's alone are not worth it."""
        for each in self._family(stem.key):
            if stem.is_retired:
                return
            if each.is_retired or not each.gains_by(stem):
                continue
            with contextlib.suppress(OSError):
                brought = await asyncio.to_thread(self._furnisher.names_of_layers, each.function)
                if stems.best(each.layers, brought, (stem,)) is not None:
                    wanted = each.eggs.wanted
                    building = self._begin(each.key, each.function, each.names, ready=wanted)
                    if building is not None:
                        await asyncio.wait((building,))

    def _fail(self, key: Key, why: str) -> None:
        if self._closing:
            return
        count = self._failures[key].count + 1 if key in self._failures else 1
        pause = HOLD_OFF_SECONDS * 2 ** min(count, MOST_FAILURES)
        self._failures[key] = Failure(why, count, time.monotonic() + pause)
        log.info("no zygote for %s of account %s: %s", key.interpreter, key.account, why)

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
        if zygote.stem is not None:
            zygote.stem.sprouts.discard(zygote)
        self._retired.add(zygote)
        zygote.eggs.close()
        ending = self._spawn(self._end_process(zygote))
        self._clear(zygote)
        return ending

    async def _end_process(self, zygote: Zygote) -> None:
        await zygote.eggs.settled()
        with contextlib.suppress(SandboxFailed):
            await retire(self._spawner, zygote.nest)

    def _clear(self, zygote: Zygote) -> None:
        """Clear a zygote away that is retired and of which nothing lives any more."""
        if zygote in self._retired and zygote.eggs.are_gone:
            self._retired.discard(zygote)
            self._spawn(self._maker.clear(zygote))

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
