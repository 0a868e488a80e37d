"""How many forks of a nest lie ready: as many as starts of late wanted at once, and fewer in time."""

from __future__ import annotations

import asyncio

import pytest

from lamella.invoke import eggs as module
from lamella.invoke.eggs import Eggs
from lamella.sandbox.cgroup import NOTHING
from lamella.sandbox.plan import Limits
from lamella.sandbox.reserve import Reserve
from tests.sandbox.boxes import MEGABYTE, Boxes
from tests.sandbox.nesting import yard
from tests.sandbox.test_box import InBoxes

SECONDS = 20


def test_a_burst_is_prepared_for_until_none_comes(
    in_boxes: InBoxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lie(eggs: Eggs, count: int) -> None:
        async with asyncio.timeout(SECONDS):
            while eggs.count != count:
                await asyncio.sleep(0.01)

    async def go(boxes: Boxes) -> None:
        async with yard(boxes) as it:
            reserve = Reserve(boxes.spawner, boxes.groups)
            limits = Limits(memory=64 * MEGABYTE, tmp=MEGABYTE)
            failures: list[str] = []
            args = (boxes.spawner, reserve, it.nest, (limits, NOTHING))
            eggs = Eggs(*args, failed=failures.append, gone=lambda: None)
            taken = await asyncio.gather(*(eggs.take() for _ in range(3)))
            assert len({each.name for each in taken if each is not None}) == 3
            await lie(eggs, 4)  # one is always wanted, and three found none
            eggs.calm()
            wanted = [eggs.wanted]
            monkeypatch.setattr(module, "CALM_SECONDS", 0.0001)
            await asyncio.sleep(0.001)
            eggs.calm()
            assert [*wanted, eggs.wanted] == [4, 1]
            await lie(eggs, 1)
            gone = [eggs.are_gone]
            eggs.close()
            await eggs.settled()
            for each in filter(None, taken):
                await each.discard()
                assert each.room is not None
                await boxes.spawner.leave(each.room)
                await reserve.leave(each.group)
            assert [*gone, eggs.are_gone] == [False, True]
            assert failures == []
            await reserve.close()

    in_boxes(go)
