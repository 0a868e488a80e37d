"""The eggs of one nest: forks that are boxes already and wait for a function.

As many lie ready as starts of late have wanted at once. New ones are laid when starts have paused:
what has just begun goes first.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from lamella.errors import SandboxFailed
from lamella.invoke.furnish import RUNTIME_API_PORT
from lamella.sandbox.box import Box
from lamella.sandbox.cgroup import Group, Memory
from lamella.sandbox.fork import Egg, Nest
from lamella.sandbox.plan import Limits
from lamella.sandbox.reserve import Reserve
from lamella.sandbox.spawn import Spawner

MOST = 24
REST_SECONDS = 0.05
"""How long starts have to pause before eggs are laid in the place of those they took."""
LONGEST_REST_SECONDS = 0.5
"""Eggs are laid after so long also where starts do not pause."""
CALM_SECONDS = 30.0
"""An egg less lies ready after so long without a start that found none."""


UNRESTORED = 70
"""What a fork ends with that fails before any code of the function runs in it."""


class Grown(Egg):
    """A fork of a process that has been initialised already."""


class Eggs:
    """The forks of ``nest``, of class ``kind``, which share memory with it: ``kept`` are the limits that
    most of them will have, and that memory. ``failed`` is told why there can be no more, ``gone`` is
    called each time that fewer of them live. ``laid`` counts all that there were."""

    def __init__(
        self,
        spawner: Spawner,
        reserve: Reserve,
        nest: Nest,
        kept: tuple[Limits, Memory],
        failed: Callable[[str], None],
        gone: Callable[[], None],
        kind: type[Egg] = Egg,
    ) -> None:
        self.laid = 0
        self._spawner = spawner
        self._reserve = reserve
        self._nest = nest
        self._limits, self._base = kept
        self._failed = failed
        self._gone = gone
        self._kind = kind
        self._numbers = itertools.count(1)
        self._ready: deque[Egg] = deque()
        self._unhatched: set[Egg] = set()
        self._laying = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._resting: asyncio.TimerHandle | None = None
        self._rested_since = 0.0
        self._taken_at = 0.0
        self._missed_at = 0.0
        self._is_closed = False
        self.living = 0
        """Boxes that came of them."""
        self.wanted = 1
        """How many lie ready, when starts have paused."""

    @property
    def count(self) -> int:
        """How many lie ready."""
        return len(self._ready)

    @property
    def groups(self) -> tuple[Group, ...]:
        """Those of the forks that lie ready. For any thread."""
        return tuple(each.group for each in tuple(self._ready))

    @property
    def are_gone(self) -> bool:
        """Whether nothing of them is left."""
        return not (self.living or self._laying or self._unhatched or self._tasks)

    async def take(self) -> Egg | None:
        """One that is ready, or is laid now; None if none can be had."""
        self._taken_at = time.monotonic()
        self._rest()
        if self._ready:
            return self._ready.popleft()
        self._missed_at = self._taken_at
        self.wanted = min(MOST, self.wanted + 1)
        return await self._lay(self._limits)

    def calm(self) -> None:
        """Want fewer, the longer no start has found none; what lies ready beyond that ends."""
        while self.wanted > 1 and time.monotonic() - self._missed_at > CALM_SECONDS:
            self.wanted -= 1
            self._missed_at += CALM_SECONDS
        while len(self._ready) > self.wanted:
            self._spawn(self._discard(self._ready.popleft()))

    def fill(self) -> None:
        """Have as many ready as are wanted."""
        if self._is_closed:
            return
        self.calm()
        for _ in range(self.wanted - len(self._ready) - len(self._tasks)):
            self._spawn(self._stock())

    def _rest(self) -> None:
        if self._resting is None and not self._is_closed:
            self._rested_since = self._taken_at
            self._wake_later()

    def _wake_later(self) -> None:
        self._resting = asyncio.get_running_loop().call_later(REST_SECONDS, self._wake)

    def _wake(self) -> None:
        now = time.monotonic()
        self._resting = None
        is_calm = now - self._taken_at >= REST_SECONDS
        if is_calm or now - self._rested_since > LONGEST_REST_SECONDS:
            self.fill()
        else:
            self._wake_later()

    async def sprout(self, limits: Limits) -> Egg | None:
        """One that is to be a nest in its turn; None if none can be had."""
        return None if self._is_closed else await self._lay(limits, nests=True)

    async def _stock(self) -> None:
        egg = await self._lay(self._limits)
        if egg is None:
            return
        if self._is_closed:
            await self._discard(egg)
        else:
            self._ready.append(egg)

    async def _lay(self, limits: Limits, *, nests: bool = False) -> Egg | None:
        self._laying += 1
        group: Group | None = None
        try:
            group = self._reserve.make()
            group.limit(limits)
            name = f"{self._nest.box.name}.{next(self._numbers)}"
            egg = self._kind(self._spawner, self._nest, name, group, self._hatched)
            await egg.lay(limits.tmp, () if nests else (RUNTIME_API_PORT,), nests=nests)
        except (SandboxFailed, OSError) as error:
            if group is not None:
                await self._reserve.leave(group)
            if not self._is_closed:
                self._failed(str(error))
            return None
        else:
            self.laid += 1
            self._unhatched.add(egg)
            egg.left = partial(self._left, egg)
            return egg
        finally:
            self._laying -= 1
            self._gone()

    def _left(self, egg: Egg) -> None:
        self._unhatched.discard(egg)
        self._gone()

    def _hatched(self, box: Box) -> None:
        self.living += 1
        box.base = self._base

        def ended(code: asyncio.Future[int]) -> None:
            if self._kind is Grown and code.result() == UNRESTORED:
                self._failed("a fork of it could not become what it was")
            self.living -= 1
            self._gone()

        box.exited.add_done_callback(ended)

    async def _discard(self, egg: Egg) -> None:
        with contextlib.suppress(SandboxFailed):
            await egg.discard()
            if egg.room is not None:
                await self._spawner.leave(egg.room)
        await self._reserve.leave(egg.group)

    def close(self) -> None:
        """Lay no more, and end those that lie ready; those that were taken live on."""
        self._is_closed = True
        if self._resting is not None:
            self._resting.cancel()
        while self._ready:
            self._spawn(self._discard(self._ready.popleft()))

    async def settled(self) -> None:
        """Wait until what `fill` began is there, or what `close` ends has ended."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._gone()
