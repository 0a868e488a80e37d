"""How a database comes to the tables of this version.

`migrate` costs one SELECT when there is nothing to do, and alembic is imported only when an
older database has to be changed, since start-up time matters.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from lamella.records.tables import metadata

HEAD = "r0004"
_STAMP = sa.table("alembic_version", sa.column("version_num", sa.String(32)))


def migrate(engine: Engine) -> None:
    """Bring the database to `HEAD`: created, upgraded, or left alone.

    Raises RuntimeError if a newer version of Lamella has written it.
    """
    with engine.begin() as connection:
        revision = current(connection)
    if revision == HEAD:
        return
    if revision is None:
        _create(engine)
    else:
        upgrade(engine, HEAD)


def current(connection: Connection) -> str | None:
    """The revision the database is at, or None if it is empty."""
    if not sa.inspect(connection).has_table(_STAMP.name):
        return None
    found: str | None = connection.execute(sa.select(_STAMP.c.version_num)).scalar_one_or_none()
    return found


def upgrade(engine: Engine, revision: str) -> None:
    """Run alembic's revisions up to ``revision``."""
    from lamella.records.migrations.scripts import run  # noqa: PLC0415  (alembic is slow to import)

    run(engine, revision)


def _create(engine: Engine) -> None:
    """Make all tables at once, as the revisions would have."""
    with engine.begin() as connection:
        metadata.create_all(connection)
        connection.execute(
            sa.schema.CreateTable(
                sa.Table(
                    _STAMP.name,
                    sa.MetaData(),
                    sa.Column("version_num", sa.String(32), nullable=False),
                    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
                )
            )
        )
        connection.execute(sa.insert(_STAMP).values(version_num=HEAD))
