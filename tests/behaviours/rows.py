"""The rows of the table: each a rule of AWS and how a column is tried for it.

A rule that a column breaks raises AssertionError, or whatever else goes wrong on the way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.behaviours.bench import Bench

Check = Callable[[Bench], None]


@dataclass(frozen=True)
class Row:
    """A rule: ``key`` names it in code and in what is recorded, ``text`` on the page."""

    key: str
    part: str
    text: str
    check: Check


ROWS: list[Row] = []


def row(part: str, key: str, text: str) -> Callable[[Check], Check]:
    """Make a function the check of a rule."""

    def registered(check: Check) -> Check:
        assert key not in {each.key for each in ROWS}, key
        ROWS.append(Row(key, part, text, check))
        return check

    return registered
