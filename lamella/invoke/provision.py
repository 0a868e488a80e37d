"""Provisioned concurrency: which versions have how many environments kept ready, as things change.

What is to be comes from the records (`lamella.functions.provisioned.plan`); the pool keeps it. A
function is looked at again whenever it, its aliases or what is provisioned for it changes, so
that environments follow an alias, and are new ones when what they were made of is another.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping

from lamella.errors import ApiError
from lamella.invoke.pool import Key, Pool
from lamella.invoke.shelf import Shelf
from lamella.model.concurrency import Standing

Where = tuple[str, str, str]
"""Account, region and name of a function."""
Find = Callable[[str, str, str, str], Awaitable[Shelf]]
Plan = Callable[[Where], Mapping[str, int]]
"""Of a function to how many environments each of its versions is to have; blocking."""

log = logging.getLogger(__name__)


class Provisioner:
    """The provisioned environments of this server. On the event loop, but for `standing`."""

    def __init__(self, pool: Pool, find: Find, plan: Plan) -> None:
        self._pool = pool
        self._find = find
        self._plan = plan
        self._shelves: dict[Where, dict[str, Shelf]] = {}
        self._faults: dict[Key, str] = {}
        self._following: dict[Where, asyncio.Task[None]] = {}
        self._again: set[Where] = set()

    def changed(self, where: Where) -> None:
        """Something else is provisioned for a function; what failed is tried again."""
        for shelf in self._shelves.setdefault(where, {}).values():
            self._pool.try_again(shelf)
        self._forget_faults(where)
        self.look_again(where)

    def look_again(self, where: Where) -> None:
        """A function or an alias of it changed; nothing to do for one without provisioning."""
        if where not in self._shelves:
            return
        if where in self._following:
            self._again.add(where)
            return
        task = asyncio.get_running_loop().create_task(self._follow(where))
        self._following[where] = task
        task.add_done_callback(lambda done: self._followed(where, done))

    def standing(self, where: Where, version: str) -> Standing:
        """How far it is with one version. For any thread."""
        fault = self._faults.get((*where, version))
        shelf = self._shelves.get(where, {}).get(version)
        if shelf is None or shelf.retired:
            return Standing(fault=fault)
        return self._pool.standing(shelf)

    async def close(self) -> None:
        """Follow nothing any more; the environments are the pool's to end."""
        self._shelves.clear()
        for task in tuple(self._following.values()):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def _followed(self, where: Where, done: asyncio.Task[None]) -> None:
        del self._following[where]
        if not done.cancelled() and done.exception() is not None:
            log.error("what is provisioned for %s is not kept", where, exc_info=done.exception())
        if where in self._again:
            self._again.discard(where)
            self.look_again(where)

    async def _follow(self, where: Where) -> None:
        """Make what is kept of a function's versions what the records say."""
        wanted = await asyncio.to_thread(self._plan, where)
        shelves = self._shelves.get(where, {})
        for version in [version for version in shelves if version not in wanted]:
            self._pool.provision(shelves.pop(version), 0)
        for version, count in wanted.items():
            key = (*where, version)
            try:
                shelf = await self._find(*key)
            except ApiError as error:
                self._faults[key] = error.message
                continue
            self._faults.pop(key, None)
            shelves[version] = shelf
            self._pool.provision(shelf, count)
        if not wanted and where not in self._again:
            self._shelves.pop(where, None)
            self._forget_faults(where)

    def _forget_faults(self, where: Where) -> None:
        for key in [key for key in self._faults if key[:3] == where]:
            del self._faults[key]
