"""Which event sources are read: a poller for each mapping that is enabled, started and stopped
as mappings change. What a change asked for is settled once it has been done.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from lamella.errors import InvalidParameterValue
from lamella.functions.mappings import Mappings
from lamella.invoke.aws import AwsClients
from lamella.invoke.poller import Invoke, Poller, queue_url, worded
from lamella.invoke.queue_records import queue_region
from lamella.model.mapping import EventSourceMapping, MappingState

THREADS = 32
NO_ENDPOINT = "PROBLEM: No server for SQS is configured: start Lamella with --aws-endpoint URL."


class Sources:
    """The pollers of this server. `start` and `close` belong to the event loop, the rest to any
    thread."""

    def __init__(self, clients: AwsClients, invoke: Invoke) -> None:
        self._clients = clients
        self._invoke = invoke
        self._loop = asyncio.get_running_loop()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="queue")
        self._pollers: dict[str, Poller] = {}
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._tasks: set[asyncio.Task[None]] = set()
        self._mappings: Mappings | None = None

    async def start(self, mappings: Mappings) -> None:
        """Read what was read before the server stopped, and finish what was being changed."""
        self._mappings = mappings
        for mapping in await asyncio.to_thread(mappings.everywhere):
            self._look_again(mapping.uuid)

    def changed(self, identifier: str) -> None:
        """A mapping is not what it was."""
        self._loop.call_soon_threadsafe(self._look_again, identifier)

    def look_at(self, mapping: EventSourceMapping, timeout: int) -> None:
        """Refuse a queue that is not there, or whose messages come back while the function runs.

        Raises InvalidParameterValue. A server that does not answer is no reason to refuse.
        """
        if self._clients.endpoint is None:
            return
        client = self._client(mapping)
        try:
            visibility = client.get_queue_attributes(
                QueueUrl=queue_url(client, mapping), AttributeNames=["VisibilityTimeout"]
            )["Attributes"]["VisibilityTimeout"]
        except ClientError as error:
            raise InvalidParameterValue(worded(error)) from None
        except BotoCoreError:
            return
        if int(visibility) < timeout:
            raise InvalidParameterValue(
                f"Queue visibility timeout: {visibility} seconds is less than Function timeout: "
                f"{timeout} seconds"
            )

    def report(self, mapping: EventSourceMapping) -> Mapping[str, Any]:
        """The members of a mapping's description that say how it goes."""
        if not mapping.is_read:
            return {
                "StateTransitionReason": f"Stored only: Lamella does not read {mapping.service} "
                "sources, so no record reaches the function.",
                "LastProcessingResult": "No records processed",
            }
        problem = None
        if mapping.enabled:
            poller = self._pollers.get(mapping.uuid)
            problem = poller.problem if poller else None
            problem = NO_ENDPOINT if self._clients.endpoint is None else problem
        return {"StateTransitionReason": "USER_INITIATED", "LastProcessingResult": problem}

    async def close(self) -> None:
        """Stop reading. Batches under way end, or are cut off with their environments."""
        self._mappings = None
        for task in tuple(self._tasks):
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await asyncio.gather(*(poller.stop() for poller in self._pollers.values()))
        self._pollers.clear()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _client(self, mapping: EventSourceMapping) -> Any:
        return self._clients.client("sqs", mapping.account, queue_region(mapping))

    def _look_again(self, identifier: str) -> None:
        task = self._loop.create_task(self._follow(identifier))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _follow(self, identifier: str) -> None:
        """Make the pollers what the mapping's row says."""
        async with self._turns[identifier]:
            if self._mappings is None:
                return
            mappings = self._mappings
            mapping = await asyncio.to_thread(mappings.find, identifier)
            poller = self._pollers.get(identifier)
            if poller is not None and (mapping is None or differs(poller.mapping, mapping)):
                await self._pollers.pop(identifier).stop()
                poller = None
            if mapping is None:
                return
            if poller is None and self._is_read(mapping):
                client = await asyncio.to_thread(self._client, mapping)
                fresh = self._pollers[identifier] = Poller(
                    mapping, client, self._invoke, self._threads
                )
                fresh.start()
            if mapping.state not in (MappingState.ENABLED, MappingState.DISABLED):
                await asyncio.to_thread(mappings.settle, mapping)

    def _is_read(self, mapping: EventSourceMapping) -> bool:
        return (
            mapping.enabled
            and mapping.is_read
            and mapping.state is not MappingState.DELETING
            and self._clients.endpoint is not None
        )


def differs(before: EventSourceMapping, after: EventSourceMapping) -> bool:
    """Whether a poller for ``before`` would not do for ``after``."""
    return before.last_modified != after.last_modified
