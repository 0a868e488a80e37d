"""From acknowledged to ready: what a version needs on this node is made after the answer.

A created or updated function is Pending or InProgress until `prepare` (unpacking, compiling)
has gone through; then its row says Active and Successful, under a new revision, as on AWS.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace

from lamella.errors import LamellaError
from lamella.model.function import Function, State, UpdateStatus
from lamella.records.base import Records

Key = tuple[str, str, str, str]

THREADS = 2

log = logging.getLogger(__name__)


def key_of(function: Function) -> Key:
    return function.account, function.region, function.name, function.version


def new_revision() -> str:
    return str(uuid.uuid4())


class Readying:
    """Makes versions ready, two at a time; ``changed`` is told of every row that changed."""

    def __init__(
        self,
        records: Records,
        prepare: Callable[[Function], None],
        changed: Callable[[Function], None],
    ) -> None:
        self._records = records
        self._prepare = prepare
        self._changed = changed
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="readying")
        self._guard = threading.Lock()
        self._pending: dict[Key, Future[None]] = {}

    def begin(self, function: Function) -> None:
        """Make ``function``, whose row is in the records, ready; returns at once."""
        key = key_of(function)
        with self._guard:
            work = self._pending[key] = self._threads.submit(self._work, function)
        work.add_done_callback(lambda done: self._forget(key, done))

    def resume(self) -> int:
        """At start-up: go on with what an earlier server left unfinished; return how many."""
        left = self._records.all_pending()
        for function in left:
            self.begin(function)
        return len(left)

    def wait(self, key: Key, seconds: float) -> bool:
        """Wait until nothing is being made ready for ``key``; False if it takes longer."""
        with self._guard:
            pending = self._pending.get(key)
        return pending is None or not wait((pending,), seconds).not_done

    def _work(self, function: Function) -> None:
        fault = None
        try:
            self._prepare(function)
        except (LamellaError, OSError, KeyError) as error:
            log.exception("%s could not be made ready", function.arn)
            fault = str(error)
        try:
            now = self._records.change_function(
                *key_of(function), lambda row: settled(row, function.revision_id, fault)
            )
        except KeyError:
            return
        self._changed(now)

    def _forget(self, key: Key, done: Future[None]) -> None:
        with self._guard:
            if self._pending.get(key) is done:
                del self._pending[key]

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)


def settled(row: Function, revision: str, fault: str | None) -> Function:
    """``row`` after its preparation ended; a row that has changed since is left as it is."""
    if row.revision_id != revision:
        return row
    if fault is None:
        return replace(
            row,
            revision_id=new_revision(),
            state=State.ACTIVE,
            state_reason=None,
            state_reason_code=None,
            last_update_status=UpdateStatus.SUCCESSFUL,
            last_update_status_reason=None,
            last_update_status_reason_code=None,
        )
    if row.state is State.PENDING:
        return replace(
            row, state=State.FAILED, state_reason=fault, state_reason_code="InternalError"
        )
    return replace(
        row,
        last_update_status=UpdateStatus.FAILED,
        last_update_status_reason=fault,
        last_update_status_reason_code="InternalError",
    )
