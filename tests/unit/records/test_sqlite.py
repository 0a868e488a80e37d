"""One SQLite file: durable commits, and nothing left open."""

from __future__ import annotations

import gc
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from lamella.records.sql import WRITES, SqlRecords
from lamella.records.sqlite import open_engine, open_records
from tests.ports.test_records_events import an_event


def test_every_connection_has_the_pragmas(tmp_path: Path) -> None:
    engine = open_engine(tmp_path / "records.db")
    with engine.connect() as connection:
        values = {
            name: connection.execute(sa.text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    engine.dispose()
    assert values == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 30000,
    }


def test_a_writing_transaction_has_its_lock_from_the_start(tmp_path: Path) -> None:
    engine = open_engine(tmp_path / "records.db")
    other = sqlite3.connect(tmp_path / "records.db", timeout=0)
    with (
        engine.execution_options(**{WRITES: True}).begin(),
        pytest.raises(sqlite3.OperationalError, match="locked"),
    ):
        other.execute("BEGIN IMMEDIATE")
    with engine.begin():
        other.execute("BEGIN IMMEDIATE")
    other.close()
    engine.dispose()


def test_closing_leaves_no_connection_behind(tmp_path: Path) -> None:
    records = open_records(tmp_path / "records.db")
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: records.referenced_digests(), range(16)))
    records.close()
    gc.collect()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["records.db"]


def test_leasing_an_event_takes_no_more_steps_when_many_wait(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    open_records(path).close()
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 100
        return 0

    def watch(connection: sqlite3.Connection, entry: object) -> None:
        connection.set_progress_handler(count, 100)

    engine = open_engine(path)
    sa.event.listen(engine, "connect", watch)
    records = SqlRecords(engine)
    taken = []
    for more in (50, 5_000):
        records.add_events([an_event(more + n, name=f"f{n % 5}") for n in range(more)])
        steps = 0
        assert len(records.lease_events(10, 20, limit=8, each=2, busy=())) == 8
        taken.append(steps)
    records.close()
    assert taken[1] <= 2 * taken[0]
