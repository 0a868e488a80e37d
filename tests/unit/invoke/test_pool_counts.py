"""The pool's counts in whatever order things happen: they are right, and nothing is left over."""

from __future__ import annotations

import asyncio
import math
import sys
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamella.errors import ApiError, SandboxFailed, SnapStartFailed
from lamella.invoke.admission import Admission
from lamella.invoke.environment import Environment
from lamella.invoke.kept import NOT_INITIALISED, NOT_STARTED
from lamella.invoke.pool import LAST_SECONDS, Pool
from lamella.invoke.pressure import Cause
from lamella.invoke.shelf import Shelf
from lamella.model.concurrency import Share
from lamella.model.function import Function
from lamella.model.lifecycle import EnvironmentState
from tests.unit.functions.works import a_function
from tests.unit.layers.shelf import NOW

HERE = ("000000000000", "eu-west-1")
NAMES = ("a", "b")
MOST = 4


class Hollow(Environment):
    """An environment without a box, that starts when it is told to."""

    def __init__(self, function: Function, provisioned: bool) -> None:
        self.function = function
        self.provisioned = provisioned
        self.state = EnvironmentState.NEW
        self.on_death: Callable[[], None] | None = None
        self.idle_since = time.monotonic()
        self.worn_at = math.inf
        self.started: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def start(self) -> None:
        if not await self.started:
            raise SandboxFailed("no box")
        self.state = EnvironmentState.IDLE

    def die(self) -> None:
        self.state = EnvironmentState.FAILED
        if self.on_death is not None:
            self.on_death()

    def abort(self) -> None:
        if not self.started.done():
            self.started.set_result(False)

    async def stop(self) -> None:
        assert self.state is not EnvironmentState.ENDED, "ended twice"
        self.state = EnvironmentState.ENDED


def test_an_environment_whose_credentials_end_soon_serves_nobody_any_more() -> None:
    async def script() -> None:
        world = World()
        shelf = world.shelf("a")
        world.pool.provision(shelf, 1)
        await world.settle()
        for what in ("started", "take", "take", "started"):
            await world.step(what, "a", 0)
            await world.settle()
        kept, other = (environment for _, environment in world.taken)
        assert kept.provisioned
        for environment in (kept, other):
            environment.worn_at = -math.inf
            await world.step("give back", "a", 0)
        await world.settle()
        assert not shelf.idle
        assert {kept.state, other.state} == {EnvironmentState.ENDED}
        await world.step("started", "a", 0)  # one takes the place of the provisioned one
        await world.settle()
        assert [each.provisioned for each in shelf.ready] == [True]
        shelf.ready[0].worn_at = -math.inf
        world.pool._renew(shelf)
        assert not shelf.ready
        await world.settle()
        await world.step("started", "a", 0)
        world.check()
        await world.end()

    asyncio.run(script())


def test_nobody_gets_an_environment_whose_credentials_ended_while_the_machine_slept() -> None:
    async def script() -> None:
        world = World()
        shelf = world.shelf("a")
        world.pool.provision(shelf, 1)
        for what in ("take", "started", "started", "give back"):
            await world.settle()
            await world.step(what, "a", 0)
        await world.settle()
        assert (len(shelf.ready), len(shelf.idle)) == (1, 1)
        for environment in (*shelf.ready, *shelf.idle):
            environment.worn_at = time.time() - LAST_SECONDS - 1
        await world.step("take", "a", 0)
        await world.settle()
        assert not world.taken
        assert [each.state for each in world.made[:2]] == [EnvironmentState.ENDED] * 2
        await world.step("started", "a", 0)
        await world.settle()
        assert world.taken[0][1] in world.made[2:]
        world.taken[0][1].worn_at = time.time() - 1  # still good for a while
        world.check()
        await world.end()

    asyncio.run(script())


