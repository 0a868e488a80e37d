"""Which zygotes go: rules over what was seen of them."""

from __future__ import annotations

import pytest

from lamella.invoke.worth import (
    LEAST_IDLE_SECONDS,
    RATE_HALVES_SECONDS,
    Demand,
    Going,
    Stand,
    decayed,
    leaving,
    mean,
    worth,
)

HOUR = LEAST_IDLE_SECONDS


def test_what_is_over_the_budget_goes_least_valuable_first() -> None:
    stands = {
        "best": Stand(worth=9.0, held=50, idle=0),
        "least": Stand(worth=1.0, held=40, idle=0),
        "middle": Stand(worth=5.0, held=30, idle=0),
    }
    assert leaving(stands, 120, HOUR) == {}
    assert leaving(stands, 119, HOUR) == {"least": Going.ROOM}
    assert leaving(stands, 79, HOUR) == {"least": Going.ROOM, "middle": Going.ROOM}
    assert set(leaving(stands, 0, HOUR)) == set(stands)


def test_of_two_that_are_worth_the_same_what_is_a_fork_of_the_other_goes_first() -> None:
    stands = {
        "stem": Stand(worth=1.0, held=40, idle=0),
        "fork": Stand(worth=1.0, held=40, idle=0, depth=2),
    }
    assert leaving(stands, 50, 60.0) == {"fork": Going.ROOM}


def test_what_goes_anyway_makes_room_for_others() -> None:
    stands = {
        "gone": Stand(worth=9.0, held=50, idle=0, is_orphan=True),
        "kept": Stand(worth=1.0, held=50, idle=0),
    }
    assert leaving(stands, 60, HOUR) == {"gone": Going.ORPHAN}


@pytest.mark.parametrize(
    ("setting", "idle", "goes"),
    [(600, HOUR, False), (600, HOUR + 1, True), (2 * HOUR, HOUR + 1, False)],
)
def test_what_is_not_used_goes_after_an_hour_or_when_environments_do(
    setting: float, idle: float, goes: bool
) -> None:
    stands = {"it": Stand(worth=1.0, held=1, idle=idle)}
    assert leaving(stands, 10, setting) == ({"it": Going.IDLE} if goes else {})


def test_one_whose_interpreter_is_another_goes() -> None:
    stands = {"it": Stand(worth=1.0, held=1, idle=0, is_stale=True)}
    assert leaving(stands, 10, HOUR) == {"it": Going.INTERPRETER}


def test_worth_is_seconds_saved_for_each_byte() -> None:
    assert worth(0.2, 10, 1_000) == pytest.approx(0.002)
    assert worth(0.2, 10, 0) == pytest.approx(2.0)
    assert worth(0.2, 0, 1_000) == 0


def test_uses_of_ten_minutes_ago_count_half() -> None:
    assert decayed(8.0, RATE_HALVES_SECONDS) == pytest.approx(4.0)
    demand = Demand()
    for _ in range(4):
        demand.note()
    assert 3.9 < demand.rate() <= 4.0
    assert 3.9 < demand.followed().rate() <= 4.0


def test_what_a_fork_saves_is_what_starts_took() -> None:
    demand = Demand()
    assert demand.saved(otherwise=1.5) == 1.5
    demand.took(0.3, forked=False)
    assert demand.saved(otherwise=1.5) == 1.5
    demand.took(0.1, forked=True)
    assert demand.saved(otherwise=1.5) == pytest.approx(0.2)
    assert demand.followed().saved(otherwise=1.5) == pytest.approx(0.2)
    demand.took(9.0, forked=True)
    assert demand.saved(otherwise=1.5) == 0.0


def test_the_mean_follows_what_was_last() -> None:
    assert mean(0.0, 0.4) == 0.4
    assert mean(0.4, 0.8) == pytest.approx(0.5)
