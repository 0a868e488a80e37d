"""Documents: rows to model and back, and the statements between.

Every function takes a connection that is inside a transaction; `lamella.records.sql` opens it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lamella.model.document import OF_FUNCTION, Document, DocumentKey, Kind
from lamella.records import sql_common
from lamella.records.base import Page
from lamella.records.tables import documents, functions

Value = Mapping[str, Any]


def read(connection: Connection, at: DocumentKey) -> Value | None:
    found = connection.execute(sa.select(documents.c.value).where(*_key(at))).scalar_one_or_none()
    return None if found is None else dict(found)


def by_handle(connection: Connection, kind: Kind, handle: str) -> Document | None:
    found = connection.execute(
        sa.select(documents).where(documents.c.kind == kind.value, documents.c.handle == handle)
    ).one_or_none()
    return None if found is None else _from_row(found)


def change(
    connection: Connection,
    at: DocumentKey,
    change: Callable[[Value | None], Value | None],
    handle: str | None,
) -> Value | None:
    if at.kind in OF_FUNCTION and not _has_function(connection, at):
        raise KeyError((at.account, at.region, at.name))
    before = connection.execute(
        sa.select(documents.c.value).where(*_key(at)).with_for_update()
    ).scalar_one_or_none()
    after = change(None if before is None else dict(before))
    if after is None:
        connection.execute(sa.delete(documents).where(*_key(at)))
        return None
    if before is None:
        connection.execute(
            sa.insert(documents).values(
                kind=at.kind.value,
                account=at.account,
                region=at.region,
                name=at.name,
                key=at.key,
                handle=handle,
                value=dict(after),
            )
        )
    else:
        kept = {} if handle is None else {"handle": handle}
        connection.execute(sa.update(documents).where(*_key(at)).values(value=dict(after), **kept))
    return after


def listed(
    connection: Connection,
    kind: Kind,
    account: str,
    region: str,
    name: str | None,
    after: str | None,
    limit: int,
) -> Page[Document]:
    wanted = sa.select(documents).where(
        documents.c.kind == kind.value,
        documents.c.account == account,
        documents.c.region == region,
    )
    if name is not None:
        wanted = wanted.where(documents.c.name == name)
    if after is not None:
        wanted = wanted.where(_beyond(name, after))
    found = connection.execute(wanted.order_by(documents.c.name, documents.c.key).limit(limit + 1))
    rows = [_from_row(row) for row in found]
    return sql_common.page(
        rows, limit, lambda row: row.at.key if name is not None else f"{row.at.name}|{row.at.key}"
    )


def everywhere(connection: Connection, kind: Kind) -> tuple[Document, ...]:
    found = connection.execute(
        sa.select(documents)
        .where(documents.c.kind == kind.value)
        .order_by(*documents.primary_key.columns)
    )
    return tuple(_from_row(row) for row in found)


def remove_of_function(
    connection: Connection, account: str, region: str, name: str, key: str | None = None
) -> None:
    """Remove what goes with a function, or with ``key``, one of its versions or aliases."""
    gone = sa.delete(documents).where(
        documents.c.kind.in_([kind.value for kind in OF_FUNCTION]),
        documents.c.account == account,
        documents.c.region == region,
        documents.c.name == name,
    )
    connection.execute(gone if key is None else gone.where(documents.c.key == key))


def _beyond(name: str | None, after: str) -> sa.ColumnElement[bool]:
    if name is not None:
        return documents.c.key > after
    last, _, key = after.partition("|")
    return sa.or_(documents.c.name > last, sa.and_(documents.c.name == last, documents.c.key > key))


def _has_function(connection: Connection, at: DocumentKey) -> bool:
    found = connection.execute(
        sa.select(functions.c.number).where(
            functions.c.account == at.account,
            functions.c.region == at.region,
            functions.c.name == at.name,
            functions.c.number == 0,
        )
    )
    return found.first() is not None


def _key(at: DocumentKey) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        documents.c.kind == at.kind.value,
        documents.c.account == at.account,
        documents.c.region == at.region,
        documents.c.name == at.name,
        documents.c.key == at.key,
    )


def _from_row(row: sa.Row[Any]) -> Document:
    at = DocumentKey(Kind(row.kind), row.account, row.region, row.name, row.key)
    return Document(at, dict(row.value), row.handle)
