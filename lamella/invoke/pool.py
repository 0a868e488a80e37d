"""The environments there are, and which invocation gets which.

One `Shelf` for each function version as it is configured now. A caller takes the environment
that was used last (its caches are warm), or waits for whichever comes first: one that gets
free, or a new one that was started because somebody waits. Provisioned environments are there
before anybody waits, are taken first, and stay; `lamella.invoke.provision` says how many.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

from lamella.errors import ApiError, SandboxFailed, ServiceError
from lamella.invoke.admission import Admission
from lamella.invoke.endings import Ending
from lamella.invoke.environment import Environment
from lamella.invoke.kept import NO_MEMORY, NO_ROOM, NOT_INITIALISED, NOT_STARTED
from lamella.invoke.pressure import Budget, Cause, Unused
from lamella.invoke.shelf import Shelf
from lamella.model.concurrency import Standing
from lamella.model.function import Function
from lamella.model.lifecycle import EnvironmentState

Make = Callable[[str, Function, bool], Awaitable[Environment]]
"""The name, the version, and whether it is provisioned."""
Key = tuple[str, str, str, str]

SWEEP_SECONDS = 1.0
STEADY_SECONDS = 60.0
"""An environment that was idle for so long did not die of its start."""
LAST_SECONDS = 2_700.0
"""How long after its time an environment may still be taken: what begins then ends before its
credentials do. Nearly always `Pool._renew` has replaced it by then."""
STOPPING = "The server is stopping."

log = logging.getLogger(__name__)


class Pool:
    """Every environment of this server.

    ``most`` is the number of environments it may hold at once, ``most_memory`` how many bytes
    they may hold together before an idle one has to go for each that is started, and
    ``idle_seconds`` how long an unused one is kept. Who takes an environment passes ``admission``, and is counted until it is
    given back or dropped.
    """

    def __init__(
        self,
        make: Make,
        admission: Admission,
        *,
        most: int,
        idle_seconds: float,
        most_memory: int = sys.maxsize,
    ) -> None:
        self.admission = admission
        self.budget = Budget(most_memory)
        self.ended: Counter[Ending] = Counter()
        self._make = make
        self._most = most
        self._most_kept = most - max(1, most // 10)
        self._kept = 0
        self._keeping: set[Shelf] = set()
        self._idle_seconds = idle_seconds
        self._shelves: dict[Key, Shelf] = {}
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.Task[None] | None = None
        self._all: set[Environment] = set()
        self._waited_for: set[Shelf] = set()
        self._count = 0
        self._closing = False

    def start(self) -> None:
        self._sweeper = asyncio.get_running_loop().create_task(self._sweep())

    @property
    def count(self) -> int:
        """How many environments there are, those that start or stop included."""
        return self._count

    def shelf(self, function: Function) -> Shelf:
        """The shelf for ``function`` as it is configured; an older configuration's is retired."""
        key = (function.account, function.region, function.name, function.version)
        shelf = self._shelves.get(key)
        if shelf is None or shelf.function.last_modified != function.last_modified:
            if shelf is not None:
                self._retire(shelf)
            shelf = self._shelves[key] = Shelf(
                function, self.admission.gate(function.account, function.region, function.name)
            )
        return shelf

    async def take(self, shelf: Shelf) -> Environment:
        """An environment for one invocation, which ends in `give_back` or `drop`.

        Raises TooManyRequests at the limits of the function, the account and the host.
        """
        shelf.gate.enter()
        while unused := shelf.ready or shelf.idle:
            environment = unused.pop()
            if environment.worn_at + LAST_SECONDS < time.time():
                # The clock has run on without the sweeper, as on a machine that slept.
                self._give_up(shelf, environment, Ending.AGE)
                continue
            shelf.busy.add(environment)
            return environment
        try:
            return await self._next(shelf)
        except BaseException:
            shelf.gate.leave()
            raise

    async def _next(self, shelf: Shelf) -> Environment:
        """The environment that comes first: one that gets free, or a new one."""
        if self._closing:
            raise ServiceError(STOPPING)
        ours: asyncio.Future[Environment] = asyncio.get_running_loop().create_future()
        shelf.waiting.append(ours)
        self._waited_for.add(shelf)
        self._grow(shelf)
        try:
            if not shelf.size:
                raise shelf.gate.refused()
            return await ours
        except asyncio.CancelledError:
            if ours.done() and not ours.cancelled() and ours.exception() is None:
                self._take_back(shelf, ours.result())
            raise
        finally:
            with contextlib.suppress(ValueError):
                shelf.waiting.remove(ours)
            if not shelf.waiting:
                self._waited_for.discard(shelf)

    def give_back(self, shelf: Shelf, environment: Environment) -> None:
        """The invocation is answered; the environment serves the next one or waits for it.

        Where extensions are still at work that is when they have done.
        """
        if environment.state is EnvironmentState.FINISHING:
            self._spawn(self._finish(shelf, environment))
            return
        shelf.gate.leave()
        self._take_back(shelf, environment)

    def _take_back(self, shelf: Shelf, environment: Environment) -> None:
        shelf.busy.discard(environment)
        if environment.state is EnvironmentState.ENDED:
            self._end(environment, Ending.FAILED)
            self._grow(shelf)
        elif environment.provisioned and environment.state is EnvironmentState.FAILED:
            self._lost(shelf, environment)
        elif shelf.function.has_snapshot and environment.state is EnvironmentState.FAILED:
            # A new one is restored, or has minutes; this would begin in the function's own time.
            self._end(environment, Ending.FAILED)
            self._grow(shelf)
        elif environment.worn_at < time.time():
            self._give_up(shelf, environment, Ending.AGE)
            self._grow(shelf)
        else:
            shelf.kept.failures = 0
            self._offer(shelf, environment)

    async def _finish(self, shelf: Shelf, environment: Environment) -> None:
        try:
            await environment.finish()
        except Exception:  # the boundary of a task: an environment in an unknown state is ended
            log.exception("environment %s could not finish", environment.name)
            self.drop(shelf, environment)
        else:
            self.give_back(shelf, environment)

    def _offer(self, shelf: Shelf, environment: Environment) -> None:
        while shelf.waiting:
            ours = shelf.waiting.popleft()
            if not ours.done():
                shelf.busy.add(environment)
                ours.set_result(environment)
                return
        if shelf.retired or self._closing:
            self._end(environment, self._leaving)
        elif not environment.provisioned:
            shelf.idle.append(environment)
        elif shelf.kept.missing < 0:
            self._give_up(shelf, environment, Ending.SURPLUS)
        else:
            shelf.ready.append(environment)

    def _grow(self, shelf: Shelf) -> None:
        """Start an environment if more callers wait than environments are on their way.

        Where the host is full that is in the place of the one, of whichever function, that was
        idle longest.
        """
        if shelf.starting >= len(shelf.waiting) or self._closing:
            return
        if not self._is_full:
            self._count += 1
            self._spawn(self._start(shelf))
        elif (oldest := self._oldest()) is not None:
            self._spawn(self._replace(oldest, shelf))
        else:
            return
        shelf.starting += 1

    @property
    def _is_full(self) -> bool:
        return self._count >= self._most or (self.budget.is_spent and self._count > 0)

    async def _replace(self, oldest: Environment, shelf: Shelf) -> None:
        """Nobody else gets the room that ``oldest`` leaves."""
        self.ended[Ending.ROOM] += 1
        try:
            await oldest.stop()
        finally:
            self._all.discard(oldest)
            self.budget.ended()
            await self._start(shelf)

    async def _start(self, shelf: Shelf) -> None:
        self.budget.started()
        name = f"e{next(self._numbers)}"
        environment: Environment | None = None
        try:
            environment = await self._make(name, shelf.function, False)
            self._all.add(environment)
            if self._closing:
                raise SandboxFailed(STOPPING)
            await environment.start()
        except Exception as error:  # the boundary of a task: those who wait must be told
            if not self._closing and not isinstance(error, ApiError):
                log.exception("environment %s of %s could not start", name, shelf.function.arn)
            shelf.starting -= 1
            self._refuse(shelf, error)
            if environment is None:
                self._freed()
            else:
                await self._stop(environment, Ending.FAILED)
            return
        shelf.starting -= 1
        self._offer(shelf, environment)

    def _refuse(self, shelf: Shelf, error: Exception) -> None:
        """Tell one of those who wait; the others may have more luck."""
        while shelf.waiting:
            ours = shelf.waiting.popleft()
            if not ours.done():
                told = isinstance(error, ApiError)
                ours.set_exception(error if told else SandboxFailed(str(error)))
                return

    def drop(self, shelf: Shelf, environment: Environment) -> None:
        """The environment failed in a way that another invocation must not meet: end it."""
        shelf.gate.leave()
        shelf.busy.discard(environment)
        shelf.kept.environments.discard(environment)
        self._end(environment, Ending.FAILED)

    def _end(self, environment: Environment, why: Ending) -> asyncio.Task[None]:
        return self._spawn(self._stop(environment, why))

    async def _stop(self, environment: Environment, why: Ending) -> None:
        self.ended[why] += 1
        try:
            await environment.stop()
        finally:
            self._all.discard(environment)
            self.budget.ended()
            self._kept -= environment.provisioned
            self._freed()

    def _freed(self) -> None:
        """There is room for one more: start it for somebody who waits."""
        self._count -= 1
        for shelf in tuple(self._waited_for):
            self._grow(shelf)
        for shelf in tuple(self._keeping):
            self._supply(shelf)

    def unused(self) -> list[Unused[Environment]]:
        """The environments that do nothing now."""
        return [
            Unused(each, each.idle_since, each.provisioned)
            for shelf in self._shelves.values()
            for each in shelf.idle + shelf.ready
        ]

    def evict(self, environment: Environment, cause: Cause) -> asyncio.Task[None] | None:
        """End one for want of memory, unless it is in use by now."""
        for shelf in self._shelves.values():
            if environment in shelf.idle:
                shelf.idle.remove(environment)
                return self._end(environment, Ending(cause.value))
            if environment in shelf.ready:
                shelf.ready.remove(environment)
                self._hold_off(shelf, NO_MEMORY)
                return self._give_up(shelf, environment, Ending(cause.value))
        return None

    def shelves(self) -> tuple[Shelf, ...]:
        return tuple(self._shelves.values())

    def states(self) -> dict[str, int]:
        """How many environments there are of each kind; those that end are in none."""
        shelves = self._shelves.values()
        return {
            "idle": sum(len(each.idle) for each in shelves),
            "provisioned": sum(len(each.ready) for each in shelves),
            "busy": sum(len(each.busy) for each in shelves),
            "starting": sum(each.starting + each.kept.starting for each in shelves),
        }

    def _oldest(self) -> Environment | None:
        """Take the environment that was idle longest off its shelf; provisioned ones stay."""
        shelves = [shelf for shelf in self._shelves.values() if shelf.idle]
        if not shelves:
            return None
        return min(shelves, key=lambda shelf: shelf.idle[0].idle_since).idle.pop(0)

    def provision(self, shelf: Shelf, count: int) -> None:
        """Keep ``count`` environments initialised from now on, until the shelf is retired."""
        if shelf.retired:
            return
        shelf.kept.wanted = count
        if count:
            self._keeping.add(shelf)
        else:
            self._keeping.discard(shelf)
        self._supply(shelf)

    def try_again(self, shelf: Shelf) -> None:
        """What failed may go well now, and need not wait for its turn."""
        shelf.kept.forgive()
        self._supply(shelf)

    def standing(self, shelf: Shelf) -> Standing:
        """How far a shelf is with what it is to keep. For any thread."""
        kept = shelf.kept
        available = len(kept.environments)
        return Standing(available + kept.starting, available, kept.fault)

    def _supply(self, shelf: Shelf) -> None:
        """End provisioned environments that are too many; start what is missing, a few at once."""
        kept = shelf.kept
        while kept.missing < 0 and shelf.ready:
            self._give_up(shelf, shelf.ready.pop(0), Ending.SURPLUS)
        while kept.may_start and not shelf.retired and not self._closing:
            if self._kept >= self._most_kept:
                kept.fault = NO_ROOM
                return
            if self._is_full:
                oldest = self._oldest()
                if oldest is not None:
                    self._end(oldest, Ending.ROOM)
                elif self._count < self._most:
                    kept.fault = NO_MEMORY
                return  # whoever ends makes room, and then this is asked again
            kept.starting += 1
            self._kept += 1
            self._count += 1
            self._spawn(self._start_kept(shelf))

    async def _start_kept(self, shelf: Shelf) -> None:
        name = f"e{next(self._numbers)}"
        environment: Environment | None = None
        fault = None
        try:
            environment = await self._make(name, shelf.function, True)
            self._all.add(environment)
            if not self._closing:
                await environment.start()
                initialised = environment.state is EnvironmentState.IDLE
                fault = None if initialised else NOT_INITIALISED
        except Exception as error:  # the boundary of a task: whoever asks must be told
            is_theirs = isinstance(error, ApiError)
            if not self._closing and not is_theirs:
                log.exception("environment %s of %s could not start", name, shelf.function.arn)
            fault = NOT_INITIALISED if is_theirs else NOT_STARTED
        shelf.kept.starting -= 1
        if environment is None:
            self._hold_off(shelf, fault)
            self._kept -= 1
            self._freed()
        elif fault is not None:
            self._hold_off(shelf, fault)
            await self._stop(environment, Ending.FAILED)
        else:
            shelf.kept.fault = None
            shelf.kept.environments.add(environment)
            environment.on_death = partial(self._died, shelf, environment)
            self._offer(shelf, environment)
            self._supply(shelf)

    def _died(self, shelf: Shelf, environment: Environment) -> None:
        """A runtime ended by itself between invocations."""
        if environment not in shelf.ready or self._closing:
            return  # who has taken it will see
        shelf.ready.remove(environment)
        self._lost(shelf, environment)

    def _lost(self, shelf: Shelf, environment: Environment) -> None:
        """A provisioned environment needs a new runtime: another takes its place."""
        if time.monotonic() - environment.idle_since > STEADY_SECONDS:
            shelf.kept.failures = 0
        self._hold_off(shelf, None)
        self._give_up(shelf, environment, Ending.FAILED)

    def _give_up(self, shelf: Shelf, environment: Environment, why: Ending) -> asyncio.Task[None]:
        shelf.kept.environments.discard(environment)
        return self._end(environment, why)

    def _hold_off(self, shelf: Shelf, fault: str | None) -> None:
        """Start the next one later, the more of them failed on end."""
        if not shelf.retired and not self._closing:
            shelf.kept.failed(fault, partial(self._supply, shelf))

    def forget(self, key: Key) -> None:
        """A version changed or is gone: its idle environments end, busy ones after their answer."""
        shelf = self._shelves.pop(key, None)
        if shelf is not None:
            self._retire(shelf)

    def _retire(self, shelf: Shelf) -> None:
        shelf.retired = True
        self._keeping.discard(shelf)
        shelf.kept.close()
        idle, shelf.idle, shelf.ready = shelf.idle + shelf.ready, [], []
        for environment in idle:
            self._end(environment, self._leaving)

    @property
    def _leaving(self) -> Ending:
        return Ending.STOPPED if self._closing else Ending.CHANGED

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = time.monotonic()
            for shelf in tuple(self._shelves.values()):
                while shelf.idle and shelf.idle[0].idle_since < now - self._idle_seconds:
                    self._end(shelf.idle.pop(0), Ending.AGE)
                self._renew(shelf)
            for shelf in tuple(self._waited_for):
                self._grow(shelf)  # others may be idle by now
            for shelf in tuple(self._keeping):
                self._supply(shelf)

    def _renew(self, shelf: Shelf) -> None:
        """Give up an environment whose credentials end soon: one at a time, so that those that
        were provisioned together are not all missed together."""
        now = time.time()
        for unused in (shelf.idle, shelf.ready):
            worn = next((each for each in unused if each.worn_at < now), None)
            if worn is not None:
                unused.remove(worn)
                self._give_up(shelf, worn, Ending.AGE)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def abort(self) -> None:
        """Refuse those who wait and end what runs: the server is stopping."""
        self._closing = True
        for shelf in self._waited_for:
            for ours in shelf.waiting:
                if not ours.done():
                    ours.set_exception(SandboxFailed(STOPPING))
        for environment in self._all:
            environment.abort()

    async def close(self) -> None:
        """End every environment; nothing of them is left when this returns."""
        self.abort()
        if self._sweeper is not None:
            self._sweeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeper
        for shelf in self._shelves.values():
            self._retire(shelf)
        while self._tasks:
            await asyncio.wait(self._tasks, timeout=1.0)
