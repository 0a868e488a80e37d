"""What environments may hold together: the rules, and the guard over a pool that is made up."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from lamella.invoke.pressure import (
    LEAST_BYTES,
    Budget,
    Cause,
    MemoryGuard,
    Seen,
    Unused,
    excess,
    first_to_go,
    in_turn,
)
from lamella.sandbox.usage import Machine

GIB = 2**30
ROOMY = Machine(total=20 * GIB, available=10 * GIB, stalled=0.0)


@pytest.mark.parametrize(
    ("held", "available", "stalled", "expected"),
    [
        (4 * GIB, 10 * GIB, 0.0, None),
        (5 * GIB, GIB, 0.0, None),
        (6 * GIB, 10 * GIB, 0.0, (Cause.MEMORY, GIB)),
        (0, GIB // 4, 0.0, (Cause.HOST, 3 * GIB // 4)),
        (6 * GIB, GIB // 4, 0.0, (Cause.MEMORY, GIB)),
        (0, 2 * GIB, 9.9, None),
        (0, 2 * GIB, 10.0, (Cause.HOST, GIB)),
        (0, 10 * GIB, 90.0, None),
    ],
    ids=[
        *("room", "both at their bounds", "too much held", "a host without memory"),
        *("both, by the greater", "few stalls", "stalls raise the floor", "stalls with room"),
    ],
)
def test_what_has_to_go(
    held: int, available: int, stalled: float, expected: tuple[Cause, int] | None
) -> None:
    machine = Machine(total=20 * GIB, available=available, stalled=stalled)
    assert excess(5 * GIB, Seen(held, machine)) == expected


def test_unused_longest_first_and_provisioned_last() -> None:
    unused = [Unused("kept", 1.0, True), Unused("new", 9.0), Unused("old", 2.0)]
    assert in_turn(unused) == ["old", "new", "kept"]


def test_no_more_go_than_have_to() -> None:
    sizes = {"a": 10, "b": 0, "c": 10, "d": 10}
    assert first_to_go(list("abcd"), sizes, 15) == ["a", "c"]
    assert first_to_go(list("abcd"), sizes, 0) == []
    assert first_to_go(list("abcd"), sizes, 1000) == ["a", "c", "d"]


def test_a_budget_reckons_what_was_started_since_it_was_seen() -> None:
    budget = Budget(100 * LEAST_BYTES)
    budget.seen(90 * LEAST_BYTES, 9)
    spent = [budget.is_spent]
    budget.started()
    spent.append(budget.is_spent)
    budget.ended()
    assert [*spent, budget.is_spent] == [False, True, False]
    budget.seen(0, 0)
    budget.ended()
    assert budget.held == 0


@dataclass(eq=False)
class Hollow:
    size: int
    used: bool = False

    def memory_held(self) -> int:
        return self.size


@dataclass
class Held:
    """What a pool is to the guard."""

    environments: list[Hollow]
    budget: Budget = field(default_factory=lambda: Budget(25))
    evicted: list[tuple[Hollow, Cause]] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.environments)

    def unused(self) -> list[Unused[Hollow]]:
        return [Unused(each, float(number)) for number, each in enumerate(self.environments)]

    def evict(self, environment: Hollow, cause: Cause) -> asyncio.Task[None] | None:
        if environment.used:
            return None
        self.evicted.append((environment, cause))
        self.environments.remove(environment)
        return asyncio.ensure_future(asyncio.sleep(0))

    def seen(self) -> Seen:
        return Seen(sum(each.size for each in self.environments), ROOMY)


def test_the_guard_ends_what_is_too_much_and_counts_again() -> None:
    held = Held([Hollow(10), Hollow(10), Hollow(10), Hollow(10)])
    first, second = held.environments[:2]
    asyncio.run(MemoryGuard(held, held.seen).look())
    assert held.evicted == [(first, Cause.MEMORY), (second, Cause.MEMORY)]
    assert held.budget.held == 20


def test_what_is_taken_meanwhile_stays() -> None:
    held = Held([Hollow(30, used=True), Hollow(10)])
    asyncio.run(MemoryGuard(held, held.seen).look())
    assert held.evicted == []
    assert held.budget.held == 40


def test_nothing_is_read_while_there_is_nothing() -> None:
    def look() -> Seen:
        raise AssertionError("asked")

    held = Held([])
    asyncio.run(MemoryGuard(held, look).look())
    assert held.budget.held == 0
