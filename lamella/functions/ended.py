"""Runtimes that AWS has ended: from which day on no function is created with one, or moved to it.

Functions that already have such a runtime keep running, as on AWS.

Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html ("Block function create")
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType

AS_OF = date(2026, 11, 21)
"""The day of this table. Later dates in it are AWS's forecasts, which AWS has put off more than
once: they refuse nothing until the table is renewed and has seen them pass."""

CREATION_BLOCKED: Mapping[str, date] = MappingProxyType(
    {
        "nodejs": date(2016, 10, 31),
        "nodejs4.3-edge": date(2019, 4, 30),
        "dotnetcore2.0": date(2019, 5, 30),
        "dotnetcore1.0": date(2019, 7, 30),
        "nodejs6.10": date(2019, 8, 12),
        "nodejs4.3": date(2020, 3, 5),
        "nodejs8.10": date(2020, 3, 6),
        "python2.7": date(2021, 7, 15),
        "nodejs10.x": date(2021, 7, 30),
        "ruby2.5": date(2021, 7, 30),
        "dotnetcore2.1": date(2022, 1, 5),
        "python3.6": date(2022, 7, 18),
        "nodejs12.x": date(2023, 3, 31),
        "dotnetcore3.1": date(2023, 4, 3),
        "nodejs14.x": date(2024, 1, 9),
        "python3.7": date(2024, 1, 9),
        "ruby2.7": date(2024, 1, 9),
        "go1.x": date(2024, 2, 8),
        "java8": date(2024, 2, 8),
        "provided": date(2024, 2, 8),
        # Deprecated already, but functions are still created with them.
        "nodejs16.x": date(2027, 2, 1),
        "nodejs18.x": date(2027, 2, 1),
        "nodejs20.x": date(2027, 2, 1),
        "python3.9": date(2027, 2, 1),
        "python3.10": date(2027, 2, 1),
        "ruby3.3": date(2027, 4, 30),
        "nodejs22.x": date(2027, 6, 1),
        "python3.11": date(2027, 7, 31),
    }
)


def has_ended(runtime: str | None, day: date = AS_OF) -> bool:
    """Whether AWS refuses new functions of ``runtime`` on ``day``; never for one not listed."""
    blocked = CREATION_BLOCKED.get(runtime or "")
    return blocked is not None and blocked <= day
