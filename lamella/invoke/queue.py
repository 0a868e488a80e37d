"""The queue of asynchronous events: accepted durably, run until they settle, each exactly once.

The rows are the truth; this module holds leases on some of them and runs those. A server that
dies loses its leases and nothing else: the next one runs what they covered again, as AWS runs an
event at least once. What a destination is to be told is kept before it is sent, and the row goes
only once it was taken. Records for functions are accepted in the same transaction.

Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import compress
from operator import not_
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from lamella.errors import (
    ApiError,
    RecursiveInvocation,
    ResourceNotFound,
    TooManyRequests,
)
from lamella.functions import lookup
from lamella.functions.event_invoke import (
    AGE_SECONDS,
    ATTEMPTS,
    Allows,
    EventInvokeConfig,
    may_tell,
)
from lamella.functions.permissions import Place
from lamella.invoke import destinations
from lamella.invoke.destinations import Ending, Senders
from lamella.model import arn
from lamella.model.document import DocumentKey, Kind
from lamella.model.event import Condition, QueuedEvent, Settled
from lamella.model.function import Function
from lamella.model.invocation import Outcome
from lamella.records.base import Records

Run = Callable[[QueuedEvent], Coroutine[Any, Any, Outcome]]

LEASE_SECONDS = 1_800.0
"""Twice the longest timeout of a function: a lease outlives what it covers."""
AT_ONCE = 64
OF_ONE_FUNCTION = 16
WIDEN_AFTER = 20
LONGEST_RUN = 960.0
"""The longest timeout of a function, and a minute to settle."""
THREADS, SENDERS = 4, 16
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0
LONGEST_SLEEP = 5.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rules:
    """What is set for one event's function: as it is when the event ends, as AWS reads it."""

    function: Function | None
    config: EventInvokeConfig | None
    has_no_concurrency: bool

    @property
    def attempts(self) -> int:
        set_ = self.config.attempts if self.config else None
        return (ATTEMPTS if set_ is None else set_) + 1

    @property
    def age(self) -> float:
        set_ = self.config.age_seconds if self.config else None
        return AGE_SECONDS if set_ is None else set_


