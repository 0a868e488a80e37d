"""What is looked after again and again, whatever one look comes upon."""

from __future__ import annotations

import asyncio

import pytest

from lamella.invoke.rounds import rounds


def test_one_looks_when_that_is_wanted_and_goes_on_after_a_fault(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def run() -> None:
        wanted = asyncio.Event()
        looks = asyncio.Semaphore(0)

        async def look() -> None:
            looks.release()
            if not caplog.records:
                raise OSError("the disk is broken")

        looking = asyncio.create_task(rounds(look, wanted, "snapshots"))
        for _ in range(3):
            wanted.set()
            async with asyncio.timeout(5):  # sooner than it would look by itself
                await looks.acquire()
        looking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await looking

    asyncio.run(run())
    assert [each.message for each in caplog.records] == ["snapshots could not be looked after"]
