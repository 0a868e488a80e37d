"""What is remembered of decisions about other accounts' callers, and for how long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from lamella.functions.access import Principal
from lamella.functions.permissions import Place
from lamella.invoke.grants import MOST, SECONDS, Grants

FN = ("000000000000", "eu-west-1", "fn")
WHO = Principal("111122223333", "arn:aws:iam::111122223333:root")
INVOKE = "lambda:InvokeFunction"


class Policies:
    """Decides as it is told, and counts how often it is asked."""

    def __init__(self) -> None:
        self.allowed = True
        self.asked: list[tuple[object, ...]] = []
        self.meanwhile: Callable[[], None] = lambda: None
        self.now = 0.0

    def decide(self, at: Place, who: Principal, action: str, context: Mapping[str, str]) -> bool:
        self.asked.append((at, who, action, *context.items()))
        decided = self.allowed
        self.meanwhile()
        return decided

    def grants(self) -> Grants:
        return Grants(self.decide, clock=lambda: self.now)


def test_a_decision_is_remembered_until_the_function_changes_or_a_moment_has_passed() -> None:
    async def run() -> None:
        policies = Policies()
        grants, at = policies.grants(), Place(*FN, None)
        for _ in range(3):
            assert await grants.allows(at, WHO, INVOKE)
        assert len(policies.asked) == 1
        policies.allowed = False
        assert await grants.allows(at, WHO, INVOKE)
        grants.forget(*FN)
        assert not await grants.allows(at, WHO, INVOKE)
        policies.allowed = True
        grants.forget(*FN[:2], "another")
        assert not await grants.allows(at, WHO, INVOKE)
        policies.now += SECONDS
        assert await grants.allows(at, WHO, INVOKE)

    asyncio.run(run())


def test_each_qualifier_caller_and_action_is_a_question_of_its_own() -> None:
    async def run() -> None:
        policies = Policies()
        grants = policies.grants()
        questions = [
            (Place(*FN, None), WHO, INVOKE),
            (Place(*FN, "live"), WHO, INVOKE),
            (Place(*FN, None), Principal("444455556666", "arn:aws:iam::444455556666:root"), INVOKE),
            (Place(*FN, None), WHO, "lambda:GetFunction"),
        ]
        for _ in range(2):
            for at, who, action in questions:
                assert await grants.allows(at, who, action)
        assert policies.asked == questions

    asyncio.run(run())


def test_what_changes_while_it_is_decided_is_not_remembered() -> None:
    async def run() -> None:
        policies, loop = Policies(), asyncio.get_running_loop()
        grants, at = policies.grants(), Place(*FN, None)

        def revoke() -> None:
            policies.allowed = False

            async def forget() -> None:
                grants.forget(*FN)

            asyncio.run_coroutine_threadsafe(forget(), loop).result(20)

        policies.meanwhile = revoke
        assert await grants.allows(at, WHO, INVOKE)
        policies.meanwhile = lambda: None
        assert not await grants.allows(at, WHO, INVOKE)

    asyncio.run(run())


def test_memory_is_bounded() -> None:
    async def run() -> None:
        policies = Policies()
        grants = policies.grants()
        for number in (*range(MOST + 1), 0):
            await grants.allows(Place(*FN, f"q{number}"), WHO, INVOKE)
        assert len(policies.asked) == MOST + 2

    asyncio.run(run())
