"""Boxes are frozen once they have been at rest for a while, and not before."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from lamella.invoke.frost import Frost
from lamella.sandbox.freezer import GroupFreezer

SECONDS = 0.01


class Box:
    def __init__(self, *, at_rest: bool = True) -> None:
        self.served = 0
        self.is_at_rest = at_rest
        self.frozen = 0
        self.looks = 0

    def freeze(self) -> None:
        self.frozen += 1


class Watched(Box):
    """Serves one more invocation each time before it is looked at."""

    @property
    def is_at_rest(self) -> bool:
        self.served += 1
        self.looks += 1
        return True

    @is_at_rest.setter
    def is_at_rest(self, value: bool) -> None:
        pass


def run(script: Callable[[Frost], Awaitable[None]], seconds: float | None = SECONDS) -> None:
    async def whole() -> None:
        frost = Frost(GroupFreezer(), seconds)
        await script(frost)
        frost.close()

    asyncio.run(whole())


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(SECONDS / 4)


def test_a_box_at_rest_is_frozen_once() -> None:
    async def script(frost: Frost) -> None:
        first, second = Box(), Box()
        frost.add(first)
        await until(lambda: first.frozen)
        frost.add(second)
        await until(lambda: second.frozen)
        assert first.frozen == 1
        frost.add(first)  # thawed meanwhile
        await until(lambda: first.frozen == 2)

    run(script)


def test_a_box_at_work_is_frozen_when_it_rests() -> None:
    async def script(frost: Frost) -> None:
        working, other = Box(at_rest=False), Box()
        frost.add(working)
        frost.add(other)
        await until(lambda: other.frozen)
        assert not working.frozen
        working.is_at_rest = True
        await until(lambda: working.frozen)

    run(script)


def test_a_box_that_serves_again_and_again_is_not_frozen() -> None:
    async def script(frost: Frost) -> None:
        box = Watched()
        frost.add(box)
        await until(lambda: box.looks > 10)
        assert not box.frozen

    run(script)


def test_a_box_that_ends_is_left_alone() -> None:
    async def script(frost: Frost) -> None:
        ending, other = Box(), Box()
        frost.add(ending)
        frost.add(other)
        frost.discard(ending)
        frost.discard(ending)
        await until(lambda: other.frozen)
        assert not ending.frozen

    run(script)


def test_where_freezing_is_off_nothing_is_even_looked_at() -> None:
    async def script(frost: Frost) -> None:
        box = Watched()
        frost.add(box)
        await asyncio.sleep(SECONDS)
        assert not box.looks

    run(script, None)
