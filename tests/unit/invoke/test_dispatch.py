"""What the dispatcher keeps of resolved functions, and when it forgets it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Never

from lamella.functions.ready import key_of
from lamella.invoke.admission import Admission
from lamella.invoke.dispatch import Dispatcher
from lamella.invoke.pool import Pool
from lamella.model.function import Function
from tests.unit.functions.works import a_function

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
