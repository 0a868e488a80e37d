"""From acknowledged to ready: what a version needs on this node is made after the answer.

A created or published version is Pending, an updated one InProgress, until `prepare` (unpacking,
compiling) has gone through; then its row says Active and Successful, under a new revision, as on
AWS (https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html).
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from lamella.errors import LamellaError, SnapshotFailed
from lamella.functions.turns import Turns
from lamella.layers.collect import Collecting
from lamella.model.function import Function, State, UpdateStatus
from lamella.records.base import Records

Key = tuple[str, str, str, str]

THREADS = 2
INITS = 8
"""Versions that are initialised at once: that is code of others, which may take minutes."""
INITS_OF_ONE = INITS // 2
"""Those of them that may be one account's."""
FAULT_CODE = "InternalError"
UNNAMED_FAULT = "The code or the layers could not be prepared; the server's log says why."

log = logging.getLogger(__name__)


class Fault(NamedTuple):
    """Why a version is not ready: what a client may read, and AWS's code for it."""

    reason: str
    code: str = FAULT_CODE


def key_of(function: Function) -> Key:
    return function.account, function.region, function.name, function.version


def new_revision() -> str:
    return str(uuid.uuid4())


def digests(function: Function) -> set[str]:
    """The bytes that a version uses: its code and its layers."""
    return {function.code.digest, *(layer.digest for layer in function.layers)}


@contextmanager
def kept(records: Records, collecting: Collecting, function: Function) -> Iterator[bool]:
    """While inside, the bytes of ``function`` stay; yields False if it was updated or is gone.

    Then its bytes may be gone as well, and what is made of them would be collected by nobody.
    """
    with collecting.writing():
        row = records.function(*key_of(function))
        current = row is not None and row.last_modified == function.last_modified
        held = digests(function) if current else set()
        collecting.hold(held)
    try:
        yield current
    finally:
        collecting.release(held)


class Readying:
    """Makes versions ready, two at a time, and beside them those that are initialised for it;
    ``changed`` is told of every row that changed."""

    def __init__(
        self,
        records: Records,
        collecting: Collecting,
        prepare: Callable[[Function], None],
        changed: Callable[[Function], None],
    ) -> None:
        self._records = records
        self._collecting = collecting
        self._prepare = prepare
        self._changed = changed
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="readying")
        self._inits = Turns(INITS, INITS_OF_ONE, "initialising")
        self._guard = threading.Lock()
        self._pending: dict[Key, Future[None]] = {}
        self._closed = False

    def begin(self, function: Function) -> None:
        """Make ``function``, whose row is in the records, ready; returns at once.

        After `close` it does nothing: the next server resumes what is pending.
        """
        key = key_of(function)
        with self._guard:
            if self._closed:
                return
            if function.has_snapshot:
                work = self._inits.submit(function.account, partial(self._work, function))
            else:
                work = self._threads.submit(self._work, function)
            self._pending[key] = work
        work.add_done_callback(lambda done: self._forget(key, done))

    def resume(self) -> int:
        """At start-up: go on with what an earlier server left unfinished; return how many."""
        left = self._records.all_pending()
        for function in left:
            self.begin(function)
        return len(left)

    def pending(self, key: Key) -> Future[None] | None:
        """What is being made ready for ``key``, for those who wait without a thread."""
        with self._guard:
            return self._pending.get(key)

    def wait(self, key: Key, seconds: float) -> bool:
        """Wait until nothing is being made ready for ``key``; False if it takes longer."""
        pending = self.pending(key)
        return pending is None or not wait((pending,), seconds).not_done

    def _work(self, function: Function) -> None:
        if self._closed:
            return  # it has waited for its turn until now
        try:
            with kept(self._records, self._collecting, function) as current:
                row = self._records.function(*key_of(function))
                if current and row is not None and is_waiting(row, function):
                    fault = self._fault(function)
                    if fault is None or not self._closed:
                        self._settle(function, fault)
        except Exception:  # the boundary: nobody waits for this thread's result
            log.exception("%s stays as it is until the next update or start", function.arn)

    def _fault(self, function: Function) -> Fault | None:
        try:
            self._prepare(function)
        except SnapshotFailed as error:
            return Fault(str(error), error.code)
        except Exception as error:  # the boundary: whatever happened, the row says that it failed
            if not self._closed:
                log.exception("%s could not be made ready", function.arn)
            return Fault(reason(error))
        return None

    def _settle(self, function: Function, fault: Fault | None) -> None:
        try:
            row = self._records.change_function(
                *key_of(function), lambda row: settled(row, function, fault)
            )
        except KeyError:
            return
        self._changed(row)

    def _forget(self, key: Key, done: Future[None]) -> None:
        with self._guard:
            if self._pending.get(key) is done:
                del self._pending[key]

    def abort(self) -> None:
        """Begin nothing more; what is cut off now stays pending, for the next server."""
        with self._guard:
            self._closed = True

    def close(self) -> None:
        """Begin nothing more, and wait for what is under way."""
        self.abort()
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._inits.close()


def is_waiting(row: Function, begun: Function) -> bool:
    """Whether ``row`` is still what was ``begun``, and not ready yet.

    Its revision may be another: grants and tags change that, and need nothing made ready.
    """
    unfinished = row.state is State.PENDING or row.last_update_status is UpdateStatus.IN_PROGRESS
    return unfinished and row.last_modified == begun.last_modified


def settled(row: Function, begun: Function, fault: Fault | None) -> Function:
    """``row`` after the preparation of ``begun`` ended; one that was updated since stays as it is."""
    if not is_waiting(row, begun):
        return row
    if fault is not None:
        return failed(row, fault)
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


def failed(row: Function, fault: Fault) -> Function:
    """A new version has failed altogether; of an older one the update has."""
    if row.state is State.PENDING:
        return replace(
            row,
            revision_id=new_revision(),
            state=State.FAILED,
            state_reason=fault.reason,
            state_reason_code=fault.code,
            last_update_status=UpdateStatus.SUCCESSFUL,
            last_update_status_reason=None,
            last_update_status_reason_code=None,
        )
    return replace(
        row,
        revision_id=new_revision(),
        last_update_status=UpdateStatus.FAILED,
        last_update_status_reason=fault.reason,
        last_update_status_reason_code=fault.code,
    )


def reason(error: Exception) -> str:
    """What a client may read of a fault: no path of the host and no digest."""
    if isinstance(error, LamellaError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return UNNAMED_FAULT
