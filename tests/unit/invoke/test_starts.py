"""Cold starts are counted by the way they began."""

from __future__ import annotations

import logging

import pytest

from lamella.invoke.starts import BUCKETS, Starts, Way, way_of
from lamella.model.function import Function
from tests.ports.rows import a_function


def test_starts_are_counted_told_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[tuple[Function, Way, float]] = []
    starts = Starts(lambda *told: heard.append(told))
    function = a_function()
    with caplog.at_level(logging.INFO, "lamella.invoke.starts"):
        logging.getLogger("lamella").addHandler(caplog.handler)
        try:
            starts.began(function, "s1", 0.0121)
            starts.began(function, None, 200.0)
        finally:
            logging.getLogger("lamella").removeHandler(caplog.handler)
    assert heard == [(function, Way.SPARE, 0.0121), (function, Way.PLAIN, 200.0)]
    spare, plain = starts.by_way[Way.SPARE], starts.by_way[Way.PLAIN]
    assert (spare.count, spare.total) == (1, 0.0121)
    assert spare.counts[BUCKETS.index(0.016)] == 1
    assert plain.counts[-1] == 1
    said = f"cold start of {function.qualified_arn}: spare, 12.1 ms"
    assert said in [record.getMessage() for record in caplog.records]


def test_a_name_is_that_of_a_spare() -> None:
    assert (way_of("s3"), way_of(None)) == (Way.SPARE, Way.PLAIN)
