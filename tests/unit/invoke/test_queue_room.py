"""Where more events are due than may run at once, the queue waits for room and then goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lamella.invoke.aws import AwsClients
from lamella.invoke.destinations import Senders
from lamella.invoke.queue import OF_ONE_FUNCTION, Queue
from lamella.model.event import QueuedEvent, Settled
from lamella.model.invocation import Outcome
from lamella.records.sqlite import open_records

EVENTS = 100


def event(number: int) -> QueuedEvent:
    now = time.time()
    return QueuedEvent(
        id=f"event-{number}",
        account="0" * 12,
        region="eu-west-1",
        name="f",
        qualifier=None,
        payload=b"{}",
        trace_id=None,
        client_context=None,
        accepted=now,
        due=now,
    )


async def until(met: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not met():
        assert time.monotonic() < end
        await asyncio.sleep(0.005)


def test_a_full_queue_asks_for_nothing_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = open_records(tmp_path / "records.sqlite")
    asked, running = [], []
    next_due = records.next_event_due

    def next_event_due() -> float | None:
        asked.append(1)
        return next_due()

    monkeypatch.setattr(records, "next_event_due", next_event_due)

    async def main() -> None:
        may_end = asyncio.Event()

        async def run(event: QueuedEvent) -> Outcome:
            running.append(event.id)
            await may_end.wait()
            return Outcome(payload=b"null", executed_version="$LATEST")

        queue = Queue(records, run, Senders(AwsClients(None)), lambda *_: True, retry_seconds=60.0)
        await queue.start()
        await asyncio.gather(*(queue.accept(event(number)) for number in range(EVENTS)))
        await until(lambda: len(running) == OF_ONE_FUNCTION)
        before = len(asked)
        await asyncio.sleep(0.3)  # a queue that does not rest would ask some hundred times
        assert len(asked) - before <= 2
        may_end.set()
        await until(lambda: records.backlog().settled[Settled.SUCCESS] == EVENTS)
        await queue.close()

    try:
        asyncio.run(main())
    finally:
        records.close()
    assert sorted(running) == sorted(f"event-{number}" for number in range(EVENTS))
