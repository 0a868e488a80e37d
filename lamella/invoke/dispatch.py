"""The way of an invocation: from a name and a payload to an answer. The hot path.

Resolved functions are kept in memory and dropped by the operation that changes them, so a warm
invocation asks no database and changes no thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future

import orjson
from sqlalchemy.exc import SQLAlchemyError

from lamella.errors import (
    InvalidRequestContent,
    LamellaError,
    RecursiveInvocation,
    ResourceNotFound,
    SandboxFailed,
    ServiceError,
)
from lamella.functions.lookup import is_alias
from lamella.functions.workshop import WAIT_SECONDS
from lamella.invoke import recursion, report
from lamella.invoke.environment import Answer, Call
from lamella.invoke.pool import Key, Pool
from lamella.invoke.shelf import Shelf
from lamella.model import arn
from lamella.model.alias import Alias
from lamella.model.function import Function
from lamella.model.invocation import Outcome, Sink

Resolve = Callable[[str, str, str, str | None], Function]
"""Account, region, name and version to a version that is ready to run; blocking."""
Route = Callable[[str, str, str, str], Alias]
"""Account, region, name and alias to what the alias stands for; blocking."""
MayLoop = Callable[[str, str, str], bool]
"""Whether a function (account, region, name) may run over and over in one chain; blocking."""

ON_LOOP_BYTES = 262_144
"""A payload up to this size is checked on the event loop (under a millisecond)."""


class Dispatcher:
    """Invokes functions; one for a server."""

    def __init__(
        self,
        resolve: Resolve,
        route: Route,
        pool: Pool,
        pending: Callable[[Key], Future[None] | None] = lambda key: None,
        may_loop: MayLoop = lambda account, region, name: False,
    ) -> None:
        self._resolve = resolve
        self._route = route
        self._pending = pending
        self._may_loop = may_loop
        self._pool = pool
        self.admission = pool.admission
        self._shelves: dict[tuple[str, str, str, str | None], Shelf] = {}
        self._aliases: dict[Key, Alias] = {}
        self._changes: Counter[tuple[str, str, str]] = Counter()
        self._finding: set[asyncio.Task[None]] = set()
        self._closing = False

    async def invoke(
        self,
        account: str,
        region: str,
        name: str,
        qualifier: str | None,
        payload: bytes,
        *,
        request_id: str,
        client_context: str | None = None,
        trace_id: str | None = None,
        log_tail: bool = False,
        sink: Sink | None = None,
    ) -> Outcome:
        """Run a function once and wait for its answer. A response that the function streams goes
        to ``sink``, if there is one. ``trace_id`` is the trace header that the caller sent.

        Raises InvalidRequestContent, ResourceNotFound, RecursiveInvocation, TooManyRequests, and
        ServiceError when no environment can be made.
        """
        await check_payload(payload)
        shelf = await self._shelf(account, region, name, qualifier)
        trace, before = recursion.follow(trace_id, shelf.mark)
        if before >= recursion.MOST:
            await self._check_loop(account, region, name)
        call = Call(
            request_id=request_id,
            payload=payload or b"{}",
            function_arn=arn.function(account, region, name, qualifier),
            trace_id=trace,
            client_context=client_context,
            log_tail=log_tail,
            sink=sink,
        )
        try:
            answer = await self._run(shelf, call)
        except SandboxFailed as error:
            if not shelf.retired:
                raise ServiceError(str(error)) from error
            # The version changed between being found and being started.
            shelf = await self._shelf(account, region, name, qualifier)
            answer = await self._run(shelf, call)
        return Outcome(
            payload=answer.reply.payload,
            executed_version=shelf.function.version,
            function_error=None if answer.reply.error_type is None else report.UNHANDLED,
            log_tail=answer.log_tail,
            error_type=answer.reply.error_type,
            trace_id=trace,
        )

    async def _check_loop(self, account: str, region: str, name: str) -> None:
        if not await asyncio.to_thread(self._may_loop, account, region, name):
            raise RecursiveInvocation(recursion.LOOP)

    async def _run(self, shelf: Shelf, call: Call) -> Answer:
        environment = await self._pool.take(shelf)
        if call.sink is not None:
            call.sink.chosen(shelf.function.version)
        try:
            answer = await environment.invoke(call)
        except BaseException:
            self._pool.drop(shelf, environment)
            raise
        self._pool.give_back(shelf, environment)
        return answer

    async def shelf(self, account: str, region: str, name: str, version: str) -> Shelf:
        """Where a version's environments are; ready to have some.

        Raises ResourceNotFound, ResourceConflict, InvalidRuntime and ServiceError.
        """
        return await self._shelf(account, region, name, version)

    async def check(self, account: str, region: str, name: str, qualifier: str | None) -> Function:
        """What DryRun does: everything but the invocation."""
        return (await self._shelf(account, region, name, qualifier)).function

    async def _shelf(self, account: str, region: str, name: str, qualifier: str | None) -> Shelf:
        key = (account, region, name, qualifier)
        shelf = self._shelves.get(key)
        while shelf is None or shelf.retired:
            if qualifier is not None and is_alias(qualifier):
                return await self._shelf_behind((account, region, name, qualifier))
            await self._made_ready((account, region, name, qualifier or arn.LATEST))
            changes = self._changes[key[:3]]
            function = await asyncio.to_thread(self._resolve, *key)
            # What changed while it was resolved was forgotten before it was known.
            if changes == self._changes[key[:3]]:
                shelf = self._shelves[key] = self._pool.shelf(function)
        return shelf

    async def _shelf_behind(self, key: Key) -> Shelf:
        """The shelf of the version to which this one invocation of an alias goes."""
        while True:
            alias = self._aliases.get(key)
            while alias is None:
                changes = self._changes[key[:3]]
                found = await asyncio.to_thread(self._route, *key)
                if changes == self._changes[key[:3]]:
                    alias = self._aliases[key] = found
            try:
                return await self._shelf(*key[:3], alias.choose(random.random()))
            except ResourceNotFound:
                # The version went after the alias had been moved away from it.
                if self._aliases.get(key) is alias:
                    raise

    async def _made_ready(self, key: Key) -> None:
        """Wait for an update under way without holding a thread, which others need to start."""
        pending = self._pending(key)
        if pending is not None:
            await asyncio.wait((asyncio.wrap_future(pending),), timeout=WAIT_SECONDS)

    def forget(self, key: Key) -> None:
        """A version changed: the next invocation resolves it anew. Call on the event loop."""
        self._pool.forget(key)
        self.reroute(*key[:3])
        gone = [each for each in self._shelves if each[:3] == key[:3]]
        for each in gone:
            del self._shelves[each]
            if self._closing:
                continue
            task = asyncio.get_running_loop().create_task(self._find_again(each))
            self._finding.add(task)
            task.add_done_callback(self._finding.discard)

    async def _find_again(self, key: tuple[str, str, str, str | None]) -> None:
        """Find what was in use and has changed before it is invoked again, if it is still there."""
        with contextlib.suppress(LamellaError, SQLAlchemyError, OSError):
            await self._shelf(*key)

    async def close(self) -> None:
        """Find nothing again any more; who invokes still gets an answer."""
        self._closing = True
        for task in self._finding:
            task.cancel()
        if self._finding:
            await asyncio.wait(self._finding)

    def reroute(self, account: str, region: str, name: str) -> None:
        """Aliases of a function changed: the next invocation asks what they stand for."""
        self._changes[account, region, name] += 1
        gone = [each for each in self._aliases if each[:3] == (account, region, name)]
        for each in gone:
            del self._aliases[each]


async def check_payload(payload: bytes) -> None:
    """Raise InvalidRequestContent unless ``payload`` is JSON or empty; it is passed on unchanged."""
    if not payload:
        return
    try:
        if len(payload) <= ON_LOOP_BYTES:
            orjson.loads(payload)
        else:
            await asyncio.to_thread(orjson.loads, payload)
    except orjson.JSONDecodeError as error:
        raise InvalidRequestContent(
            f"Could not parse request body into json: Could not parse payload into json: {error}"
        ) from error
