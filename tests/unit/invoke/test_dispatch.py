"""What the dispatcher keeps of resolved functions, and when it forgets it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Never

from lamella.errors import ResourceNotFound
from lamella.functions.ready import key_of
from lamella.invoke.admission import Admission
from lamella.invoke.dispatch import Dispatcher
from lamella.invoke.pool import Pool
from lamella.model.function import Function
from tests.unit.functions.works import a_function

SECONDS = 20.0
FN = ("000000000000", "eu-west-1", "fn")


async def no_environment(name: str, function: Function, provisioned: bool) -> Never:
    raise AssertionError(f"{name} of {function.arn} is not needed here")


def no_alias(account: str, region: str, name: str, alias: str) -> Never:
    raise AssertionError(f"{alias} of {name} is not needed here")


def dispatching(
    resolve: Callable[[str, str, str, str | None], Function],
    check: Callable[[Dispatcher], Awaitable[None]],
) -> None:
    async def run() -> None:
        pool = Pool(no_environment, Admission(1), most=1, idle_seconds=60)
        try:
            await check(Dispatcher(resolve, no_alias, pool))
        finally:
            await pool.close()

    asyncio.run(run())


def test_a_function_is_resolved_once_until_it_changes() -> None:
    asked: list[str | None] = []

    def resolve(account: str, region: str, name: str, qualifier: str | None) -> Function:
        asked.append(qualifier)
        return a_function(timeout=len(asked))

    async def check(dispatcher: Dispatcher) -> None:
        first = await dispatcher.check(*FN, None)
        assert await dispatcher.check(*FN, None) is first
        dispatcher.forget(key_of(first))
        assert (await dispatcher.check(*FN, None)).timeout == 2

    dispatching(resolve, check)


def test_a_change_while_a_function_is_resolved_is_not_missed() -> None:
    timeouts = iter((1, 2))
    told: list[Callable[[], None]] = []

    def resolve(account: str, region: str, name: str, qualifier: str | None) -> Function:
        function = a_function(timeout=next(timeouts))
        if told:
            told.pop()()
        return function

    async def check(dispatcher: Dispatcher) -> None:
        loop, forgotten = asyncio.get_running_loop(), asyncio.Event()

        def forget() -> None:
            dispatcher.forget((*FN, "$LATEST"))
            forgotten.set()

        def tell() -> None:
            """From the thread that resolves: what a change does, and done before this returns."""
            loop.call_soon_threadsafe(forget)
            asyncio.run_coroutine_threadsafe(forgotten.wait(), loop).result(20)

        told.append(tell)
        assert (await dispatcher.check(*FN, None)).timeout == 2

    dispatching(resolve, check)


def test_what_was_in_use_is_found_again_before_it_is_invoked() -> None:
    asked: list[str | None] = []
    again = threading.Event()

    def resolve(account: str, region: str, name: str, qualifier: str | None) -> Function:
        asked.append(qualifier)
        if len(asked) > 1:
            again.set()
        return a_function(timeout=len(asked))

    async def check(dispatcher: Dispatcher) -> None:
        first = await dispatcher.check(*FN, None)
        dispatcher.forget(key_of(first))
        assert await asyncio.to_thread(again.wait, SECONDS)
        await settled(dispatcher)
        assert (await dispatcher.check(*FN, None)).timeout == 2
        assert len(asked) == 2, "whoever invokes it asks no more"

    dispatching(resolve, check)


def test_what_is_gone_is_found_again_by_nobody() -> None:
    asked: list[str | None] = []

    def resolve(account: str, region: str, name: str, qualifier: str | None) -> Function:
        asked.append(qualifier)
        if len(asked) > 1:
            raise ResourceNotFound("it is gone")
        return a_function()

    async def check(dispatcher: Dispatcher) -> None:
        unseen: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, about: unseen.append(about))
        dispatcher.forget(key_of(await dispatcher.check(*FN, None)))
        await settled(dispatcher)
        assert len(asked) == 2
        dispatcher.forget((*FN, "$LATEST"))
        await settled(dispatcher)
        assert len(asked) == 2, "it is in use no more"
        assert not unseen

    dispatching(resolve, check)


def test_a_server_that_stops_waits_for_nothing_that_is_found_again() -> None:
    finding, goes_on = threading.Event(), threading.Event()

    def resolve(account: str, region: str, name: str, qualifier: str | None) -> Function:
        if finding.is_set():
            goes_on.wait(SECONDS)
        return a_function()

    async def check(dispatcher: Dispatcher) -> None:
        key = key_of(await dispatcher.check(*FN, None))
        await dispatcher.check(*FN, "$LATEST")
        finding.set()
        dispatcher.forget(key)
        await asyncio.sleep(0)
        assert len(dispatcher._finding) == 2
        await dispatcher.close()
        assert not dispatcher._finding
        goes_on.set()
        await dispatcher.check(*FN, None)
        dispatcher.forget(key)
        assert not dispatcher._finding

    dispatching(resolve, check)


async def settled(dispatcher: Dispatcher) -> None:
    """Wait until nothing is being found again."""
    async with asyncio.timeout(SECONDS):
        while dispatcher._finding:
            await asyncio.sleep(0.001)
