"""Boxes kept ready for runtimes that cannot fork: made ahead, and a function put in when chosen.

A ready box has namespaces, a control group, a user and an output of its own, and shows no
function. In it a started interpreter waits with Lamella's client loaded, or a shell for the command
to become (`lamella.runtimes.waiting` says which). The environment that takes it mounts ``/tmp``,
``/opt`` and ``/var/task`` and tells it its variables. Boxes of a kind are kept from its first use
on, which never waits for one, until it has not been used for a while; whatever is wrong with one, an
environment gets a box of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from lamella.errors import SandboxFailed
from lamella.invoke.ahead import ROOM_BYTES
from lamella.invoke.furnish import Furnished
from lamella.invoke.pressure import first_to_go
from lamella.runtimes import waiting
from lamella.sandbox import usage
from lamella.sandbox.box import Box, BoxLost, Pipe, Room
from lamella.sandbox.plan import BoxPlan, Mount
from lamella.sandbox.reserve import Place, Reserve
from lamella.sandbox.spawn import Spawner

MOST = 8
"""How many boxes are kept ready at once."""
MOST_OF_A_KIND = 2
REST_SECONDS = 0.05
"""How long after a box was taken the next one is made: what has just begun goes first."""
BEGIN_SECONDS = 20.0
HOLD_OFF_SECONDS = 1.0
"""When a box of a kind is tried again that could not be made, doubled each time."""
MOST_FAILURES = 8
END_SECONDS = 2.0
REASON_BYTES = 400
SWEEP_SECONDS = 5.0

log = logging.getLogger(__name__)


class Kind(NamedTuple):
    """What environments share that can be begun in the same box."""

    argv: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    overlays: tuple[tuple[str, tuple[Path, ...]], ...]
    binds: tuple[tuple[str, Path], ...]
    symlinks: tuple[tuple[str, str], ...]
    hides: tuple[str, ...]
    listen: tuple[int, ...]
    memory: int


@dataclass(eq=False)
class Stock:
    """The boxes of one kind. ``plan`` is what they are made by; after ``failures`` on end the next
    is made no sooner than at ``not_before``."""

    plan: BoxPlan
    boxes: deque[Ready] = field(default_factory=deque)
    making: int = 0
    wanted: int = 0
    used_at: float = 0.0
    failures: int = 0
    not_before: float = 0.0


class Ready:
    """A box that waits, made by ``plan``."""

    def __init__(
        self, spawner: Spawner, box: Box, plan: BoxPlan, place: Place, pipe: Pipe, orders: int
    ) -> None:
        self.box = box
        self.group = place.group
        self.pipe = pipe
        self.uid = place.uid
        self._spawner = spawner
        self._orders = orders
        self._plan = plan

    @property
    def is_alive(self) -> bool:
        return not self.box.exited.done()

    def memory_held(self) -> int:
        """Bytes. Blocks."""
        return usage.held(self.group, self.box.pid)

    async def become(self, plan: BoxPlan, room: Room, outputs: Sequence[int]) -> Box:
        """Make it the box of ``plan``, which prints where it does already.

        Raises BoxLost if that cannot be: it has ended then.
        """
        mounts = [
            Mount(target, sources)
            for target, sources in plan.overlays.items()
            if sources and sources != self._plan.overlays[target]
        ]
        if self._plan.argv == waiting.SHELL:
            order = waiting.script(plan.argv, plan.environment, plan.directory)
        else:
            order = waiting.told(plan.environment, plan.directory)
        try:
            await self._spawner.attach(self.box.name, mounts, room)
            os.write(self._orders, order)
        except (SandboxFailed, OSError) as error:
            log.warning("a box that was kept ready is of no use: %s", error)
            await self.discard()
            raise BoxLost(str(error)) from error
        except BaseException:
            await self.discard()
            raise
        self._close_orders()
        return self.box

    async def discard(self) -> None:
        """End it. Its place and its pipe are whoever's who has them."""
        self._close_orders()
        self.box.kill()
        await asyncio.wait((self.box.exited,), timeout=END_SECONDS)
        self.box.close()

    def _close_orders(self) -> None:
        if self._orders >= 0:
            os.close(self._orders)
            self._orders = -1