@dataclass(slots=True)
class Lane:
    """The leased events of one function: those that run, and those that wait for them.

    A function that is throttled gets a narrower lane, so that its events wait here, in order,
    and not in a storm of attempts; it widens again while things go well.
    """

    width: int = OF_ONE_FUNCTION
    running: int = 0
    waiting: deque[tuple[QueuedEvent, float]] = field(default_factory=deque)
    went_well: int = 0

    @property
    def count(self) -> int:
        return self.running + len(self.waiting)

    def learn(self, *, throttled: bool) -> None:
        if throttled:
            self.width, self.went_well = max(1, self.width // 2), 0
            return
        self.went_well += 1
        if self.went_well >= WIDEN_AFTER * self.width:
            self.width, self.went_well = min(OF_ONE_FUNCTION, self.width + 1), 0


class Queue:
    """The queue of this server. ``run`` invokes; ``retry_seconds`` is the wait before the first
    retry, doubled before the second; pauses for throttles are in proportion (1 s to 5 min at 60).
    """

    def __init__(
        self,
        records: Records,
        run: Run,
        senders: Senders,
        allows: Allows,
        *,
        retry_seconds: float,
    ) -> None:
        self._records = records
        self._run = run
        self._senders = senders
        self._allows = allows
        self._retry_seconds = retry_seconds
        self._scale = retry_seconds / 60.0
        # Callers wait for the first, targets make the last wait: neither holds the others up.
        self._door = ThreadPoolExecutor(1, thread_name_prefix="event-accept")
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="event")
        self._post = ThreadPoolExecutor(SENDERS, thread_name_prefix="event-send")
        self._arrived: list[tuple[QueuedEvent, asyncio.Future[None]]] = []
        self._accepting: asyncio.Task[None] | None = None
        self._working: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._lanes: defaultdict[tuple[str, str, str], Lane] = defaultdict(Lane)
        self._delivering = 0
        self._stir = asyncio.Event()
        self._is_stopping = False

    async def start(self) -> None:
        """Take up what a server before this one left, and work until `close`."""
        freed = await self._ask(self._records.release_events, time.time())
        if freed:
            log.info("taking up %d events that an earlier server was running", freed)
        self._working = asyncio.get_running_loop().create_task(self._work())

    def stop(self) -> None:
        """Begin nothing more; what runs is left to the next server."""
        self._is_stopping = True
        self._stir.set()

    async def close(self) -> None:
        self.stop()
        for task in (self._working, self._accepting, *self._tasks):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        for threads in (self._door, self._threads):
            threads.shutdown(wait=True, cancel_futures=True)
        self._post.shutdown(wait=False, cancel_futures=True)

    async def accept(self, event: QueuedEvent) -> None:
        """Keep an event; it is durable when this returns. Many at once share one commit."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._arrived.append((event, done))
        if self._accepting is None or self._accepting.done():
            self._accepting = asyncio.get_running_loop().create_task(self._accept())
        await done

    async def _accept(self) -> None:
        while self._arrived:
            arrived, self._arrived = self._arrived, []
            try:
                await asyncio.get_running_loop().run_in_executor(
                    self._door, self._records.add_events, [event for event, _ in arrived]
                )
            except Exception as error:  # whatever it is, those who wait must be told
                log.exception("events could not be accepted")
                for _, done in arrived:
                    if not done.done():
                        done.set_exception(error)
                continue
            for _, done in arrived:
                if not done.done():
                    done.set_result(None)
            self._stir.set()

    async def _work(self) -> None:
        """Lease what is due, as much as may run at once; sleep until more is due."""
        while not self._is_stopping:
            self._stir.clear()
            asked = time.time()
            try:
                leased = await self._lease()
                due = None if leased else await self._ask(self._records.next_event_due)
            except Exception:  # the boundary of a task that must not end
                log.exception("the queue of events could not be read")
                leased, due = (), time.time() + 1.0
            for event in leased:
                self._begin(event)
            if not leased:
                sleep = LONGEST_SLEEP
                # What was due before is left for want of room: what ends makes some, and stirs.
                if due is not None and due > asked:
                    sleep = min(sleep, due - time.time())
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stir.wait(), max(0.0, sleep))

    async def _lease(self) -> tuple[QueuedEvent, ...]:
        free = AT_ONCE - self._delivering - sum(lane.count for lane in self._lanes.values())
        if free <= 0:
            return ()
        share = OF_ONE_FUNCTION // 2
        busy = [function for function, lane in self._lanes.items() if lane.count > share]
        now = time.time()
        leased: tuple[QueuedEvent, ...] = await self._ask(
            lambda: self._records.lease_events(
                now, now + LEASE_SECONDS, limit=free, each=share, busy=busy
            )
        )
        return leased

    def _begin(self, event: QueuedEvent) -> None:
        lane = self._lanes[event.function]
        lane.waiting.append((event, time.time() + LEASE_SECONDS - LONGEST_RUN))
        self._drive(event.function)

    def _drive(self, function: tuple[str, str, str]) -> None:
        """Start what a function's lane lets go at once."""
        lane = self._lanes[function]
        while lane.waiting and lane.running < lane.width and not self._is_stopping:
            event, latest = lane.waiting.popleft()
            lane.running += 1
            self._spawn(self._one(event, latest))
        if not lane.count:
            del self._lanes[function]

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _one(self, event: QueuedEvent, latest: float) -> None:
        try:
            if time.time() > latest:
                # It waited so long in its lane that the lease might end while it runs.
                await self._ask(self._records.put_back_event, replace(event, due=time.time()))
            elif event.delivery is None:
                await self._invoke(event)
            else:
                await self._deliver(event)
        except Exception:  # the boundary of a task: the event is tried again
            log.exception("event %s of %s could not be dealt with", event.id, event.name)
            later = replace(event, due=time.time() + LONGEST_PAUSE * self._scale)
            with contextlib.suppress(Exception):  # the lease brings it back, if nothing else
                await self._ask(self._records.put_back_event, later)
        finally:
            self._lanes[event.function].running -= 1
            self._drive(event.function)
            self._stir.set()

    async def _invoke(self, event: QueuedEvent) -> None:
        """Run the function once, and decide what becomes of the event."""
        outcome, error = None, None
        rules = await self._ask(self._rules, event)
        now = time.time()
        if now > event.accepted + rules.age:
            await self._end(event, rules, Ending(Condition.AGE_EXCEEDED))
            return
        if rules.has_no_concurrency:
            ending = Ending(Condition.NO_CONCURRENCY, error="Reserved concurrency is 0.")
            await self._end(event, rules, ending)
            return
        try:
            outcome = await self._run(event)
        except ApiError as fault:
            error = fault
        if self._is_stopping:
            return  # what came may be the stopping itself: the next server runs it again
        self._lanes[event.function].learn(throttled=isinstance(error, TooManyRequests))
        if outcome is not None:
            await self._answered(replace(event, attempts=event.attempts + 1), rules, outcome)
        elif isinstance(error, ResourceNotFound):
            await self._ask(self._records.settle_event, event.id, Settled.DROPPED)
        elif isinstance(error, RecursiveInvocation):
            ending = Ending(Condition.RECURSION, error=error.message)
            await self._end(event, rules, ending)
        else:
            assert error is not None
            await self._pause(event, rules, error)

    async def _answered(self, event: QueuedEvent, rules: Rules, outcome: Outcome) -> None:
        if outcome.function_error is None:
            await self._end(event, rules, Ending(Condition.SUCCESS, outcome))
            return
        if event.attempts >= rules.attempts:
            await self._end(event, rules, Ending(Condition.RETRIES_EXHAUSTED, outcome))
            return
        due = time.time() + self._retry_seconds * 2 ** (event.attempts - 1)
        if due > event.accepted + rules.age:
            await self._end(event, rules, Ending(Condition.AGE_EXCEEDED, outcome))
            return
        await self._ask(self._records.put_back_event, replace(event, due=due, pauses=0))

    async def _pause(self, event: QueuedEvent, rules: Rules, error: ApiError) -> None:
        """The function did not run: back into the queue, for a while that gets longer."""
        due = time.time() + self._pause_seconds(event.pauses)
        if due > event.accepted + rules.age:
            ending = Ending(Condition.AGE_EXCEEDED, error=error.message)
            await self._end(event, rules, ending)
            return
        if not isinstance(error, TooManyRequests):
            log.warning("event %s of %s could not run: %s", event.id, event.name, error)
        await self._ask(
            self._records.put_back_event, replace(event, due=due, pauses=event.pauses + 1)
        )

    def _pause_seconds(self, pauses: int) -> float:
        return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(pauses, 16)) * self._scale

    async def _end(self, event: QueuedEvent, rules: Rules, ending: Ending) -> None:
        """Settle, or keep what is to be told and tell it."""
        targets = destinations.deliveries(ending, rules.function, rules.config)
        how = Settled.SUCCESS if ending.is_success else Settled.FAILURE
        if not targets:
            await self._ask(self._records.settle_event, event.id, how)
            return
        delivery = {
            "how": how.value,
            "record": destinations.record(event, ending, datetime.now(UTC)).decode(),
            "attributes": destinations.attributes(event, ending),
            "targets": targets,
            "trace": event.trace_id if ending.outcome is None else ending.outcome.trace_id,
            "since": time.time(),
        }
        kept = replace(event, delivery=delivery, pauses=0)
        if await self._ask(self._records.keep_delivery, kept):
            # The function is done with it: the next event need not wait for the telling.
            self._delivering += 1
            self._spawn(self._tell(kept))

    async def _tell(self, event: QueuedEvent) -> None:
        try:
            await self._deliver(event)
        except Exception:  # the boundary of a task: the lease brings the event back
            log.exception("the end of event %s of %s could not be told", event.id, event.name)
        finally:
            self._delivering -= 1
            self._stir.set()

    async def _deliver(self, event: QueuedEvent) -> None:
        """Tell whoever has not been told yet, then settle; functions are told by settling."""
        assert event.delivery is not None
        delivery = dict(event.delivery)
        left = list(delivery["targets"])
        for entry in list(left):
            if destinations.is_function(entry["target"]):
                continue
            try:
                told = {**delivery, "targets": [entry]}
                await asyncio.get_running_loop().run_in_executor(
                    self._post, self._senders.send, event, told, entry["target"]
                )
            except (BotoCoreError, ClientError, LookupError, ValueError) as error:
                await self._deliver_later(event, {**delivery, "targets": left}, error)
                return
            left.remove(entry)
            if left:
                event = replace(event, delivery={**delivery, "targets": left})
                await self._ask(self._records.keep_delivery, event)
        followers = await self._ask(self._followers, event, delivery, left)
        await self._ask(self._records.settle_event, event.id, Settled(delivery["how"]), followers)
        if followers:
            self._stir.set()

    async def _deliver_later(
        self, event: QueuedEvent, delivery: dict[str, Any], error: Exception
    ) -> None:
        due = time.time() + self._pause_seconds(event.pauses)
        if due > delivery["since"] + AGE_SECONDS:
            log.error("nobody took the record of event %s: %s", event.id, error)
            await self._ask(self._records.settle_event, event.id, Settled.UNDELIVERABLE)
            return
        log.warning("the record of event %s was not taken, and is sent again: %s", event.id, error)
        event = replace(event, due=due, pauses=event.pauses + 1, delivery=delivery)
        await self._ask(self._records.put_back_event, event)

    def _followers(
        self, event: QueuedEvent, delivery: dict[str, Any], left: list[dict[str, str]]
    ) -> list[QueuedEvent]:
        """The events by which functions are told, but those that may not be any more; blocking."""
        found = [self._follower(event, delivery, entry) for entry in left]
        if all(each.account == event.account for each in found):
            return found
        try:
            role = lookup.resolve(self._records, *event.function, event.qualifier).role
        except ResourceNotFound:
            role = None
        places = [Place(*each.function, each.qualifier) for each in found]
        may = [may_tell(self._allows, at, event.account, role) for at in places]
        for at in compress(places, map(not_, may)):
            log.warning("event %s: no permission to tell %s", event.id, at.arn)
        return list(compress(found, may))

    def _follower(
        self, event: QueuedEvent, delivery: dict[str, Any], entry: dict[str, str]
    ) -> QueuedEvent:
        """The event by which a function is told."""
        named = arn.parse_function(entry["target"])
        assert named is not None
        is_record = entry["kind"] == destinations.DESTINATION
        now = time.time()
        return QueuedEvent(
            id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{event.id} {entry['target']}")),
            account=named.account or event.account,
            region=named.region or event.region,
            name=named.name,
            qualifier=named.qualifier,
            payload=delivery["record"].encode() if is_record else event.payload,
            trace_id=delivery["trace"],
            client_context=None,
            accepted=now,
            due=now,
        )

    def _rules(self, event: QueuedEvent) -> Rules:
        """What is set for an event's function now; blocking."""
        qualifier = event.qualifier or arn.LATEST
        at = DocumentKey(Kind.EVENT_INVOKE, *event.function, qualifier)
        config = self._records.document(at)
        reserved = self._records.document(DocumentKey(Kind.CONCURRENCY, *event.function))
        try:
            function = lookup.resolve(self._records, *event.function, event.qualifier)
        except ResourceNotFound:
            function = None
        return Rules(
            function,
            None if config is None else EventInvokeConfig(**config),
            reserved is not None and reserved.get("reserved") == 0,
        )

    async def _ask(self, question: Callable[..., Any], *about: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, question, *about)
