"""`Records` over any SQL engine: each method is one transaction around one question.

Owns transactions. The statements are in ``sql_layers``, ``sql_functions`` and ``sql_documents``, the tables in
``tables``; which database it is, and how its transactions begin, is the engine's affair.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from lamella.model.document import Document, DocumentKey, Kind
from lamella.model.event import QueuedEvent, Settled
from lamella.model.function import Function
from lamella.model.layer import LayerPolicy, LayerVersion
from lamella.records import sql_documents, sql_events, sql_functions, sql_layers
from lamella.records.base import Backlog, Page
from lamella.records.tables import blob_references

# the execution option by which an engine knows that a transaction is going to write
WRITES = "lamella_writes"


class SqlRecords:
    """The rows, in the database of ``engine``, which must be migrated already.

    ``one_writer`` is entered around every transaction that writes: a lock where the database
    admits one writer only and would make the others poll.
    """

    def __init__(
        self, engine: Engine, one_writer: AbstractContextManager[object] | None = None
    ) -> None:
        self._engine = engine
        self._writer = engine.execution_options(**{WRITES: True})
        self._one_writer = one_writer if one_writer is not None else nullcontext()

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        with self._one_writer, self._writer.begin() as connection:
            yield connection

    # layers

    def add_layer_version(
        self, account: str, region: str, name: str, build: Callable[[int], LayerVersion]
    ) -> LayerVersion:
        with self._write() as connection:
            return sql_layers.add_version(connection, account, region, name, build)

    def layer_version(
        self, account: str, region: str, name: str, version: int
    ) -> LayerVersion | None:
        with self._read() as connection:
            return sql_layers.version(connection, account, region, name, version)

    def layers(
        self,
        account: str,
        region: str,
        *,
        runtime: str | None,
        architecture: str | None,
        after: str | None,
        limit: int,
    ) -> Page[LayerVersion]:
        with self._read() as connection:
            return sql_layers.latest_of_each(
                connection, account, region, runtime, architecture, after, limit
            )

    def layer_versions(
        self,
        account: str,
        region: str,
        name: str,
        *,
        runtime: str | None,
        architecture: str | None,
        after: str | None,
        limit: int,
    ) -> Page[LayerVersion]:
        with self._read() as connection:
            return sql_layers.versions(
                connection, account, region, name, runtime, architecture, after, limit
            )

    def remove_layer_version(self, account: str, region: str, name: str, version: int) -> None:
        with self._write() as connection:
            sql_layers.remove_version(connection, account, region, name, version)

    def layer_policy(
        self, account: str, region: str, name: str, version: int
    ) -> LayerPolicy | None:
        with self._read() as connection:
            return sql_layers.policy(connection, account, region, name, version)

    def change_layer_policy(
        self,
        account: str,
        region: str,
        name: str,
        version: int,
        change: Callable[[LayerPolicy | None], LayerPolicy | None],
    ) -> LayerPolicy | None:
        with self._write() as connection:
            return sql_layers.change_policy(connection, account, region, name, version, change)

    # functions

    def add_function(self, function: Function, tags: Mapping[str, str]) -> None:
        with self._write() as connection:
            sql_functions.add(connection, function, tags)

    def function(self, account: str, region: str, name: str, version: str) -> Function | None:
        with self._read() as connection:
            return sql_functions.read(connection, account, region, name, version)

    def change_function(
        self,
        account: str,
        region: str,
        name: str,
        version: str,
        change: Callable[[Function], Function],
    ) -> Function:
        with self._write() as connection:
            return sql_functions.change(connection, account, region, name, version, change)

    def publish_function(
        self,
        account: str,
        region: str,
        name: str,
        build: Callable[[Function, int, Function | None], Function | None],
    ) -> Function:
        with self._write() as connection:
            return sql_functions.publish(connection, account, region, name, build)

    def functions(
        self, account: str, region: str, *, all_versions: bool, after: str | None, limit: int
    ) -> Page[Function]:
        with self._read() as connection:
            return sql_functions.listed(connection, account, region, all_versions, after, limit)

    def function_versions(
        self, account: str, region: str, name: str, *, after: str | None, limit: int
    ) -> Page[Function]:
        with self._read() as connection:
            return sql_functions.versions(connection, account, region, name, after, limit)

    def remove_function(self, account: str, region: str, name: str) -> bool:
        with self._write() as connection:
            sql_documents.remove_of_function(connection, account, region, name)
            return sql_functions.remove(connection, account, region, name)

    def remove_function_version(
        self,
        account: str,
        region: str,
        name: str,
        version: str,
        check: Callable[[], None] = lambda: None,
    ) -> bool:
        with self._write() as connection:
            check()
            sql_documents.remove_of_function(connection, account, region, name, version)
            return sql_functions.remove_version(connection, account, region, name, version)

    def remove_alias(self, account: str, region: str, name: str, alias: str) -> None:
        with self._write() as connection:
            sql_documents.remove_of_function(connection, account, region, name, alias)

    def function_tags(self, account: str, region: str, name: str) -> Mapping[str, str]:
        with self._read() as connection:
            return sql_functions.tags(connection, account, region, name)

    def change_function_tags(
        self,
        account: str,
        region: str,
        name: str,
        change: Callable[[Mapping[str, str]], Mapping[str, str]],
    ) -> Mapping[str, str]:
        with self._write() as connection:
            return sql_functions.change_tags(connection, account, region, name, change)

    def function_count(self, account: str, region: str) -> int:
        with self._read() as connection:
            return sql_functions.count(connection, account, region)

    # documents

    def document(self, at: DocumentKey) -> Mapping[str, Any] | None:
        with self._read() as connection:
            return sql_documents.read(connection, at)

    def document_by_handle(self, kind: Kind, handle: str) -> Document | None:
        with self._read() as connection:
            return sql_documents.by_handle(connection, kind, handle)

    def change_document(
        self,
        at: DocumentKey,
        change: Callable[[Mapping[str, Any] | None], Mapping[str, Any] | None],
        *,
        handle: str | None = None,
    ) -> Mapping[str, Any] | None:
        with self._write() as connection:
            return sql_documents.change(connection, at, change, handle)

    def documents(
        self,
        kind: Kind,
        account: str,
        region: str,
        name: str | None = None,
        *,
        after: str | None,
        limit: int,
    ) -> Page[Document]:
        with self._read() as connection:
            return sql_documents.listed(connection, kind, account, region, name, after, limit)

    def all_documents(self, kind: Kind) -> tuple[Document, ...]:
        with self._read() as connection:
            return sql_documents.everywhere(connection, kind)

    # events

    def add_events(self, accepted: Sequence[QueuedEvent]) -> None:
        with self._write() as connection:
            sql_events.add(connection, accepted)

    def lease_events(
        self,
        now: float,
        until: float,
        *,
        limit: int,
        each: int,
        busy: Collection[tuple[str, str, str]],
    ) -> tuple[QueuedEvent, ...]:
        with self._write() as connection:
            return sql_events.lease(connection, now, until, limit, each, busy)

    def release_events(self, now: float) -> int:
        with self._write() as connection:
            return sql_events.release(connection, now)

    def put_back_event(self, event: QueuedEvent) -> bool:
        with self._write() as connection:
            return sql_events.put_back(connection, event)

    def keep_delivery(self, event: QueuedEvent) -> bool:
        with self._write() as connection:
            return sql_events.keep_delivery(connection, event)

    def settle_event(
        self, identifier: str, how: Settled, followers: Sequence[QueuedEvent] = ()
    ) -> bool:
        with self._write() as connection:
            return sql_events.settle(connection, identifier, how, followers)

    def backlog(self) -> Backlog:
        with self._read() as connection:
            return sql_events.backlog(connection)

    def next_event_due(self) -> float | None:
        with self._read() as connection:
            return sql_events.next_due(connection)

    # bytes

    def is_referenced(self, digest: str) -> bool:
        with self._read() as connection:
            found = connection.execute(
                sa.select(blob_references.c.digest)
                .where(blob_references.c.digest == digest)
                .limit(1)
            )
            return found.first() is not None

    def referenced_digests(self) -> set[str]:
        with self._read() as connection:
            found = connection.execute(sa.select(blob_references.c.digest).distinct())
            return set(found.scalars())

    def code_storage(self, account: str, region: str) -> int:
        with self._read() as connection:
            layers = sql_layers.storage(connection, account, region)
            return layers + sql_functions.storage(connection, account, region)

    # the whole

    def all_pending(self) -> tuple[Function, ...]:
        with self._read() as connection:
            return sql_functions.pending(connection)

    def all_with_snapshots(self) -> tuple[Function, ...]:
        with self._read() as connection:
            return sql_functions.with_snapshots(connection)

    def close(self) -> None:
        self._engine.dispose()
