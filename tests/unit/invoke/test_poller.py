"""Readers of a queue: they come with messages, and one of them always stays."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future
from datetime import UTC, datetime
from typing import Any

from lamella.invoke.poller import Poller
from lamella.model.invocation import Outcome
from lamella.model.mapping import EventSourceMapping, MappingState

ROUNDS = 50
MAPPING = EventSourceMapping(
    account="000000000000",
    region="eu-west-1",
    uuid="5a1e0c58-4f4b-4b1a-9a59-0a3c8d9f1f11",
    function="reader",
    qualifier=None,
    source_arn="arn:aws:sqs:eu-west-1:000000000000:queue",
    enabled=True,
    state=MappingState.ENABLED,
    last_modified=datetime(2026, 1, 1, tzinfo=UTC),
    settings={"BatchSize": 1, "MaximumBatchingWindowInSeconds": 0},
)


class AtOnce(Executor):
    """Runs what it is given before it returns: readers that ask together are answered together."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except ZeroDivisionError as error:
            done.set_exception(error)
        return done


class Queue:
    """What a poller asks of a client of SQS. ``waiting`` are the bodies to hand out."""

    def __init__(self) -> None:
        self.waiting: list[str] = []
        self.asked = 0
        self.fault: Exception | None = None

    def get_queue_url(self, **request: Any) -> dict[str, str]:
        return {"QueueUrl": "http://queue"}

    def receive_message(self, **request: Any) -> dict[str, Any]:
        self.asked += 1
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        if not self.waiting:
            return {}
        body = self.waiting.pop()
        message = {"MessageId": body, "ReceiptHandle": body, "Body": body, "Attributes": {}}
        return {"Messages": [message | {"MD5OfBody": ""}]}

    def delete_message_batch(self, **request: Any) -> dict[str, Any]:
        return {}


async def _answer(mapping: EventSourceMapping, payload: bytes, trace: str | None) -> Outcome:
    return Outcome(payload=b"null", executed_version="$LATEST")


async def _goes_on(queue: Queue) -> bool:
    """Whether somebody still asks the queue."""
    asked = queue.asked
    for _ in range(100):
        await asyncio.sleep(0)
    return queue.asked > asked


def test_of_readers_that_find_nothing_together_one_stays() -> None:
    async def play() -> None:
        queue = Queue()
        poller = Poller(MAPPING, queue, _answer, AtOnce())
        poller.start()
        for _ in range(ROUNDS):
            queue.waiting = ["1", "2", "3", "4"]
            assert await _goes_on(queue)
            assert not queue.waiting
        await poller.stop()

    asyncio.run(play())


def test_a_reader_outlives_what_nobody_thought_of() -> None:
    async def play() -> None:
        queue = Queue()
        queue.fault = ZeroDivisionError("nobody thought of it")
        poller = Poller(MAPPING, queue, _answer, AtOnce())
        poller.start()
        while not queue.asked:
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        assert poller.problem == "PROBLEM: Internal error"
        async with asyncio.timeout(10):
            while queue.asked < 2:
                await asyncio.sleep(0.05)
        await poller.stop()

    asyncio.run(play())
