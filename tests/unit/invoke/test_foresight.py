"""Which layer sets have a zygote again when a server has begun."""

from __future__ import annotations

from lamella.invoke.foresight import RECENT_SECONDS, REVIVED, recent
from lamella.invoke.learned import LayerSet, Lesson, Verdict

NOW = 1_000_000.0


def lesson(last: float, *, built: float | None = 0.0, fault: str | None = None) -> Lesson:
    verdict = None if built is None else Verdict(time=built, fault=fault)
    return Lesson(inits={"eu-west-1:f:c": 1}, last=last, verdict=verdict)


def of(*lessons: Lesson) -> list[str]:
    known = {LayerSet("1", "python3.13", (str(n),)): each for n, each in enumerate(lessons)}
    return [which.layers[0] for which, _ in recent(known, NOW)]


def test_what_was_heard_of_last_comes_first() -> None:
    assert of(lesson(NOW - 9), lesson(NOW - 5), lesson(NOW - 99, built=NOW - 1)) == ["2", "1", "0"]


def test_sets_without_a_good_zygote_or_not_heard_of_for_long_are_left_out() -> None:
    old = NOW - RECENT_SECONDS
    assert of(lesson(NOW, built=None), lesson(NOW, fault="it"), lesson(old)) == []
    assert of(Lesson(last=NOW, verdict=Verdict(time=NOW))) == []


def test_there_are_only_so_many() -> None:
    assert len(of(*(lesson(NOW - n) for n in range(REVIVED + 3)))) == REVIVED
