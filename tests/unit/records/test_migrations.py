"""The revisions and the tables agree, and a start at head does not pay for alembic."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy.engine import Engine

from lamella.records import migrations
from lamella.records.migrations.scripts import head
from lamella.records.sqlite import open_engine
from lamella.records.tables import metadata


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = open_engine(tmp_path / "records 100%.db")
    yield opened
    opened.dispose()


def test_head_is_the_newest_revision() -> None:
    assert head() == migrations.HEAD


def test_the_revisions_arrive_at_the_tables(engine: Engine) -> None:
    migrations.upgrade(engine, migrations.HEAD)
    with engine.begin() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert migrations.current(connection) == migrations.HEAD


def test_a_new_database_is_made_as_the_revisions_would(engine: Engine, tmp_path: Path) -> None:
    migrations.migrate(engine)
    other = open_engine(tmp_path / "by revisions.db")
    migrations.upgrade(other, migrations.HEAD)
    assert schema(engine) == schema(other)
    other.dispose()


def test_a_newer_database_is_refused(engine: Engine) -> None:
    migrations.migrate(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = 'r9999'"))
    with pytest.raises(RuntimeError, match="another version of Lamella"):
        migrations.migrate(engine)


def test_neither_a_new_database_nor_one_at_head_imports_alembic(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib\n"
        "from lamella.records.sqlite import open_records\n"
        "for _ in range(2):\n"
        "    open_records(pathlib.Path(sys.argv[1])).close()\n"
        "print('alembic' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(tmp_path / "records.db")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("False\n", "")


def schema(engine: Engine) -> dict[str, object]:
    with engine.begin() as connection:
        seen = sa.inspect(connection)
        return {
            table: (
                sorted((c["name"], str(c["type"]), c["nullable"]) for c in seen.get_columns(table)),
                seen.get_pk_constraint(table)["constrained_columns"],
                seen.get_foreign_keys(table),
                sorted((i["name"], i["column_names"]) for i in seen.get_indexes(table)),
            )
            for table in seen.get_table_names()
        }
