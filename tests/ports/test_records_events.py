"""The laws of the queue of events, on every backend of the port of rows."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import replace

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from lamella.model.event import QueuedEvent, Settled
from lamella.records.base import Records
from tests.ports.rows import ACCOUNT, REGION, Opener


def an_event(number: int, *, name: str = "f", due: float = 1.0) -> QueuedEvent:
    return QueuedEvent(
        id=f"e{number}",
        account=ACCOUNT,
        region=REGION,
        name=name,
        qualifier="live",
        payload=b'{"n": %d}' % number,
        trace_id="Root=1",
        client_context='{"a": 1}',
        accepted=0.5,
        due=due,
    )


def lease(records: Records, now: float = 10.0, **more: object) -> tuple[QueuedEvent, ...]:
    given = {"limit": 100, "each": 100, "busy": (), **more}
    return records.lease_events(now, now + 100, **given)  # type: ignore[arg-type]


def test_an_event_comes_back_as_it_was_accepted_also_after_a_restart(reopen: Opener) -> None:
    records = reopen()
    records.add_events([an_event(1)])
    records.close()
    records = reopen()
    (found,) = lease(records)
    assert replace(found, due=1.0) == an_event(1)
    records.close()


def test_a_leased_event_is_nobody_elses_until_its_lease_is_over(records: Records) -> None:
    records.add_events([an_event(1)])
    assert len(lease(records, 10)) == 1
    assert lease(records, 50) == ()
    assert len(lease(records, 111)) == 1


def test_a_restart_ends_every_lease(records: Records) -> None:
    records.add_events([an_event(1), an_event(2, due=99)])
    lease(records)
    assert records.release_events(20) == 1
    assert [event.id for event in lease(records, 20)] == ["e1"]


def test_what_is_due_first_comes_first_and_nothing_before_it_is_due(records: Records) -> None:
    records.add_events([an_event(n, due=float(10 - n)) for n in range(5)])
    assert records.next_event_due() == 6.0
    assert lease(records, 5) == ()
    assert [event.id for event in lease(records, 8)] == ["e4", "e3", "e2"]
    assert records.next_event_due() == 9.0


def test_one_function_does_not_take_every_place(records: Records) -> None:
    records.add_events([an_event(n, name="many") for n in range(20)])
    records.add_events([an_event(100 + n, name="few", due=2.0) for n in range(2)])
    names = [event.name for event in lease(records, each=4)]
    assert (names.count("many"), names.count("few")) == (4, 2)
    assert lease(records, busy=[(ACCOUNT, REGION, "many")]) == ()


def test_what_is_leased_is_chosen_by_the_rule_whatever_waits(records: Records) -> None:
    chance = random.Random(7)
    held: dict[str, QueuedEvent] = {}
    for turn in range(40):
        now = float(turn)
        arrived = []
        for number in range(chance.randrange(6)):
            event = replace(
                an_event(10 * turn + number, name=chance.choice("abc"), due=now + number / 100),
                account=chance.choice((ACCOUNT, "222222222222")),
                region=chance.choice((REGION, "ap-south-1")),
            )
            arrived.append(event)
        records.add_events(arrived)
        held.update((event.id, event) for event in arrived)
        limit, each = chance.randrange(1, 9), chance.randrange(1, 4)
        busy = {event.function for event in held.values() if chance.random() < 0.1}
        expected = by_the_rule(held.values(), now + 0.04, limit, each, busy)
        found = lease(records, now + 0.04, limit=limit, each=each, busy=busy)
        assert [event.id for event in found] == [event.id for event in expected]
        for event in found:
            records.settle_event(event.id, Settled.SUCCESS)
            del held[event.id]


def by_the_rule(
    waiting: Iterable[QueuedEvent],
    now: float,
    limit: int,
    each: int,
    busy: Collection[tuple[str, str, str]],
) -> list[QueuedEvent]:
    taken: Counter[tuple[str, str, str]] = Counter()
    chosen = []
    for event in sorted(waiting, key=lambda event: event.due):
        taken[event.function] += 1
        if event.due <= now and event.function not in busy and taken[event.function] <= each:
            chosen.append(event)
    return chosen[:limit]


def test_an_event_put_back_has_what_it_was_given(records: Records) -> None:
    records.add_events([an_event(1)])
    (event,) = lease(records)
    told = {"how": "failure", "targets": [{"kind": "destination", "target": "arn"}]}
    assert records.put_back_event(replace(event, due=30, attempts=2, pauses=3, delivery=told))
    assert lease(records, 29) == ()
    (back,) = lease(records, 31)
    assert (back.attempts, back.pauses, back.delivery) == (2, 3, told)
    assert records.keep_delivery(replace(back, delivery={"how": "success"}))
    assert lease(records, 40) == ()  # the same lease goes on
    (again,) = lease(records, 132)
    assert again.delivery == {"how": "success"}


def test_an_event_is_settled_once_and_its_followers_are_accepted_with_that(
    records: Records,
) -> None:
    records.add_events([an_event(1)])
    assert records.settle_event("e1", Settled.SUCCESS, [an_event(2)])
    assert not records.settle_event("e1", Settled.FAILURE, [an_event(3)])
    assert not records.put_back_event(an_event(1))
    assert not records.keep_delivery(an_event(1))
    backlog = records.backlog()
    assert (backlog.accepted, backlog.waiting, backlog.lost) == (2, 1, 0)
    assert backlog.settled == {
        Settled.SUCCESS: 1,
        Settled.FAILURE: 0,
        Settled.DROPPED: 0,
        Settled.UNDELIVERABLE: 0,
    }


def test_several_who_settle_at_once_settle_once(records: Records) -> None:
    records.add_events([an_event(n) for n in range(10)])
    won: list[bool] = []

    def settle() -> None:
        won.extend(records.settle_event(f"e{n}", Settled.SUCCESS) for n in range(10))

    threads = [threading.Thread(target=settle) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sum(won) == 10
    assert records.backlog().lost == 0


def test_no_order_of_things_loses_an_event(reopen: Opener) -> None:
    records = reopen()

    class Queue(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.held: list[QueuedEvent] = []
            self.now = 1.0

        @rule()
        def accept(self) -> None:
            number = records.backlog().accepted
            records.add_events([an_event(number, due=self.now)])

        @rule()
        def take(self) -> None:
            self.now += 1
            self.held += lease(records, self.now, limit=2)

        @rule()
        def give_back(self) -> None:
            if self.held:
                records.put_back_event(replace(self.held.pop(), due=self.now))

        @rule()
        def settle(self) -> None:
            if self.held:
                records.settle_event(self.held.pop().id, Settled.SUCCESS)

        @rule()
        def crash(self) -> None:
            self.held.clear()
            records.release_events(self.now)

        @rule()
        def let_leases_lapse(self) -> None:
            self.now += 200

        @invariant()
        def conserved(self) -> None:
            assert records.backlog().lost == 0

    case = Queue.TestCase
    case.settings = settings(max_examples=10, stateful_step_count=15, deadline=None)
    case().runTest()
    records.close()
