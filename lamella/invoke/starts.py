"""How cold starts began and how long they took: counted by way, and said in the server's own log.

What a function's log tells of its start, REPORT, stays as AWS has it.
"""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Callable
from enum import StrEnum

from lamella.invoke.eggs import Grown
from lamella.invoke.ready import Ready
from lamella.model.function import Function
from lamella.sandbox.box import Ahead
from lamella.sandbox.fork import Egg

BUCKETS = (0.002, 0.004, 0.008, 0.016, 0.03, 0.06, 0.125, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 130)
"""Upper bounds in seconds."""

log = logging.getLogger(__name__)


class Way(StrEnum):
    """How an environment began: restored from a snapshot, as a fork of a zygote, in a box that was
    kept ready, in a control group and process made ahead, or with nothing at hand."""

    RESTORED = "restored"
    FORK = "fork"
    READY = "ready"
    SPARE = "spare"
    PLAIN = "plain"


class Durations:
    """Seconds of what was done, counted by `BUCKETS`; the last count is of what took longer."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.total += seconds

    @property
    def count(self) -> int:
        return sum(self.counts)


class Starts:
    """The cold starts of a server. ``heard`` is told of each that initialised the function: that,
    the way, seconds."""

    def __init__(self, heard: Callable[[Function, Way, float], None]) -> None:
        self._heard = heard
        self.by_way = {way: Durations() for way in Way}

    def began(self, function: Function, spare: str | Ahead | None, seconds: float) -> None:
        """An environment whose first box was made of ``spare`` has come to the end of its
        initialisation, ``seconds`` after it was wanted."""
        way = way_of(spare)
        self.by_way[way].add(seconds)
        if way is not Way.RESTORED:
            self._heard(function, way, seconds)
        milliseconds = round(seconds * 1000, 1)
        log.info(
            "cold start of %s: %s, %s ms",
            function.qualified_arn,
            way,
            milliseconds,
            extra={"told": {"function": function.qualified_arn, "way": way, "ms": milliseconds}},
        )


def way_of(spare: str | Ahead | None) -> Way:
    if isinstance(spare, Grown):
        return Way.RESTORED
    if isinstance(spare, Egg):
        return Way.FORK
    if isinstance(spare, Ready):
        return Way.READY
    return Way.PLAIN if spare is None else Way.SPARE
