"""What the statements about layers and functions share: numbers, references, pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lamella.errors import InvalidParameterValue
from lamella.records.base import Page
from lamella.records.tables import blob_references

Row = TypeVar("Row")


def next_number(
    connection: Connection, counters: sa.Table, account: str, region: str, name: str
) -> int:
    """Take the next number of a name; the counter's row outlives every row it numbered."""
    key = (counters.c.account == account, counters.c.region == region, counters.c.name == name)
    raised = connection.execute(
        sa.update(counters).where(*key).values(last=counters.c.last + 1).returning(counters.c.last)
    ).scalar_one_or_none()
    if raised is not None:
        return int(raised)
    connection.execute(
        sa.insert(counters).values(account=account, region=region, name=name, last=1)
    )
    return 1


def set_references(connection: Connection, owner: str, digests: set[str]) -> None:
    """Make ``digests`` the bytes that ``owner`` (a qualified ARN) uses."""
    connection.execute(sa.delete(blob_references).where(blob_references.c.owner == owner))
    if digests:
        connection.execute(
            sa.insert(blob_references),
            [{"digest": digest, "owner": owner} for digest in sorted(digests)],
        )


def page(rows: Sequence[Row], limit: int, marker: Callable[[Row], str]) -> Page[Row]:
    """The first ``limit`` of rows that were read one further than the page goes."""
    shown = tuple(rows[:limit])
    return Page(shown, marker(shown[-1]) if len(rows) > limit else None)


def number_of(marker: str) -> int:
    """The number a page marker holds; a marker is where a page ended, never an offset."""
    if not (marker.isascii() and marker.isdigit() and len(marker) < 19):
        raise InvalidParameterValue("Invalid marker")
    return int(marker)
