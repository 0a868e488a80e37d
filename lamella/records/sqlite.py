"""Records in one SQLite file: the engine, its pragmas, and how its transactions begin.

WAL lets readers go on beside the one writer; ``synchronous=FULL`` makes every commit reach
the disk before it is acknowledged (https://www.sqlite.org/pragma.html#pragma_synchronous).
"""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from lamella.records.migrations import migrate
from lamella.records.sql import WRITES, SqlRecords

_PRAGMAS = (
    "PRAGMA busy_timeout = 30000",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
)


def open_records(path: Path) -> SqlRecords:
    """The records in the file ``path``, made or migrated as it needs; its folder must exist."""
    path.touch(mode=0o600)  # it holds secrets; SQLite gives its logs the same mode
    engine = open_engine(path)
    try:
        migrate(engine)
    except BaseException:
        engine.dispose()
        raise
    _sync_folder(path.parent)
    # one lock in the process spares writers SQLite's busy handler, which polls
    return SqlRecords(engine, threading.Lock())


class Changes:
    """Tells that the file was written, by whatever connection: another number each time.

    https://www.sqlite.org/pragma.html#pragma_data_version
    """

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)

    def __call__(self) -> int:
        (number,) = self._connection.execute("PRAGMA data_version").fetchone()
        return int(number)

    def close(self) -> None:
        self._connection.close()


def open_engine(path: Path) -> Engine:
    """An engine on the file ``path``, usable from any thread; ``dispose`` closes all of it."""
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)),
        poolclass=sa.QueuePool,
        pool_size=8,
        max_overflow=-1,
        connect_args={"check_same_thread": False},
    )
    sa.event.listen(engine, "connect", _prepare)
    sa.event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
    assert isinstance(connection, sqlite3.Connection)
    # the driver would begin transactions late, and never before a SELECT or DDL
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        connection.execute(pragma).close()


def _begin(connection: Connection) -> None:
    # a transaction that reads first and writes then could not wait for its lock: it would fail
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _sync_folder(folder: Path) -> None:
    """Make the file's own name durable; SQLite syncs the folder for its logs alone."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
