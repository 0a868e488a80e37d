"""Who invokes besides callers of the API: the queue of events, and pollers of queues."""

from __future__ import annotations

from lamella.api.app import new_request_id
from lamella.invoke.dispatch import Dispatcher
from lamella.invoke.poller import Invoke
from lamella.invoke.queue import Run
from lamella.model.event import QueuedEvent
from lamella.model.invocation import Outcome
from lamella.model.mapping import EventSourceMapping


def events_to(dispatcher: Dispatcher) -> Run:
    """How the queue invokes."""

    async def run(event: QueuedEvent) -> Outcome:
        return await dispatcher.invoke(
            *event.function,
            event.qualifier,
            event.payload,
            request_id=event.id,
            client_context=event.client_context,
            trace_id=event.trace_id,
        )

    return run


def batches_to(dispatcher: Dispatcher) -> Invoke:
    """How pollers of queues invoke."""

    async def invoke(mapping: EventSourceMapping, payload: bytes, trace: str | None) -> Outcome:
        return await dispatcher.invoke(
            mapping.account,
            mapping.region,
            mapping.function,
            mapping.qualifier,
            payload,
            request_id=new_request_id(),
            trace_id=trace,
        )

    return invoke
