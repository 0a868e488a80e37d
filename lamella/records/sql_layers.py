"""Layer versions and their policies: rows to model and back, and the statements between.

Every function takes a connection that is inside a transaction; `lamella.records.sql` opens it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lamella.model.layer import LayerPolicy, LayerStatement, LayerVersion
from lamella.records import sql_common
from lamella.records.base import Page
from lamella.records.tables import layer_numbers, layer_policies, layer_versions


def add_version(
    connection: Connection,
    account: str,
    region: str,
    name: str,
    build: Callable[[int], LayerVersion],
) -> LayerVersion:
    number = sql_common.next_number(connection, layer_numbers, account, region, name)
    row = build(number)
    connection.execute(sa.insert(layer_versions).values(_to_row(row)))
    sql_common.set_references(connection, row.arn, {row.digest})
    return row


def version(
    connection: Connection, account: str, region: str, name: str, number: int
) -> LayerVersion | None:
    found = connection.execute(
        sa.select(layer_versions).where(*_key(layer_versions, account, region, name, number))
    ).one_or_none()
    return None if found is None else _from_row(found)


def latest_of_each(
    connection: Connection,
    account: str,
    region: str,
    runtime: str | None,
    architecture: str | None,
    after: str | None,
    limit: int,
) -> Page[LayerVersion]:
    matching = (
        sa.select(layer_versions.c.name, sa.func.max(layer_versions.c.version).label("latest"))
        .where(layer_versions.c.account == account, layer_versions.c.region == region)
        .where(*_compatible(runtime, architecture))
        .group_by(layer_versions.c.name)
    )
    if after is not None:
        matching = matching.where(layer_versions.c.name > after)
    latest = matching.order_by(layer_versions.c.name).limit(limit + 1).subquery()
    found = connection.execute(
        sa.select(layer_versions)
        .join(
            latest,
            sa.and_(
                layer_versions.c.name == latest.c.name, layer_versions.c.version == latest.c.latest
            ),
        )
        .where(layer_versions.c.account == account, layer_versions.c.region == region)
        .order_by(layer_versions.c.name)
    )
    rows = [_from_row(row) for row in found]
    return sql_common.page(rows, limit, lambda row: row.name)


def versions(
    connection: Connection,
    account: str,
    region: str,
    name: str,
    runtime: str | None,
    architecture: str | None,
    after: str | None,
    limit: int,
) -> Page[LayerVersion]:
    wanted = sa.select(layer_versions).where(
        layer_versions.c.account == account,
        layer_versions.c.region == region,
        layer_versions.c.name == name,
        *_compatible(runtime, architecture),
    )
    if after is not None:
        wanted = wanted.where(layer_versions.c.version < sql_common.number_of(after))
    found = connection.execute(wanted.order_by(layer_versions.c.version.desc()).limit(limit + 1))
    rows = [_from_row(row) for row in found]
    return sql_common.page(rows, limit, lambda row: str(row.version))


def remove_version(
    connection: Connection, account: str, region: str, name: str, number: int
) -> None:
    row = version(connection, account, region, name, number)
    if row is None:
        return
    sql_common.set_references(connection, row.arn, set())
    for table in (layer_policies, layer_versions):
        connection.execute(sa.delete(table).where(*_key(table, account, region, name, number)))


def policy(
    connection: Connection, account: str, region: str, name: str, number: int
) -> LayerPolicy | None:
    found = connection.execute(
        sa.select(layer_policies).where(*_key(layer_policies, account, region, name, number))
    ).one_or_none()
    if found is None:
        return None
    statements = tuple(LayerStatement(**statement) for statement in found.statements)
    return LayerPolicy(revision_id=found.revision_id, statements=statements)


def change_policy(
    connection: Connection,
    account: str,
    region: str,
    name: str,
    number: int,
    change: Callable[[LayerPolicy | None], LayerPolicy | None],
) -> LayerPolicy | None:
    locked = connection.execute(
        sa.select(layer_versions.c.version)
        .where(*_key(layer_versions, account, region, name, number))
        .with_for_update()
    ).one_or_none()
    if locked is None:
        raise KeyError((account, region, name, number))
    changed = change(policy(connection, account, region, name, number))
    key = _key(layer_policies, account, region, name, number)
    connection.execute(sa.delete(layer_policies).where(*key))
    if changed is not None:
        connection.execute(
            sa.insert(layer_policies).values(
                account=account,
                region=region,
                name=name,
                version=number,
                revision_id=changed.revision_id,
                statements=[_statement_to_json(statement) for statement in changed.statements],
            )
        )
    return changed


def storage(connection: Connection, account: str, region: str) -> int:
    total = connection.execute(
        sa.select(sa.func.coalesce(sa.func.sum(layer_versions.c.code_size), 0)).where(
            layer_versions.c.account == account, layer_versions.c.region == region
        )
    ).scalar_one()
    return int(total)


def _key(
    table: sa.Table, account: str, region: str, name: str, number: int
) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        table.c.account == account,
        table.c.region == region,
        table.c.name == name,
        table.c.version == number,
    )


def _compatible(
    runtime: str | None, architecture: str | None
) -> tuple[sa.ColumnElement[bool], ...]:
    wanted = (
        (layer_versions.c.compatible_runtimes, runtime),
        (layer_versions.c.compatible_architectures, architecture),
    )
    return tuple(
        column.contains(_frame((value,)), autoescape=True)
        for column, value in wanted
        if value is not None
    )


def _frame(values: tuple[str, ...]) -> str:
    return "," + "".join(f"{value}," for value in values)


def _unframe(text: str) -> tuple[str, ...]:
    return tuple(value for value in text.split(",") if value)


def _statement_to_json(statement: LayerStatement) -> dict[str, str | None]:
    return {
        "sid": statement.sid,
        "action": statement.action,
        "principal": statement.principal,
        "organization_id": statement.organization_id,
    }


def _to_row(row: LayerVersion) -> dict[str, Any]:
    return {
        "account": row.account,
        "region": row.region,
        "name": row.name,
        "version": row.version,
        "description": row.description,
        "license_info": row.license_info,
        "compatible_runtimes": _frame(row.compatible_runtimes),
        "compatible_architectures": _frame(row.compatible_architectures),
        "digest": row.digest,
        "code_size": row.code_size,
        "unzipped_size": row.unzipped_size,
        "created": row.created,
    }


def _from_row(row: sa.Row[Any]) -> LayerVersion:
    return LayerVersion(
        account=row.account,
        region=row.region,
        name=row.name,
        version=row.version,
        description=row.description,
        license_info=row.license_info,
        compatible_runtimes=_unframe(row.compatible_runtimes),
        compatible_architectures=_unframe(row.compatible_architectures),
        digest=row.digest,
        code_size=row.code_size,
        unzipped_size=row.unzipped_size,
        created=row.created,
    )
