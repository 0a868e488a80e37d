"""The rules of the verdict, and a soak of twenty seconds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.server import serving
from tests.soak.run import OPTIONS, Soak
from tests.soak.verdict import MEGABYTE, Sample, answers, events, flat, nothing_left, slope

AT_REST = Sample(0.0, 50 * MEGABYTE, 8 * MEGABYTE, 30, 10, 7, 60, 16, 0, 0)


def over_minutes(minutes: int, growing: float = 0.0, descriptors: float = 0.0) -> list[Sample]:
    """A sample each second; ``growing`` bytes and ``descriptors`` more with each."""
    return [
        replace(
            AT_REST,
            at=float(at),
            memory=int(AT_REST.memory + growing * at + (at % 7) * MEGABYTE),
            descriptors=int(AT_REST.descriptors + descriptors * at + 12 * (at % 5)),
            environments=at % 5,
        )
        for at in range(60 * minutes)
    ]


def bad(findings: list[object]) -> list[str]:
    return [str(each) for each in findings if str(each).startswith("FAIL")]


def test_a_slope_is_that_of_the_nearest_line() -> None:
    assert slope([(0, 1), (1, 3), (2, 5)]) == pytest.approx(2)
    assert slope([(0, 1), (1, -1), (2, 1)]) == pytest.approx(0)
    assert slope([(1, 1)]) == slope([(1, 1), (1, 5)]) == slope([]) == 0


def test_what_goes_up_and_down_is_flat_and_what_grows_is_not() -> None:
    assert bad([*flat(over_minutes(20))]) == []
    (memory,) = bad([*flat(over_minutes(20, growing=MEGABYTE / 40))])
    assert memory.startswith("FAIL memory does not rise: +2")
    (descriptors,) = bad([*flat(over_minutes(20, descriptors=0.1))])
    assert descriptors.startswith("FAIL descriptors do not rise: +11")


def test_of_a_short_run_nothing_is_said() -> None:
    assert bad([*flat(over_minutes(1, growing=MEGABYTE))]) == []
    assert bad([*flat([])]) == []


def test_what_is_left_is_told() -> None:
    assert bad([*nothing_left(AT_REST, AT_REST)]) == []
    after = replace(AT_REST, processes=8, groups=20, descriptors=60, memory=150 * MEGABYTE)
    assert [each.split()[1] for each in bad([*nothing_left(AT_REST, after)])] == [
        *("processes", "groups", "descriptors", "memory")
    ]


def test_events_are_counted_on_both_sides() -> None:
    seen = {
        "lamella_events_accepted_total": 5,
        'lamella_events_settled_total{how="succeeded"}': 3,
        'lamella_events_settled_total{how="failed"}': 2,
        'lamella_events{state="waiting"}': 0,
        "lamella_events_conservation_difference": 0,
    }
    assert bad([*events(5, seen)]) == []
    assert bad([*events(6, seen)])
    assert bad([*events(5, {**seen, 'lamella_events{state="waiting"}': 1})])


def test_a_kill_costs_one_answer_at_most() -> None:
    assert bad([*answers(10, 2, 2, [])]) == []
    assert len(bad([*answers(0, 3, 2, ["x"])])) == 3


@pytest.mark.slow
def test_twenty_seconds_go_well(tmp_path: Path) -> None:
    with serving(tmp_path / "data", *OPTIONS) as server:
        soak = Soak(server, 20, "20")
        assert list(soak.run())
        report = soak.report()
        bad = [str(each) for each in soak.findings if not each.good]
        assert soak.good, (bad, soak.tally.unexpected)
        assert report["good"]
        assert len(report["samples"]) >= 3
        assert server.stop() == 0
