"""What is compared: rows of several sides, and the bars that some of them have to meet."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

LAMELLA: Final = "Lamella"
PLAIN: Final = "Lamella, nothing preloaded"
EMULATOR: Final = "AWS's emulator"
ABSENT: Final = "AWS's emulator, bytecode absent"
OFFLINE: Final = "serverless-offline"
PODMAN: Final = "podman + crun"
COLD: Final = "cold"
"""The group of rows that are drawn and have a column for each side."""


@dataclass(frozen=True, slots=True)
class Side:
    """What was measured of one side, in the order measured; ``note`` says why nothing was.

    ``times`` are milliseconds unless the row says otherwise. ``rate`` is requests a second, where
    several callers were measured.
    """

    times: Sequence[float] = ()
    rate: float | None = None
    note: str = ""

    @property
    def median(self) -> float | None:
        return statistics.median(self.times) if self.times else None

    @property
    def p99(self) -> float | None:
        """The 99th percentile by nearest rank (the slowest, when there are under 100)."""
        if not self.times:
            return None
        ranked = sorted(self.times)
        return ranked[min(len(ranked) - 1, -(-99 * len(ranked) // 100) - 1)]

    def as_json(self) -> dict[str, Any]:
        if not self.times:
            return {"note": self.note or "not measured"}
        return {
            "median": round(self.median or 0, 4),
            "p99": round(self.p99 or 0, 4),
            "count": len(self.times),
            **({"rate_per_second": round(self.rate, 1)} if self.rate else {}),
        }


@dataclass(frozen=True, slots=True)
class Bar:
    """A promise: ``value`` is at most ``limit``, or with ``least`` at least. None: not measured."""

    what: str
    value: float | None
    limit: float
    least: bool = False
    unit: str = ""

    @property
    def met(self) -> bool | None:
        if self.value is None:
            return None
        return self.value >= self.limit if self.least else self.value <= self.limit

    def as_json(self) -> dict[str, Any]:
        return {
            "what": self.what,
            "value": None if self.value is None else round(self.value, 4),
            "limit": self.limit,
            "least": self.least,
            "unit": self.unit,
            "met": self.met,
        }


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison: each side by its name, and the bars. ``group`` says where it is shown."""

    what: str
    sides: Mapping[str, Side]
    bars: tuple[Bar, ...] = ()
    group: str = ""
    unit: str = "ms"

    def as_json(self) -> dict[str, Any]:
        return {
            "what": self.what,
            "group": self.group,
            "unit": self.unit,
            "sides": {name: side.as_json() for name, side in self.sides.items()},
            "bars": [bar.as_json() for bar in self.bars],
        }


def ratio(what: str, one: Side, other: Side, limit: float) -> Bar:
    """The first side's median is at most ``limit`` medians of the other."""
    value = None if one.median is None or not other.median else one.median / other.median
    return Bar(what, value, limit)


def more(what: str, one: Side, other: Side, limit: float) -> Bar:
    """The first side's median is at most ``limit`` ms above the other's."""
    value = None if one.median is None or other.median is None else one.median - other.median
    return Bar(what, value, limit, unit="ms")
