"""SnapStart: a published version is initialised once, and its environments are forks of that.

A *snapshot* is an environment like any other that is never invoked: when the function is initialised
and its hooks have run, the process waits and forks (`lamella.runtimes.python`'s ``snapshot``), and
each fork is the box of one environment (`lamella.sandbox.fork`). It belongs to its version alone.

What cannot be forked is initialised when it is published all the same, which says whether it can be,
and then begins as other functions do, hooks included. So does what has no snapshot now: after a start
of the server, or because memory was needed. It is made again in the background.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from lamella.errors import LamellaError, SandboxFailed
from lamella.functions.ready import Key, key_of
from lamella.invoke.eggs import Eggs, Grown
from lamella.invoke.environment import Environment
from lamella.invoke.furnish import Furnished, Furnisher, limits
from lamella.invoke.ground import Ground
from lamella.invoke.nesting import Given, Nesting, Unseen
from lamella.invoke.restoring import failed, obstacle, remark
from lamella.invoke.rounds import rounds
from lamella.invoke.tending import measured
from lamella.logs.append import LogStream
from lamella.model.function import Function
from lamella.model.lifecycle import EnvironmentState
from lamella.runtime_api.restore import Stage
from lamella.sandbox.cgroup import Group
from lamella.sandbox.fork import Nest, retire
from lamella.sandbox.reserve import Place

HOLD_OFF_SECONDS = 60.0
"""When a snapshot is tried again that could not be made, doubled each time."""
BROKEN_SECONDS = 1.0
"""The same for one that has been forked, and then broke."""
LONGEST_HOLD_OFF_SECONDS = 3_840.0
MOST_FAILURES = 12
STEADY_SECONDS = 300.0
"""After standing so long it did not break of what the ones before it did."""
UNUSED_SECONDS = 60.0
"""Another may take the place of one that nothing was restored from for so long."""
REMADE_AT_ONCE = 2
MOST_RESUMED = 0.75
"""The part of the memory that is filled before anybody asks."""
FORGOTTEN = 86_400.0
"""How long after that it counts as the first time again."""
ENDED = "a fork of it ended before it was restored"
STOPPING = "The server is stopping."

log = logging.getLogger(__name__)

Open = Callable[[Function, Furnished], LogStream]


@dataclass(eq=False)
class Snapshot:
    """One that stands. ``held`` is the memory that it and the forks that wait were last seen to hold."""

    function: Function
    environment: Environment
    group: Group
    nest: Nest
    eggs: Eggs = field(init=False)
    held: int = 0
    made_at: float = field(default_factory=time.monotonic)
    used_at: float = field(default_factory=time.monotonic)
    is_retired: bool = False

    @property
    def living(self) -> int:
        return self.eggs.living

    def memory_held(self) -> int:
        """Bytes that its end frees. Blocks."""
        return measured(self, self.eggs.groups)[1]


@dataclass
class Failure:
    """How often on end a snapshot could not be made, or broke early, and when it may be tried again."""

    count: int
    until: float


class Snapshots:
    """Gives environments their place: a fork of a snapshot, where there is to be one, else as
    ``ground`` has it.

    ``memory`` is how many bytes all of them may hold together, and ``most`` how many there may be;
    ``exists`` says whether a version is still there, and blocks.
    """

    def __init__(
        self,
        ground: Ground,
        furnisher: Furnisher,
        opened: Open,
        exists: Callable[[Function], bool],
        *,
        memory: int,
        most: int,
    ) -> None:
        self._ground = ground
        self._furnisher = furnisher
        self._opened = opened
        self._exists = exists
        self.memory = memory
        self._most = most
        self._standing: dict[Key, Snapshot] = {}
        self._retired: set[Snapshot] = set()
        self._making: set[Key] = set()
        self._beginning: set[Environment] = set()
        self._failures: dict[Key, Failure] = {}
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._makers: set[asyncio.Task[Any]] = set()
        self._remaking = asyncio.Semaphore(REMADE_AT_ONCE)
        self._wanted = asyncio.Event()
        self._closing = False
        self.has_room: Callable[[], bool] = lambda: True
        """Whether there is memory for more."""
        self.measured: Callable[[int], None] = lambda held: None
        """Told of the bytes that all of them hold."""

    def start(self) -> None:
        looking = rounds(self.look, self._wanted, "snapshots")
        self._makers.add(asyncio.get_running_loop().create_task(looking))

    # Environments that start

    async def place(self, function: Function, furnished: Furnished) -> Place:
        """A place for an environment that starts. Raises OSError if no group can be made."""
        if function.has_snapshot and obstacle(function, furnished) is None:
            snapshot = self._standing.get(key_of(function))
            if snapshot is None or snapshot.function.last_modified != function.last_modified:
                self._consider(function)
            else:
                snapshot.used_at = time.monotonic()
                egg = await snapshot.eggs.take()
                if egg is not None:
                    spoilt = partial(self._give_up, snapshot, ENDED)
                    return Place(egg.group, egg, room=egg.room, restores=True, spoilt=spoilt)
        return await self._ground.places.place(function, furnished)

    # Making them

    async def make(self, function: Function) -> None:
        """Initialise ``function``, which is being published.

        Raises SnapshotFailed, SandboxFailed, OSError.
        """
        if self._closing:
            raise SandboxFailed(STOPPING)
        key = key_of(function)
        task = asyncio.current_task()
        assert task is not None
        mine = {task} - self._makers
        self._makers |= mine
        self._making.add(key)
        try:
            snapshot = await self._made(function)
            if snapshot is not None:
                self._stand(snapshot)
        finally:
            self._makers -= mine
            self._making.discard(key)

    def _consider(self, function: Function) -> None:
        """Make a snapshot that is missing, unless that is under way or has failed of late."""
        key, failure = key_of(function), self._failures.get(key_of(function))
        if self._closing or key in self._making or self._is_full or not self.has_room():
            return
        if failure is None or failure.until <= time.monotonic():
            self._making.add(key)
            task = self._spawn(self._remake(function))
            self._makers.add(task)
            task.add_done_callback(lambda done: self._makers.discard(done))

    @property
    def _is_full(self) -> bool:
        """Whether one more would take the place of one that is in use."""
        since = time.monotonic() - UNUSED_SECONDS
        used = sum(each.used_at > since for each in self._standing.values())
        return used + len(self._making) + len(self._retired) >= self._most

    async def _remake(self, function: Function) -> None:
        try:
            async with self._remaking:
                await asyncio.to_thread(self._furnisher.prepare, function)
                await self.make(function)
        except LamellaError as error:
            if not self._closing:
                log.info("no snapshot of %s: %s", function.arn, error)
                self._hold_off(function)
        except Exception:  # the boundary of a task: the version is served without
            log.exception("no snapshot of %s", function.arn)
            self._hold_off(function)
        finally:
            self._making.discard(key_of(function))

    def resume(self, found: Callable[[], Sequence[Function]]) -> None:
        """At start-up: make anew what an earlier server had, the first that is ``found`` before the
        others. To find them blocks."""
        self._makers.add(asyncio.get_running_loop().create_task(self._resume(found)))

    async def _resume(self, found: Callable[[], Sequence[Function]]) -> None:
        """One after the other, as far as memory goes."""
        try:
            functions = await asyncio.to_thread(found)
        except SQLAlchemyError:
            log.exception("snapshots could not be made again")
            return
        for function in functions:
            if self._closing or self.held > MOST_RESUMED * self.memory or self.count >= self._most:
                return
            key = key_of(function)
            if function.has_snapshot and key not in self._standing and key not in self._making:
                self._making.add(key)
                await self._remake(function)

    def _hold_off(self, function: Function, seconds: float = HOLD_OFF_SECONDS) -> None:
        key = key_of(function)
        count = self._failures[key].count + 1 if key in self._failures else 1
        pause = min(LONGEST_HOLD_OFF_SECONDS, seconds * 2 ** min(count, MOST_FAILURES))
        self._failures[key] = Failure(count, time.monotonic() + pause)

    async def _made(self, function: Function) -> Snapshot | None:
        """A snapshot; None if there can be none of ``function``, which is initialised then, too, or
        if it went meanwhile."""
        name = f"n{next(self._numbers)}"
        furnished = await asyncio.to_thread(self._furnisher.furnish, function, name)
        assert furnished.restore is not None
        furnished = replace(furnished, restore=replace(furnished.restore, stage=Stage.SNAPSHOT))
        why: str | None = obstacle(function, furnished)
        stream = self._opened(function, furnished)
        spawner, reserve = self._ground.spawner, self._ground.reserve
        nesting = Nesting(spawner, reserve.make()) if why is None else None
        place = reserve.take() if nesting is None else Place(nesting.group, nesting)
        alone = replace(self._ground, places=Given(place), starts=Unseen())
        environment = Environment(name, function, furnished, stream, alone)
        self._beginning.add(environment)
        try:
            await environment.start()
            if environment not in self._beginning:  # see `_end_gone`
                log.info("%s is gone, and not initialised any more", function.arn)
                await environment.stop()
                return None
            if environment.state is not EnvironmentState.IDLE:
                raise failed(*(environment.fault or ("", "")))
            if nesting is not None:
                why = nesting.said()
            if nesting is None or nesting.nest is None or why is not None:
                log.info("%s begins plainly, without a snapshot: %s", function.arn, why)
                stream.append(int(time.time() * 1000), remark(function, why or ""))
                if nesting is not None:
                    # The same code will leave the same behind.
                    again = time.monotonic() + FORGOTTEN
                    self._failures[key_of(function)] = Failure(1, again)
                await environment.stop()
                return None
        except BaseException:
            await environment.stop()
            raise
        finally:
            self._beginning.discard(environment)
            if nesting is not None:
                nesting.close()
        return self._snapshot(Snapshot(function, environment, nesting.group, nesting.nest))

    def _snapshot(self, snapshot: Snapshot) -> Snapshot:
        base = snapshot.group.memory()
        snapshot.held = base.held
        snapshot.eggs = Eggs(
            self._ground.spawner,
            self._ground.reserve,
            snapshot.nest,
            (limits(snapshot.function), base),
            failed=partial(self._give_up, snapshot),
            gone=partial(self._clear, snapshot),
            kind=Grown,
        )
        snapshot.environment.on_death = partial(self._give_up, snapshot, "its box has ended")
        return snapshot

    def _stand(self, snapshot: Snapshot) -> None:
        key = key_of(snapshot.function)
        older = self._standing.pop(key, None)
        if older is not None:
            self._retire(older)
        if key in self._failures:
            self._failures[key].until = time.monotonic()
        if self._closing:
            self._retire(snapshot)
        else:
            self._standing[key] = snapshot
            snapshot.eggs.fill()
            self._wanted.set()

    # Their end

    def _give_up(self, snapshot: Snapshot, why: str) -> None:
        key = key_of(snapshot.function)
        if self._standing.get(key) is snapshot:
            log.info("the snapshot of %s is no more: %s", snapshot.function.arn, why)
            # Where none was laid the host may not allow it, and another would do no better.
            self._dismiss(snapshot, BROKEN_SECONDS if snapshot.eggs.laid else HOLD_OFF_SECONDS)
        self._retire(snapshot)

    def _dismiss(self, snapshot: Snapshot, seconds: float) -> None:
        """It stands no more; another may be made after ``seconds``, or later if that goes on."""
        key = key_of(snapshot.function)
        del self._standing[key]
        if time.monotonic() - snapshot.made_at > STEADY_SECONDS:
            self._failures.pop(key, None)
        self._hold_off(snapshot.function, seconds)

    def _retire(self, snapshot: Snapshot) -> asyncio.Task[Any] | None:
        """Have no more forks of it; it ends with the last of them."""
        if snapshot.is_retired:
            return None
        snapshot.is_retired = True
        self._retired.add(snapshot)
        snapshot.eggs.close()
        ending = self._spawn(self._end_process(snapshot))
        self._clear(snapshot)
        return ending

    async def _end_process(self, snapshot: Snapshot) -> None:
        await snapshot.eggs.settled()
        with contextlib.suppress(SandboxFailed):
            await retire(self._ground.spawner, snapshot.nest)

    def _clear(self, snapshot: Snapshot) -> None:
        """Clear away one that is retired and of which nothing lives any more."""
        if snapshot in self._retired and snapshot.eggs.are_gone:
            self._retired.discard(snapshot)
            self._spawn(snapshot.environment.stop())

    # Memory, and versions that are gone

    @property
    def count(self) -> int:
        """How many there are, with those that only their environments keep."""
        return len(self._standing) + len(self._retired)

    @property
    def held(self) -> int:
        """Bytes that they were last seen to hold."""
        return sum(each.held for each in (*self._standing.values(), *self._retired))

    def waiting(self) -> list[Snapshot]:
        """Those that stand, the one that was used longest ago first."""
        return sorted(self._standing.values(), key=lambda each: each.used_at)

    def evict(self, snapshot: Snapshot) -> asyncio.Task[Any] | None:
        """Have one go for want of memory; it is made again when it is used, but not at once."""
        key = key_of(snapshot.function)
        if self._standing.get(key) is not snapshot:
            return None
        self._dismiss(snapshot, HOLD_OFF_SECONDS)
        return self._retire(snapshot)

    def look_soon(self) -> None:
        """A version may have gone."""
        if self._standing or self._beginning:
            self._wanted.set()

    async def look(self) -> None:
        """Measure every snapshot; have those go that nobody can use, or that there is no memory for,
        and end the initialisations of versions that are gone.

        Raises OSError, SQLAlchemyError.
        """
        await self._end_gone()
        standing = self.waiting()
        retired = tuple(self._retired)
        eggs = {each: each.eggs.groups for each in (*standing, *retired)}
        seen = await asyncio.to_thread(
            lambda: {
                each: (each in retired or self._exists(each.function), measured(each, laid)[0])
                for each, laid in eggs.items()
            }
        )
        for each, (is_there, held) in seen.items():
            each.held = held
            each.eggs.calm()
            if not is_there:
                self._give_up(each, "its version is gone")
                self._failures.pop(key_of(each.function), None)
        now = time.monotonic()
        self._failures = {
            key: each for key, each in self._failures.items() if each.until + FORGOTTEN > now
        }
        left = self.waiting()
        held = sum(each.held for each in left)
        while left and (held > self.memory or len(left) > self._most):
            oldest = left.pop(0)
            log.info("the snapshot of %s goes for want of memory", oldest.function.arn)
            self.evict(oldest)
            held -= oldest.held
        self.measured(self.held)

    async def _end_gone(self) -> None:
        for environment in tuple(self._beginning):
            if not await asyncio.to_thread(self._exists, environment.function):
                self._beginning.discard(environment)
                environment.abort()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def abort(self) -> None:
        """Make none any more: the server is stopping."""
        self._closing = True
        for task in self._makers:
            task.cancel()

    async def close(self) -> None:
        """End every snapshot, and what was forked and not used."""
        self.abort()
        for snapshot in tuple(self._standing.values()):
            self._retire(snapshot)
        self._standing.clear()
        while self._tasks or self._makers:
            await asyncio.wait(self._tasks | self._makers, timeout=1.0)
            self._makers = {task for task in self._makers if not task.done()}
