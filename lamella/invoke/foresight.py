"""Makes the zygote of a layer set before its first call, where it takes the place of one in use.

A function whose environments were forks of a zygote, and that has other layers now or another
runtime, will be called again: what it imported before is most of what it will import. The same goes
for an alias that is moved to a version with other layers. And what had a zygote when the server
ended has one again soon after it began.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterable, Mapping

from sqlalchemy.exc import SQLAlchemyError

from lamella.errors import LamellaError
from lamella.functions.ready import kept
from lamella.invoke.furnish import Furnisher
from lamella.invoke.learned import LayerSet, Lesson, set_of
from lamella.invoke.zygote import Key, Zygote
from lamella.invoke.zygotes import Zygotes
from lamella.layers.collect import Collecting
from lamella.model.alias import Alias
from lamella.model.function import Function, State, UpdateStatus
from lamella.records.base import Records

REVIVED = 8
"""Sets that have a zygote again at the start, at most."""
RECENT_SECONDS = 86_400.0
"""How long ago a set that is to have one was last asked what it imports, or had one made."""
VERSIONS = 50
"""How many of a function are looked at."""
CALM_SECONDS = 2.0
"""What comes at the start goes first."""

log = logging.getLogger(__name__)


class Foresight:
    """Told of what changes from any thread; works on the event loop that it is made on."""

    def __init__(
        self, zygotes: Zygotes, furnisher: Furnisher, records: Records, collecting: Collecting
    ) -> None:
        self._zygotes = zygotes
        self._furnisher = furnisher
        self._records = records
        self._collecting = collecting
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._reviving: asyncio.Task[None] | None = None

    def changed(self, function: Function) -> None:
        """A version is another than before, or new, or gone."""
        is_settled = function.last_update_status is UpdateStatus.SUCCESSFUL
        if self._zygotes.count and function.state is State.ACTIVE and is_settled:
            self._loop.call_soon_threadsafe(self._look, function)

    def moved(self, alias: Alias) -> None:
        """An alias stands for what it has not stood for. Blocks."""
        if not self._zygotes.count:
            return
        for version in alias.versions:
            row = self._records.function(alias.account, alias.region, alias.function, version)
            if row is not None:
                self.changed(row)

    def _look(self, function: Function) -> None:
        before = self._before(function)
        if before is not None:
            task = self._loop.create_task(self._build(before, function))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _before(self, function: Function) -> Zygote | None:
        if not (function.runtime or "").startswith("python"):
            return None
        return predecessor(self._zygotes.key(function), function.name, self._zygotes.standing())

    async def _build(self, before: Zygote, function: Function) -> None:
        held = [layer.digest for layer in function.layers]
        try:
            if await asyncio.to_thread(self._hold, function, held):
                self._zygotes.succeed(before, function)
                await asyncio.to_thread(self._collecting.release, held)
        except (LamellaError, OSError, SQLAlchemyError) as error:
            log.warning("no zygote ahead of %s: %s", function.arn, error)

    def _hold(self, function: Function, held: list[str]) -> bool:
        """Keep the layers of a version; False if it is gone, or was changed, or does not fork."""
        with kept(self._records, self._collecting, function) as current:
            if not current or self._furnisher.furnish(function, "ahead").plain is not None:
                return False
            self._collecting.hold(held)
            return True

    def revive(self, known: Mapping[LayerSet, Lesson]) -> None:
        """At start-up: have zygotes made for the sets that had one of late."""
        sets = recent(known, time.time())
        if sets:
            self._reviving = self._loop.create_task(self._revive(sets))

    async def _revive(self, sets: Iterable[tuple[LayerSet, Lesson]]) -> None:
        await asyncio.sleep(CALM_SECONDS)
        for which, lesson in sets:
            held = list(which.layers)
            try:
                function = await asyncio.to_thread(self._one_of, which, lesson)
                if function is not None and await asyncio.to_thread(self._hold, function, held):
                    try:
                        await self._zygotes.revive(function)
                    finally:
                        await asyncio.to_thread(self._collecting.release, held)
            except (LamellaError, OSError, SQLAlchemyError) as error:
                log.warning("a layer set has no zygote yet: %s", error)

    def _one_of(self, which: LayerSet, lesson: Lesson) -> Function | None:
        """A version that has this set and can be invoked, if one is left. Blocks."""
        for code in reversed(list(lesson.inits)):
            region, name, _ = code.split(":")
            page = self._records.function_versions(
                which.account, region, name, after=None, limit=VERSIONS
            )
            for row in page.rows:
                if row.state is State.ACTIVE and set_of(row) == which:
                    return row
        return None

    async def close(self) -> None:
        if self._reviving is not None:
            self._reviving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reviving
        while self._tasks:
            await asyncio.wait(self._tasks, timeout=1.0)


def recent(known: Mapping[LayerSet, Lesson], now: float) -> list[tuple[LayerSet, Lesson]]:
    """The sets whose zygote was good, those first that were heard of last."""
    heard = {
        which: max(lesson.last, lesson.verdict.time)
        for which, lesson in known.items()
        if lesson.inits and lesson.verdict is not None and lesson.verdict.fault is None
    }
    latest = sorted(heard, key=lambda which: -heard[which])[:REVIVED]
    return [(which, known[which]) for which in latest if now - heard[which] < RECENT_SECONDS]


def predecessor(key: Key, name: str, standing: Iterable[Zygote]) -> Zygote | None:
    """Which zygote the one of ``key`` would follow for the function ``name``: of those that it was
    a fork of, the one used last; None if there is no need of another."""
    before: Zygote | None = None
    for each in standing:
        if each.key == key:
            return None
        same = (each.key.account, each.key.region) == (key.account, key.region)
        is_later = before is None or each.used_at > before.used_at
        if same and name in each.users and is_later:
            before = each
    return before
