"""The queue of events: rows to model and back, and the statements between.

Every function takes a connection that is inside a transaction; `lamella.records.sql` opens it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lamella.model.event import QueuedEvent, Settled
from lamella.records.base import Backlog
from lamella.records.tables import event_counts, events

ACCEPTED = "accepted"

Lane = tuple[str, str, str]
"""Account, region and name of a function, whose events wait for one another alone."""

_LANE = (events.c.account, events.c.region, events.c.name)
_BY_LANE = (*_LANE, events.c.due)


def add(connection: Connection, accepted: Sequence[QueuedEvent]) -> None:
    if accepted:
        connection.execute(sa.insert(events), [_to_row(event) for event in accepted])
        _count(connection, ACCEPTED, len(accepted))


def lease(
    connection: Connection,
    now: float,
    until: float,
    limit: int,
    each: int,
    busy: Collection[Lane],
) -> tuple[QueuedEvent, ...]:
    # The first `limit` are events of as many lanes at most: of those whose turn comes first.
    lanes = [lane for lane in _lanes(connection, now) if lane not in busy][:limit]
    due = [
        (row.due, row.id)
        for lane in lanes
        for row in connection.execute(
            sa.select(events.c.due, events.c.id)
            .where(*_of(lane), events.c.due <= now)
            .order_by(events.c.due)
            .limit(min(each, limit))
        )
    ]
    chosen = [identifier for _, identifier in sorted(due)[:limit]]
    if not chosen:
        return ()
    connection.execute(
        sa.update(events).where(events.c.id.in_(chosen)).values(due=until, leased=True)
    )
    found = connection.execute(sa.select(events).where(events.c.id.in_(chosen)))
    by_id = {row.id: _from_row(row) for row in found}
    return tuple(by_id[one] for one in chosen)


def _lanes(connection: Connection, now: float) -> list[Lane]:
    """Functions with events that are due, by when their first was.

    One step in the index for each function that has any, however many events there are: a queue
    is longest when there is least time to read through it.
    """
    first = sa.select(events.c.id).order_by(*_BY_LANE).limit(1)
    firsts = sa.select(first.scalar_subquery().label("id")).cte("firsts", recursive=True)
    last = events.alias("last")
    # As one comparison of three columns, SQLite would look up the first in the index alone.
    following = [
        first.where(
            *(column == last.c[column.name] for column in _LANE[:same]),
            _LANE[same] > last.c[_LANE[same].name],
        )
        .correlate(last)
        .scalar_subquery()
        for same in (2, 1, 0)
    ]
    firsts = firsts.union_all(
        sa.select(sa.func.coalesce(*following)).join_from(firsts, last, last.c.id == firsts.c.id)
    )
    found = connection.execute(
        sa.select(*_LANE)
        .join(firsts, firsts.c.id == events.c.id)
        .where(events.c.due <= now)
        .order_by(events.c.due)
    )
    return [(row.account, row.region, row.name) for row in found]


def _of(lane: Lane) -> tuple[sa.ColumnElement[bool], ...]:
    return tuple(column == value for column, value in zip(_LANE, lane, strict=True))


def release(connection: Connection, now: float) -> int:
    freed = connection.execute(
        sa.update(events).where(events.c.leased).values(due=now, leased=False)
    )
    return freed.rowcount


def put_back(connection: Connection, event: QueuedEvent) -> bool:
    changed = connection.execute(
        sa.update(events)
        .where(events.c.id == event.id, events.c.leased)
        .values(
            due=event.due,
            leased=False,
            attempts=event.attempts,
            pauses=event.pauses,
            delivery=None if event.delivery is None else dict(event.delivery),
        )
    )
    return changed.rowcount > 0


def keep_delivery(connection: Connection, event: QueuedEvent) -> bool:
    changed = connection.execute(
        sa.update(events)
        .where(events.c.id == event.id, events.c.leased)
        .values(
            attempts=event.attempts,
            pauses=0,
            delivery=None if event.delivery is None else dict(event.delivery),
        )
    )
    return changed.rowcount > 0


def settle(
    connection: Connection, identifier: str, how: Settled, followers: Sequence[QueuedEvent]
) -> bool:
    gone = connection.execute(sa.delete(events).where(events.c.id == identifier))
    if gone.rowcount == 0:
        return False
    _count(connection, how.value, 1)
    add(connection, followers)
    return True


def backlog(connection: Connection) -> Backlog:
    there = connection.execute(
        sa.select(events.c.leased, sa.func.count()).group_by(events.c.leased)
    )
    by_lease = {bool(leased): int(count) for leased, count in there}
    counts = Counter(
        {row.name: int(row.total) for row in connection.execute(sa.select(event_counts))}
    )
    accepted = counts.pop(ACCEPTED, 0)
    return Backlog(
        accepted=accepted,
        waiting=by_lease.get(False, 0),
        leased=by_lease.get(True, 0),
        settled={each: counts[each.value] for each in Settled},
    )


def next_due(connection: Connection) -> float | None:
    found = connection.execute(
        sa.select(sa.func.min(events.c.due)).where(sa.not_(events.c.leased))
    ).scalar_one()
    return None if found is None else float(found)


def _count(connection: Connection, name: str, more: int) -> None:
    raised = connection.execute(
        sa.update(event_counts)
        .where(event_counts.c.name == name)
        .values(total=event_counts.c.total + more)
    )
    if raised.rowcount == 0:
        connection.execute(sa.insert(event_counts).values(name=name, total=more))


def _to_row(event: QueuedEvent) -> dict[str, Any]:
    return {
        "id": event.id,
        "account": event.account,
        "region": event.region,
        "name": event.name,
        "qualifier": event.qualifier,
        "payload": event.payload,
        "trace_id": event.trace_id,
        "client_context": event.client_context,
        "accepted": event.accepted,
        "due": event.due,
        "leased": False,
        "attempts": event.attempts,
        "pauses": event.pauses,
        "delivery": None if event.delivery is None else dict(event.delivery),
    }


def _from_row(row: sa.Row[Any]) -> QueuedEvent:
    delivery: Mapping[str, Any] | None = row.delivery
    return QueuedEvent(
        id=row.id,
        account=row.account,
        region=row.region,
        name=row.name,
        qualifier=row.qualifier,
        payload=bytes(row.payload),
        trace_id=row.trace_id,
        client_context=row.client_context,
        accepted=row.accepted,
        due=row.due,
        attempts=row.attempts,
        pauses=row.pauses,
        delivery=delivery,
    )