class World:
    """A pool, what it made, who has taken what and who waits."""

    def __init__(self) -> None:
        self.made: list[Hollow] = []
        self.admission = Admission(6)
        self.pool = Pool(self.make, self.admission, most=MOST, idle_seconds=60)
        self.taken: list[tuple[Shelf, Environment]] = []
        self.waiting: list[tuple[Shelf, asyncio.Task[Environment]]] = []
        self.updates = 0

    async def make(self, name: str, function: Function, provisioned: bool) -> Environment:
        environment = Hollow(function, provisioned)
        self.made.append(environment)
        return environment

    def shelf(self, name: str) -> Shelf:
        return self.pool.shelf(
            a_function(name=name, last_modified=NOW + timedelta(seconds=self.updates))
        )

    async def settle(self) -> None:
        """Let everything happen that can, and see who has got something."""
        for _ in range(12):
            await asyncio.sleep(0)
        for shelf, task in [each for each in self.waiting if each[1].done()]:
            self.waiting.remove((shelf, task))
            if not task.cancelled() and task.exception() is None:
                self.taken.append((shelf, task.result()))
            elif not task.cancelled():
                assert isinstance(task.exception(), ApiError | SandboxFailed)

    async def step(self, what: str, name: str, pick: int) -> None:
        shelf = self.shelf(name)
        if what == "take":
            self.waiting.append((shelf, asyncio.ensure_future(self.pool.take(shelf))))
        elif what == "cancel" and self.waiting:
            self.waiting[pick % len(self.waiting)][1].cancel()
        elif what in ("give back", "drop", "give back failed") and self.taken:
            held, environment = self.taken.pop(pick % len(self.taken))
            if what == "drop":
                self.pool.drop(held, environment)
            else:
                if what == "give back failed":
                    environment.state = EnvironmentState.FAILED
                self.pool.give_back(held, environment)
        elif what in ("started", "not started"):
            pending = [each for each in self.made if not each.started.done()]
            if pending:
                pending[pick % len(pending)].started.set_result(what == "started")
        elif what == "die":
            ready = [each for each in shelf.ready if isinstance(each, Hollow)]
            if ready:
                ready[pick % len(ready)].die()
        elif what == "provision":
            self.pool.provision(shelf, pick % 4)
        elif what == "reserve":
            self.admission.share_out(*HERE, {name: Share(pick % 4)} if pick % 5 else {})
        elif what == "memory":
            self.pool.budget.held = sys.maxsize if pick % 3 else 0
        elif what == "evict":
            unused = self.pool.unused()
            if unused:
                self.pool.evict(unused[pick % len(unused)].environment, Cause.MEMORY)
        elif what == "change":
            self.updates += 1
            self.pool.forget((*HERE, name, "$LATEST"))

    def check(self) -> None:
        running = sum(gate for _, _, gate in self.admission.running())
        assert running == len(self.taken) + len(self.waiting)
        there = [each for each in self.made if each.state is not EnvironmentState.ENDED]
        assert self.pool.count == len(there) <= MOST
        for name in NAMES:
            shelf = self.shelf(name)
            busy = {each for each in shelf.busy if each.provisioned}
            assert shelf.kept.environments == busy.union(shelf.ready)
            assert all(each.provisioned for each in shelf.ready)
            assert not any(each.provisioned for each in shelf.idle)

    async def end(self) -> None:
        for _, task in self.waiting:
            task.cancel()
        await self.settle()
        for shelf, environment in self.taken:
            self.pool.give_back(shelf, environment)
        await self.pool.close()
        assert [count for _, _, count in self.admission.running()] in ([], [0])
        assert self.admission._place(*HERE).shared == 0
        assert (self.pool.count, self.pool._kept) == (0, 0)
        assert all(each.state is EnvironmentState.ENDED for each in self.made)


STEPS = st.tuples(
    st.sampled_from(
        (
            *("take", "take", "started", "started", "give back", "provision"),
            *("cancel", "drop", "give back failed", "not started", "die", "reserve", "change"),
            *("memory", "evict"),
        )
    ),
    st.sampled_from(NAMES),
    st.integers(0, 10),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, min_size=20, max_size=60))
def test_counts_are_right_after_every_step_and_nothing_is_left(
    steps: list[tuple[str, str, int]],
) -> None:
    async def run() -> None:
        world = World()
        for step in steps:
            await world.step(*step)
            await world.settle()
            world.check()
        await world.end()

    asyncio.run(run())


def test_who_gives_up_just_as_it_gets_one_keeps_nothing() -> None:
    async def run() -> None:
        world = World()
        shelf = world.shelf("a")
        first, second = (asyncio.ensure_future(world.pool.take(shelf)) for _ in range(2))
        await world.settle()
        world.made[0].started.set_result(True)
        environment = await first
        world.pool.give_back(shelf, environment)
        second.cancel()
        await world.settle()
        assert shelf.idle == [environment]
        assert not shelf.busy
        await world.end()

    asyncio.run(run())


def test_provisioned_ones_are_taken_before_others() -> None:
    async def run() -> None:
        world = World()
        shelf = world.shelf("a")
        taking = asyncio.ensure_future(world.pool.take(shelf))
        await world.settle()
        world.made[0].started.set_result(True)
        on_demand = await taking
        world.pool.provision(shelf, 1)
        await world.settle()
        world.made[1].started.set_result(True)
        await world.settle()
        world.pool.give_back(shelf, on_demand)
        for expected in (True, False):
            environment = await world.pool.take(shelf)
            world.taken.append((shelf, environment))
            assert environment.provisioned is expected
        await world.end()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("error", "fault", "is_logged"),
    [
        (SnapStartFailed(), NOT_INITIALISED, False),
        (SandboxFailed("no box"), NOT_STARTED, True),
    ],
    ids=["theirs", "ours"],
)
def test_why_a_provisioned_one_is_missing_says_whose_fault_it_is(
    caplog: pytest.LogCaptureFixture, error: Exception, fault: str, is_logged: bool
) -> None:
    async def run() -> None:
        world = World()
        shelf = world.shelf("a")
        world.pool.provision(shelf, 1)
        await world.settle()
        world.made[0].started.set_exception(error)
        await world.settle()
        assert world.made[0].state is EnvironmentState.ENDED
        assert world.pool.standing(shelf).fault == fault
        world.check()
        await world.step("started", "a", 0)  # it is tried again
        await world.settle()
        standing = world.pool.standing(shelf)
        assert (standing.available, standing.fault) == (1, None)
        world.check()
        await world.end()

    asyncio.run(run())
    assert ("could not start" in caplog.text) is is_logged
