"""Forks of one nest, kept ready and made when one is missing.

As many lie ready as starts of late have wanted at once, and at least one.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from lamella.errors import SandboxFailed
from lamella.sandbox.box import Box
from lamella.sandbox.cgroup import Group, Memory
from lamella.sandbox.fork import Egg, Nest
from lamella.sandbox.reserve import Reserve
from lamella.sandbox.spawn import Spawner

MOST = 8
REST_SECONDS = 0.03
"""How long after an egg was taken the next one is laid: what has just begun goes first."""
CALM_SECONDS = 30.0
"""An egg less lies ready after so long without a start that found none."""


class Grown(Egg):
    """A fork of a process that has been initialised already."""


class Eggs:
    """The forks of ``nest``, which share ``base`` with it. ``failed`` is told, once, why there can be
    no more; ``gone`` each time that fewer of them live. ``living`` are environments, ``laid`` counts
    all that there were."""

    def __init__(
        self,
        spawner: Spawner,
        reserve: Reserve,
        nest: Nest,
        base: Memory,
        failed: Callable[[str], None],
        gone: Callable[[], None],
    ) -> None:
        self.living = 0
        self.laid = 0
        self._spawner = spawner
        self._reserve = reserve
        self._nest = nest
        self._base = base
        self._failed = failed
        self._gone = gone
        self._ready: deque[Egg] = deque()
        self._laying = 0
        self._wanted = 1
        self._missed_at = 0.0
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

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
        return not (self.living or self._laying or self._ready or self._tasks)

    async def take(self) -> Egg | None:
        """One for an environment that starts; None if none can be had."""
        if not self._closed:
            asyncio.get_running_loop().call_later(REST_SECONDS, self.fill)
        if self._ready:
            return self._ready.popleft()
        self._missed_at = time.monotonic()
        self._wanted = min(MOST, self._wanted + 1)
        return await self._lay()

    async def _lay(self) -> Egg | None:
        group: Group | None = None
        self._laying += 1
        try:
            group = self._reserve.make()
            name = f"{self._nest.box.name}.{next(self._numbers)}"
            egg = Grown(self._spawner, self._nest, name, group, self._hatched)
            await egg.lay()
        except (SandboxFailed, OSError) as error:
            if group is not None:
                await self._reserve.leave(group)
            if not self._closed:
                self._failed(str(error))
            return None
        else:
            self.laid += 1
            return egg
        finally:
            self._laying -= 1
            self._gone()

    def _hatched(self, box: Box) -> None:
        self.living += 1
        box.base = Memory(self._base.held, self._base.resident)

        def ended(_: asyncio.Future[int]) -> None:
            self.living -= 1
            self._gone()

        box.exited.add_done_callback(ended)

    def fill(self) -> None:
        """Have as many ready as are wanted."""
        if time.monotonic() - self._missed_at > CALM_SECONDS and self._wanted > 1:
            self._wanted -= 1
            self._missed_at = time.monotonic()
        while not self._closed and len(self._ready) + len(self._tasks) < self._wanted:
            self._spawn(self._stock())

    async def _stock(self) -> None:
        egg = await self._lay()
        if egg is None:
            return
        if self._closed:
            await self._discard(egg)
        else:
            self._ready.append(egg)

    async def _discard(self, egg: Egg) -> None:
        with contextlib.suppress(SandboxFailed):
            await egg.discard()
        await self._reserve.leave(egg.group)

    def close(self) -> None:
        """Have no more of them; those that live go on."""
        self._closed = True
        while self._ready:
            self._spawn(self._discard(self._ready.popleft()))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._gone()
