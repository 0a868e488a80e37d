"""Functions and their versions: rows to model and back, and the statements between.

Every function takes a connection that is inside a transaction; `lamella.records.sql` opens it.
What is asked for by value is a column; the rest of a function is one JSON object.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lamella.errors import InvalidParameterValue
from lamella.model import arn
from lamella.model.function import Code, Function, State, UpdateStatus
from lamella.model.layer import LayerRef
from lamella.records import sql_common
from lamella.records.base import Page
from lamella.records.tables import function_numbers, function_tags, functions

# the members of Function that are kept as they are in the JSON column
_MEMBERS = (
    "runtime",
    "handler",
    "role",
    "description",
    "timeout",
    "memory_size",
    "ephemeral_storage",
    "environment",
    "architecture",
    "package_type",
    "tracing_mode",
    "log_format",
    "log_group",
    "application_log_level",
    "system_log_level",
    "snap_start",
    "settings",
    "state_reason",
    "state_reason_code",
    "last_update_status_reason",
    "last_update_status_reason_code",
)
_LATEST = 0


def add(connection: Connection, function: Function, tags: Mapping[str, str]) -> None:
    world = (function.account, function.region, function.name)
    if _read(connection, *world, _LATEST) is not None:
        raise KeyError(function.function_arn)
    _insert(connection, function)
    _set_tags(connection, *world, tags)


def read(
    connection: Connection, account: str, region: str, name: str, version: str
) -> Function | None:
    number = _number(version)
    return None if number is None else _read(connection, account, region, name, number)


def change(
    connection: Connection,
    account: str,
    region: str,
    name: str,
    version: str,
    change: Callable[[Function], Function],
) -> Function:
    number = _number(version)
    before = (
        None
        if number is None
        else _read(connection, account, region, name, number, for_update=True)
    )
    if before is None or number is None:
        raise KeyError((account, region, name, version))
    after = change(before)
    if (after.account, after.region, after.name, after.version) != (account, region, name, version):
        raise ValueError("a change may not move a function's row")
    connection.execute(
        sa.update(functions)
        .where(*_key(account, region, name), functions.c.number == number)
        .values(_to_row(after))
    )
    sql_common.set_references(connection, after.qualified_arn, _digests(after))
    return after


def publish(
    connection: Connection,
    account: str,
    region: str,
    name: str,
    build: Callable[[Function, int, Function | None], Function | None],
) -> Function:
    latest = _read(connection, account, region, name, _LATEST, for_update=True)
    if latest is None:
        raise KeyError((account, region, name))
    last = _last_published(connection, account, region, name)
    number = _peek_number(connection, account, region, name)
    built = build(latest, number, last)
    if built is None:
        if last is None:
            raise ValueError("nothing was published before, so nothing can be returned")
        return last
    if built.version != str(number):
        raise ValueError(f"the version must be {number}, not {built.version}")
    sql_common.next_number(connection, function_numbers, account, region, name)
    _insert(connection, built)
    return built


def listed(
    connection: Connection,
    account: str,
    region: str,
    all_versions: bool,
    after: str | None,
    limit: int,
) -> Page[Function]:
    wanted = sa.select(functions).where(
        functions.c.account == account, functions.c.region == region
    )
    if not all_versions:
        wanted = wanted.where(functions.c.number == _LATEST)
    if after is not None:
        name, number = _split_marker(after)
        wanted = wanted.where(
            sa.or_(
                functions.c.name > name,
                sa.and_(functions.c.name == name, functions.c.number > number),
            )
        )
    found = connection.execute(
        wanted.order_by(functions.c.name, functions.c.number).limit(limit + 1)
    )
    rows = [_from_row(row) for row in found]
    return sql_common.page(rows, limit, lambda row: f"{row.name}:{_number(row.version)}")


def versions(
    connection: Connection, account: str, region: str, name: str, after: str | None, limit: int
) -> Page[Function]:
    wanted = sa.select(functions).where(*_key(account, region, name))
    if after is not None:
        wanted = wanted.where(functions.c.number > sql_common.number_of(after))
    found = connection.execute(wanted.order_by(functions.c.number).limit(limit + 1))
    rows = [_from_row(row) for row in found]
    return sql_common.page(rows, limit, lambda row: str(_number(row.version)))


def remove(connection: Connection, account: str, region: str, name: str) -> bool:
    numbers = connection.execute(
        sa.select(functions.c.number).where(*_key(account, region, name))
    ).scalars()
    gone = [_remove_number(connection, account, region, name, number) for number in list(numbers)]
    _set_tags(connection, account, region, name, {})
    return any(gone)


def remove_version(
    connection: Connection, account: str, region: str, name: str, version: str
) -> bool:
    number = _number(version)
    if number is None or number == _LATEST:
        return False
    return _remove_number(connection, account, region, name, number)


def tags(connection: Connection, account: str, region: str, name: str) -> Mapping[str, str]:
    found = connection.execute(
        sa.select(function_tags.c.tags).where(*_tags_of(account, region, name))
    ).scalar_one_or_none()
    return {} if found is None else dict(found)


def change_tags(
    connection: Connection,
    account: str,
    region: str,
    name: str,
    change: Callable[[Mapping[str, str]], Mapping[str, str]],
) -> Mapping[str, str]:
    # the function's row is the lock: changes of tags follow each other
    if _read(connection, account, region, name, _LATEST, for_update=True) is None:
        raise KeyError((account, region, name))
    after = change(tags(connection, account, region, name))
    _set_tags(connection, account, region, name, after)
    return after


def count(connection: Connection, account: str, region: str) -> int:
    found = connection.execute(
        sa.select(sa.func.count()).where(
            functions.c.account == account,
            functions.c.region == region,
            functions.c.number == _LATEST,
        )
    ).scalar_one()
    return int(found)


def storage(connection: Connection, account: str, region: str) -> int:
    total = connection.execute(
        sa.select(sa.func.coalesce(sa.func.sum(functions.c.code_size), 0)).where(
            functions.c.account == account, functions.c.region == region
        )
    ).scalar_one()
    return int(total)


def with_snapshots(connection: Connection) -> tuple[Function, ...]:
    found = connection.execute(
        sa.select(functions)
        .where(
            functions.c.members["snap_start"].as_string() != "None",
            functions.c.number != _LATEST,
            functions.c.state == State.ACTIVE.value,
        )
        .order_by(functions.c.last_modified.desc(), *functions.primary_key.columns)
    )
    return tuple(_from_row(row) for row in found)


def pending(connection: Connection) -> tuple[Function, ...]:
    found = connection.execute(
        sa.select(functions)
        .where(
            sa.or_(
                functions.c.state == State.PENDING.value,
                functions.c.last_update_status == UpdateStatus.IN_PROGRESS.value,
            )
        )
        .order_by(*functions.primary_key.columns)
    )
    return tuple(_from_row(row) for row in found)


def _read(
    connection: Connection,
    account: str,
    region: str,
    name: str,
    number: int,
    *,
    for_update: bool = False,
) -> Function | None:
    wanted = sa.select(functions).where(*_key(account, region, name), functions.c.number == number)
    found = connection.execute(wanted.with_for_update() if for_update else wanted).one_or_none()
    return None if found is None else _from_row(found)


def _insert(connection: Connection, function: Function) -> None:
    connection.execute(sa.insert(functions).values(_to_row(function)))
    sql_common.set_references(connection, function.qualified_arn, _digests(function))


def _remove_number(
    connection: Connection, account: str, region: str, name: str, number: int
) -> bool:
    owner = arn.function(account, region, name, _version(number))
    sql_common.set_references(connection, owner, set())
    gone = connection.execute(
        sa.delete(functions).where(*_key(account, region, name), functions.c.number == number)
    )
    return gone.rowcount > 0


def _set_tags(
    connection: Connection, account: str, region: str, name: str, tags: Mapping[str, str]
) -> None:
    connection.execute(sa.delete(function_tags).where(*_tags_of(account, region, name)))
    if tags:
        connection.execute(
            sa.insert(function_tags).values(
                account=account, region=region, name=name, tags=dict(tags)
            )
        )


def _tags_of(account: str, region: str, name: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        function_tags.c.account == account,
        function_tags.c.region == region,
        function_tags.c.name == name,
    )


def _last_published(
    connection: Connection, account: str, region: str, name: str
) -> Function | None:
    found = connection.execute(
        sa.select(functions)
        .where(*_key(account, region, name), functions.c.number > _LATEST)
        .order_by(functions.c.number.desc())
        .limit(1)
    ).one_or_none()
    return None if found is None else _from_row(found)


def _peek_number(connection: Connection, account: str, region: str, name: str) -> int:
    """The number the next version gets; taken only if there is something to publish."""
    last = connection.execute(
        sa.select(function_numbers.c.last).where(
            function_numbers.c.account == account,
            function_numbers.c.region == region,
            function_numbers.c.name == name,
        )
    ).scalar_one_or_none()
    return 1 if last is None else int(last) + 1


def _key(account: str, region: str, name: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        functions.c.account == account,
        functions.c.region == region,
        functions.c.name == name,
    )


def _number(version: str) -> int | None:
    if version == arn.LATEST:
        return _LATEST
    plain = version.isascii() and version.isdigit() and not version.startswith("0")
    return int(version) if plain and len(version) < 19 else None


def _version(number: int) -> str:
    return arn.LATEST if number == _LATEST else str(number)


def _split_marker(marker: str) -> tuple[str, int]:
    name, colon, number = marker.rpartition(":")
    if not colon:
        raise InvalidParameterValue("Invalid marker")
    return name, sql_common.number_of(number)


def _digests(function: Function) -> set[str]:
    return {function.code.digest, *(layer.digest for layer in function.layers)}


def _to_row(function: Function) -> dict[str, Any]:
    members = {name: getattr(function, name) for name in _MEMBERS}
    members["layers"] = [
        {
            "arn": layer.arn,
            "digest": layer.digest,
            "code_size": layer.code_size,
            "unzipped_size": layer.unzipped_size,
        }
        for layer in function.layers
    ]
    members["settings"] = dict(function.settings)
    members["environment"] = None if function.environment is None else dict(function.environment)
    return {
        "account": function.account,
        "region": function.region,
        "name": function.name,
        "number": _number(function.version),
        "revision_id": function.revision_id,
        "last_modified": function.last_modified,
        "state": function.state.value,
        "last_update_status": function.last_update_status.value,
        "digest": function.code.digest,
        "code_size": function.code.size,
        "unzipped_size": function.code.unzipped_size,
        "members": members,
    }


def _from_row(row: sa.Row[Any]) -> Function:
    members = dict(row.members)
    layers = tuple(LayerRef(**layer) for layer in members.pop("layers"))
    return Function(
        account=row.account,
        region=row.region,
        name=row.name,
        version=_version(row.number),
        code=Code(digest=row.digest, size=row.code_size, unzipped_size=row.unzipped_size),
        last_modified=row.last_modified,
        revision_id=row.revision_id,
        state=State(row.state),
        last_update_status=UpdateStatus(row.last_update_status),
        layers=layers,
        **members,
    )
