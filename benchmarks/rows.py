"""What is compared: rows of two sides, their ratio, and the bar each has to meet."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Side:
    """Milliseconds of one side, in the order measured; ``note`` says why there are none.

    ``rate`` is requests a second, where several callers were measured.
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

    def shown(self) -> str:
        if self.median is None or self.p99 is None:
            return self.note or "not measured"
        text = f"{self.median:.3g} / {self.p99:.3g}" if self.median < 100 else ""
        text = text or f"{self.median:.0f} / {self.p99:.0f}"
        return f"{text} ({self.rate:,.0f}/s)" if self.rate else text

    def as_json(self) -> dict[str, Any]:
        if not self.times:
            return {"note": self.note}
        return {
            "median_ms": round(self.median or 0, 4),
            "p99_ms": round(self.p99 or 0, 4),
            "count": len(self.times),
            **({"rate_per_second": round(self.rate, 1)} if self.rate else {}),
        }


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison. ``bar`` is the most that Lamella's median may be, in the other's medians."""

    what: str
    other: Side
    lamella: Side
    bar: float | None = None

    @property
    def ratio(self) -> float | None:
        if self.lamella.median is None or self.other.median is None:
            return None
        return self.lamella.median / self.other.median

    @property
    def met(self) -> bool | None:
        """Whether the bar is met; None where there is none or nothing to hold against it."""
        if self.bar is None or self.ratio is None:
            return None
        return self.ratio <= self.bar

    def cells(self) -> tuple[str, ...]:
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        bar = "" if self.bar is None else f"≤ {self.bar:g}"
        verdict = {True: "met", False: "NOT met", None: ""}[self.met]
        return self.what, self.other.shown(), self.lamella.shown(), ratio, bar, verdict

    def as_json(self) -> dict[str, Any]:
        return {
            "what": self.what,
            "other": self.other.as_json(),
            "lamella": self.lamella.as_json(),
            "ratio": None if self.ratio is None else round(self.ratio, 3),
            "bar": self.bar,
            "met": self.met,
        }
