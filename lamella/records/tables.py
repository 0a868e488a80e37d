"""The tables, for every SQL backend: what `lamella.records.migrations` must arrive at.

Owns column names and types, nothing else. A revision in ``migrations/versions`` goes with
every change here; ``tests/unit/records/test_migrations.py`` holds the two together.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

metadata = sa.MetaData()


class Moment(sa.types.TypeDecorator[datetime]):
    """An aware datetime, kept as ISO 8601 text in UTC (SQLite has no type that keeps a zone)."""

    impl = sa.String(32)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        return None if value is None else value.isoformat()

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value)


def _world() -> list[sa.Column[Any]]:
    """Account and region: the first part of every key."""
    return [
        sa.Column("account", sa.String(12), primary_key=True),
        sa.Column("region", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(140), primary_key=True),
    ]


layer_numbers = sa.Table(
    "layer_numbers",
    metadata,
    *_world(),
    sa.Column("last", sa.Integer, nullable=False),
)

layer_versions = sa.Table(
    "layer_versions",
    metadata,
    *_world(),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("license_info", sa.Text),
    # ",python3.11,python3.12,": framed, so that one LIKE finds a member
    sa.Column("compatible_runtimes", sa.Text, nullable=False),
    sa.Column("compatible_architectures", sa.Text, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("code_size", sa.BigInteger, nullable=False),
    sa.Column("unzipped_size", sa.BigInteger, nullable=False),
    sa.Column("created", Moment, nullable=False),
)

layer_policies = sa.Table(
    "layer_policies",
    metadata,
    *_world(),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("revision_id", sa.String(64), nullable=False),
    sa.Column("statements", sa.JSON, nullable=False),
    sa.ForeignKeyConstraint(
        ["account", "region", "name", "version"],
        [f"layer_versions.{column}" for column in ("account", "region", "name", "version")],
        name="layer_policies_of_version",
        ondelete="CASCADE",
    ),
)

function_numbers = sa.Table(
    "function_numbers",
    metadata,
    *_world(),
    sa.Column("last", sa.Integer, nullable=False),
)

functions = sa.Table(
    "functions",
    metadata,
    *_world(),
    # 0 is $LATEST, so that numbers alone put the versions in AWS's order
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("revision_id", sa.String(64), nullable=False),
    sa.Column("last_modified", Moment, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("last_update_status", sa.String(16), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("code_size", sa.BigInteger, nullable=False),
    sa.Column("unzipped_size", sa.BigInteger, nullable=False),
    sa.Column("members", sa.JSON, nullable=False),
    sa.Index("functions_by_state", "state", "last_update_status"),
)

function_tags = sa.Table(
    "function_tags",
    metadata,
    *_world(),
    sa.Column("tags", sa.JSON, nullable=False),
)

blob_references = sa.Table(
    "blob_references",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    # the qualified ARN of a layer version or of a function's version
    sa.Column("owner", sa.String(256), primary_key=True),
    sa.Index("blob_references_by_owner", "owner"),
)

documents = sa.Table(
    "documents",
    metadata,
    sa.Column("kind", sa.String(32), primary_key=True),
    sa.Column("account", sa.String(12), primary_key=True),
    sa.Column("region", sa.String(32), primary_key=True),
    sa.Column("name", sa.String(512), primary_key=True),
    sa.Column("key", sa.String(256), primary_key=True),
    # what finds a document without its place; several may have none
    sa.Column("handle", sa.String(128)),
    sa.Column("value", sa.JSON, nullable=False),
    sa.Index("documents_by_handle", "kind", "handle", unique=True),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("account", sa.String(12), nullable=False),
    sa.Column("region", sa.String(32), nullable=False),
    sa.Column("name", sa.String(140), nullable=False),
    sa.Column("qualifier", sa.String(140)),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("trace_id", sa.Text),
    sa.Column("client_context", sa.Text),
    sa.Column("accepted", sa.Float, nullable=False),
    # a leased event is due again when its lease is over
    sa.Column("due", sa.Float, nullable=False),
    sa.Column("leased", sa.Boolean, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("pauses", sa.Integer, nullable=False),
    sa.Column("delivery", sa.JSON(none_as_null=True)),
    sa.Index("events_by_due", "due"),
    # holds all that is asked while events wait, so that their payloads are not read past
    sa.Index("events_by_function", "account", "region", "name", "due", "leased", "id"),
)

event_counts = sa.Table(
    "event_counts",
    metadata,
    # "accepted", or how events were settled
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("total", sa.BigInteger, nullable=False),
)
