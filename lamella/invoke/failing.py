"""Errors of functions, looked into after their callers were answered.

The event loop only notes that there was an error; what it came from is found, logged and kept a
moment later, for all that happened meanwhile together, in a thread. Of a function that fails
faster than that some errors are only counted.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError

from lamella.functions import failures
from lamella.functions.failures import Blamed, Failure
from lamella.invoke import blame
from lamella.layers.owner import Owner, Owners
from lamella.model import arn
from lamella.model.function import Function
from lamella.model.invocation import Reply
from lamella.records.base import Records

GATHER_SECONDS: Final = 0.2
WAITING: Final = 200
"""Errors that wait to be looked into; more of the same moment are counted alone."""
LAYERS: Final = 1_000
"""Layer versions with a count of their own; the others share one."""
OTHERS: Final = "others"

Note = Callable[[str, dict[str, Any]], None]
"""Writes a line of the function's log, or the record that says the same in JSON."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Failed:
    """An invocation whose answer is an error, and the log's last 4 KB before it."""

    function: Function
    function_arn: str
    request_id: str
    reply: Reply
    log_tail: bytes
    note: Note
    time: float = field(default_factory=time.time)


class Failing:
    """Finds out, for every error of a server, which layer version it came from."""

    def __init__(self, records: Records, owners: Owners) -> None:
        self._records = records
        self._owners = owners
        self._waiting: list[Failed] = []
        self._work: asyncio.Task[None] | None = None
        self._is_closed = False
        self.by_layer: dict[str, int] = {}
        self.unseen = 0

    def add(self, failed: Failed) -> None:
        """Note an error; never waits. Call on the event loop."""
        if len(self._waiting) >= WAITING or self._is_closed:
            self.unseen += 1
            return
        if len(failed.reply.payload) > blame.MOST_BYTES:
            # It is not looked into, and two hundred of them would fill the memory.
            failed = replace(failed, reply=replace(failed.reply, payload=b""))
        self._waiting.append(failed)
        if self._work is None:
            self._work = asyncio.get_running_loop().create_task(self._look())

    async def close(self) -> None:
        """Look into what waits, and take nothing more."""
        self._is_closed = True
        if self._work is not None:
            self._work.cancel()
            await asyncio.wait((self._work,))
        await self._take()

    async def _look(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(GATHER_SECONDS)
                await asyncio.shield(self._take())
        finally:
            self._work = None

    async def _take(self) -> None:
        waiting, self._waiting = self._waiting, []
        try:
            told = await asyncio.to_thread(self._explain, waiting)
        except SQLAlchemyError:
            log.exception("%d errors of functions could not be kept", len(waiting))
            return
        for failed, blamed in told:
            self._count(blamed.layer)
            failed.note(
                blame.line(failed.request_id, blamed), blame.record(failed.request_id, blamed)
            )

    def _explain(self, waiting: list[Failed]) -> list[tuple[Failed, Blamed]]:
        told: list[tuple[Failed, Blamed]] = []
        kept: dict[tuple[str, str, str], list[Failure]] = {}
        for failed in waiting:
            failure = self._failure(failed)
            told.extend((failed, each) for each in failure.layers if each.is_raised)
            function = failed.function
            where = (function.account, function.region, function.name)
            kept.setdefault(where, []).append(failure)
        for where, errors in kept.items():
            failures.add(self._records, where, errors)
        return told

    def _failure(self, failed: Failed) -> Failure:
        function, reply = failed.function, failed.reply
        error_type = reply.error_type or ""
        digests = tuple(layer.digest for layer in function.layers)
        report = blame.read(reply.payload, error_type, failed.log_tail)
        layers: tuple[Blamed, ...] = ()
        if digests:

            def owner(path: str) -> Owner | None:
                return self._owners.owner(digests, path)

            extension = blame.extension(reply.payload, error_type)
            layers = blame.of_extension(extension, function, owner)
            layers = layers or blame.attributed(report, function, owner)
        named = arn.parse_function(failed.function_arn)
        return Failure(
            time=failed.time,
            request_id=failed.request_id,
            version=function.version,
            qualifier=(named and named.qualifier) or "",
            error_type=report.error_type,
            message=report.message,
            layers=layers,
        )

    def _count(self, layer: str) -> None:
        if layer not in self.by_layer and len(self.by_layer) >= LAYERS:
            layer = OTHERS
        self.by_layer[layer] = self.by_layer.get(layer, 0) + 1