class ReadyBoxes:
    """Gives every environment its place: a ready box where there is one, else an empty one.

    At most ``most`` are kept. ``memory`` is how many bytes they may hold together, 0 for none at
    all; ``idle_seconds`` is how long a kind's boxes are kept that nobody uses.
    """

    def __init__(
        self,
        spawner: Spawner,
        reserve: Reserve,
        *,
        most: int = MOST,
        memory: int,
        idle_seconds: float,
    ) -> None:
        self._spawner = spawner
        self.reserve = reserve
        self._most = most
        self._memory = memory
        self._idle_seconds = idle_seconds
        self._stocks: dict[Kind, Stock] = {}
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.Task[None] | None = None
        self._closing = False
        self.taken = 0
        """How many environments began in a ready box."""
        self.has_room: Callable[[], bool] = lambda: True
        """Whether there is memory for more."""

    def waiting(self) -> list[Ready]:
        """The boxes that wait, those of the kinds used longest ago first."""
        stocks = sorted(self._stocks.values(), key=lambda each: each.used_at)
        return [ready for stock in stocks for ready in stock.boxes]

    def stocks(self) -> tuple[Stock, ...]:
        """The boxes by kind, those of the kind used last first."""
        return tuple(sorted(self._stocks.values(), key=lambda each: -each.used_at))

    @property
    def count(self) -> int:
        """How many boxes wait."""
        return len(self.waiting())

    def evict(self, ready: Ready) -> asyncio.Task[None] | None:
        """End one for want of memory, unless it was taken; of its kind there are fewer then."""
        for stock in self._stocks.values():
            if ready in stock.boxes:
                stock.boxes.remove(ready)
                stock.wanted = len(stock.boxes)
                return self._spawn(self._clear(ready))
        return None

    def take(self, furnished: Furnished) -> Place:
        """A place for an environment that starts. Raises OSError if no group can be made."""
        plan = furnished.ahead
        if plan is None or self._memory <= 0 or self._closing:
            return self.reserve.take()
        stock = self._stocks.setdefault(kind(plan), Stock(plan))
        stock.used_at = time.monotonic()
        asyncio.get_running_loop().call_later(REST_SECONDS, self._fill)
        while stock.boxes:
            ready = stock.boxes.popleft()
            if ready.is_alive:
                self.taken += 1
                return Place(ready.group, ready, ready.uid, ready.pipe)
            self._spawn(self._clear(ready))
        stock.wanted = min(MOST_OF_A_KIND, stock.wanted + 1)
        return self.reserve.take()

    def _fill(self) -> None:
        """Make what is missing, most lately used first; it goes for what was used longest ago."""
        if self._closing:
            return
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().create_task(self._sweep())
        now = time.monotonic()
        stocks = sorted(self._stocks.values(), key=lambda each: -each.used_at)
        left = self._most if self.has_room() else 0
        for stock in stocks:
            most = min(stock.wanted, left)
            while len(stock.boxes) > most:
                self._spawn(self._clear(stock.boxes.popleft()))
            while len(stock.boxes) + stock.making < most and stock.not_before <= now:
                stock.making += 1
                self._spawn(self._make(stock))
            left -= most

    async def _make(self, stock: Stock) -> None:
        try:
            ready = await self._made(stock.plan)
        except (SandboxFailed, OSError, TimeoutError) as error:
            stock.failures += 1
            stock.not_before = time.monotonic() + HOLD_OFF_SECONDS * 2 ** min(
                stock.failures, MOST_FAILURES
            )
            if not self._closing:
                log.warning("no box can be kept ready: %s", error)
            return
        finally:
            stock.making -= 1
        if self._closing or self._stocks.get(kind(stock.plan)) is not stock:
            await self._clear(ready)
        else:
            stock.failures = 0
            stock.boxes.append(ready)
            await self._bound()

    async def _made(self, plan: BoxPlan) -> Ready:
        """A box that waits. Raises SandboxFailed, OSError, TimeoutError."""
        name = f"r{next(self._numbers)}"
        place = self.reserve.take()
        box: Box | None = None
        async with contextlib.AsyncExitStack() as failing, contextlib.AsyncExitStack() as given:
            failing.push_async_callback(self.reserve.leave, place.group)
            place.group.limit(plan.limits)
            room = await self._spawner.room(name, ROOM_BYTES)
            given.push_async_callback(self._spawner.leave, room)
            pipe = Pipe.opened()
            failing.callback(pipe.close)
            theirs, orders = os.pipe2(os.O_CLOEXEC)
            given.callback(os.close, theirs)
            failing.callback(os.close, orders)
            says, says_theirs = os.pipe2(os.O_CLOEXEC)
            given.callback(os.close, says)
            try:
                box = await self._spawner.box(
                    replace(plan, name=name),
                    room,
                    place.group,
                    pipe.writer,
                    spare=place.spare,
                    given=(pipe.frames, theirs, says_theirs),
                )
            finally:
                os.close(says_theirs)
            failing.push_async_callback(_ended, box)
            async with asyncio.timeout(BEGIN_SECONDS):
                if not await _said(says):
                    raise SandboxFailed(f"it has ended: {_printed(pipe)}")
            failing.pop_all()
        at = Place(place.group, None, room.uid)
        return Ready(self._spawner, box, plan, at, pipe, orders)

    async def _clear(self, ready: Ready) -> None:
        """End a box that nobody has taken, and give back everything of it."""
        await ready.discard()
        ready.pipe.close()
        await self.reserve.leave(ready.group)

    async def _bound(self) -> None:
        """Give up boxes used longest ago while all hold more than they may."""
        boxes = self.waiting()
        sizes = await asyncio.to_thread(lambda: {each: each.memory_held() for each in boxes})
        for each in first_to_go(boxes, sizes, sum(sizes.values()) - self._memory):
            self.evict(each)

    async def _sweep(self) -> None:
        while self._stocks:
            await asyncio.sleep(min(SWEEP_SECONDS, self._idle_seconds))
            since = time.monotonic() - self._idle_seconds
            for key in [key for key, each in self._stocks.items() if each.used_at < since]:
                for ready in self._stocks.pop(key).boxes:
                    self._spawn(self._clear(ready))
        self._sweeper = None

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """End every box that waits, and those that are being made."""
        self._closing = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.wait((self._sweeper,))
        stocks = list(self._stocks.values())
        self._stocks.clear()
        for ready in [each for stock in stocks for each in stock.boxes]:
            self._spawn(self._clear(ready))
        while self._tasks:
            await asyncio.wait(self._tasks, timeout=1.0)


def kind(plan: BoxPlan) -> Kind:
    """The kind of a plan that was made by `lamella.invoke.ahead`."""
    return Kind(
        plan.argv,
        tuple(plan.environment.items()),
        tuple(plan.overlays.items()),
        tuple(plan.binds.items()),
        tuple(plan.symlinks.items()),
        plan.hides,
        plan.listen,
        plan.limits.memory,
    )


def _printed(pipe: Pipe) -> str:
    with contextlib.suppress(BlockingIOError):
        return os.read(pipe.reader, REASON_BYTES).decode(errors="replace")
    return "nothing was said"


async def _ended(box: Box) -> None:
    box.kill()
    await asyncio.wait((box.exited,), timeout=END_SECONDS)
    box.close()


async def _said(descriptor: int) -> bool:
    """Whether something comes out of a pipe before its end."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def hear() -> None:
        if not done.done():
            done.set_result(None)

    loop.add_reader(descriptor, hear)
    try:
        await done
    finally:
        loop.remove_reader(descriptor)
    return os.read(descriptor, 1) != b""
