"""Reading one queue for one function: receive, filter, invoke, delete.

Messages are never lost: what was received and not dealt with comes back by the queue's own
visibility timeout, and goes to its dead-letter queue by its own redrive policy.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from lamella.errors import ApiError
from lamella.functions.mapping_rules import QUEUE_BATCH
from lamella.invoke import queue_records as records
from lamella.invoke.queue_records import Record
from lamella.model.filter import selects
from lamella.model.invocation import Outcome
from lamella.model.mapping import EventSourceMapping

Invoke = Callable[[EventSourceMapping, bytes, str | None], Coroutine[Any, Any, Outcome]]
"""A mapping, a payload and a trace header to what the function answered."""

READERS = 5
"""How many batches are under way at once where the mapping does not say."""
WAIT_SECONDS = 2
"""How long one request waits for messages; also how long a stop may take."""
PAUSE_SECONDS = 60.0

FAILED = "PROBLEM: Function call failed"

log = logging.getLogger(__name__)


class Poller:
    """One enabled mapping's readers. ``problem`` is why the last batch came to nothing, or None."""

    def __init__(
        self, mapping: EventSourceMapping, client: Any, invoke: Invoke, threads: Executor
    ) -> None:
        self.mapping = mapping
        self.problem: str | None = None
        self._client = client
        self._invoke = invoke
        self._threads = threads
        self._url = ""
        self._stopped = asyncio.Event()
        self._readers: set[asyncio.Task[None]] = set()
        scaling = mapping.settings.get("ScalingConfig") or {}
        self._most = scaling.get("MaximumConcurrency") or READERS
        filters = (mapping.settings.get("FilterCriteria") or {}).get("Filters") or []
        self._patterns = tuple(each["Pattern"] for each in filters)

    def start(self) -> None:
        self._add_reader()

    async def stop(self) -> None:
        """Read no more; batches that are under way are seen through."""
        self._stopped.set()
        while self._readers:
            await asyncio.wait(self._readers)

    def _add_reader(self) -> None:
        if len(self._readers) < self._most and not self._stopped.is_set():
            task = asyncio.get_running_loop().create_task(self._read())
            self._readers.add(task)
            task.add_done_callback(self._readers.discard)

    async def _read(self) -> None:
        """Batch after batch; a reader that finds the queue empty leaves it to the last one."""
        task, pause = asyncio.current_task(), 1.0
        while not self._stopped.is_set():
            try:
                messages = await self._batch()
                if messages:
                    self.problem = await self._deal_with(messages)
                elif self.problem != FAILED:
                    self.problem = None
            except Exception as error:  # a reader that ends leaves its queue unread for good
                if not isinstance(error, ClientError | BotoCoreError | ApiError):
                    log.exception("reading %s failed", self.mapping.source_arn)
                self.problem = f"PROBLEM: {worded(error)}"
                self._url = ""
                await self._pause(pause)
                pause = min(2 * pause, PAUSE_SECONDS)
                continue
            pause = 1.0
            if messages:
                self._add_reader()
            elif len(self._readers) > 1:
                # At once: of two that find nothing in the same moment one has to stay.
                self._readers.discard(task)
                return

    async def _batch(self) -> list[dict[str, Any]]:
        """Messages up to the mapping's batch size, gathered for no longer than its window."""
        size = self.mapping.settings["BatchSize"]
        window = self.mapping.settings["MaximumBatchingWindowInSeconds"]
        messages = await self._receive(size, WAIT_SECONDS)
        clock = asyncio.get_running_loop().time
        until = clock() + window
        while messages and len(messages) < size and clock() < until and not self._stopped.is_set():
            wait = max(0, min(WAIT_SECONDS, round(until - clock())))
            messages += await self._receive(size - len(messages), wait)
        if self._stopped.is_set() and messages:
            await self._give_back(messages)
            return []
        return messages

    async def _receive(self, count: int, wait: int) -> list[dict[str, Any]]:
        answer = await self._call(
            "receive_message",
            MaxNumberOfMessages=min(QUEUE_BATCH, count),
            WaitTimeSeconds=wait,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        return list(answer.get("Messages") or [])

    async def _deal_with(self, messages: Sequence[dict[str, Any]]) -> str | None:
        """Invoke with what passes the filters; delete what is done. The problem, if any."""
        batch = [records.record(message, self.mapping) for message in messages]
        wanted = [each for each in batch if selects(self._patterns, each)]
        wanted_ids = {each["messageId"] for each in wanted}
        await self._delete([each for each in batch if each["messageId"] not in wanted_ids])
        for portion, payload in records.portions(wanted):
            outcome = await self._invoke(self.mapping, payload, trace_of(portion))
            if outcome.function_error is not None:
                return FAILED
            settings = self.mapping.settings
            partially = "ReportBatchItemFailures" in (settings.get("FunctionResponseTypes") or ())
            finished = records.done(portion, outcome.payload, partial=partially)
            await self._delete(finished)
            if len(finished) < len(portion) and self.mapping.is_fifo:
                return FAILED  # what follows may not overtake what failed
        return None

    async def _delete(self, gone: Sequence[Record]) -> None:
        for start in range(0, len(gone), QUEUE_BATCH):
            entries = [
                {"Id": str(number), "ReceiptHandle": each["receiptHandle"]}
                for number, each in enumerate(gone[start : start + QUEUE_BATCH])
            ]
            await self._call("delete_message_batch", Entries=entries)

    async def _give_back(self, messages: Sequence[dict[str, Any]]) -> None:
        """Let others have at once what was received too late."""
        for start in range(0, len(messages), QUEUE_BATCH):
            entries = [
                {"Id": str(n), "ReceiptHandle": each["ReceiptHandle"], "VisibilityTimeout": 0}
                for n, each in enumerate(messages[start : start + QUEUE_BATCH])
            ]
            await self._call("change_message_visibility_batch", Entries=entries)

    async def _call(self, method: str, **members: Any) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        if not self._url:
            self._url = await loop.run_in_executor(
                self._threads, queue_url, self._client, self.mapping
            )
        request = partial(getattr(self._client, method), QueueUrl=self._url, **members)
        answer: dict[str, Any] = await loop.run_in_executor(self._threads, request)
        return answer

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopped.wait(), seconds)
        except TimeoutError:
            return


def queue_url(client: Any, mapping: EventSourceMapping) -> str:
    found = client.get_queue_url(
        QueueName=records.queue_name(mapping), QueueOwnerAWSAccountId=records.queue_owner(mapping)
    )
    return str(found["QueueUrl"])


def trace_of(portion: Sequence[Record]) -> str | None:
    """The trace header that the first message brings, if it brings one."""
    found = portion[0]["attributes"].get("AWSTraceHeader")
    return None if found is None else str(found)


def worded(error: Exception) -> str:
    if isinstance(error, ApiError):
        return error.message
    if isinstance(error, ClientError):
        fault = error.response.get("Error", {})
        return (
            f"Error occurred while {error.operation_name}. SQS Error Code: {fault.get('Code')}. "
            f"SQS Error Message: {fault.get('Message')}"
        )
    if isinstance(error, BotoCoreError):
        return f"The queue cannot be reached: {type(error).__name__}"
    return "Internal error"
