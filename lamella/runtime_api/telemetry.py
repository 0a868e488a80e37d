"""Telemetry of one environment: gathered as it happens, delivered to the extensions that asked.

A function never waits for it: what a subscriber does not take in time is dropped, counted, and
told by ``platform.logsDropped``.

Source: https://docs.aws.amazon.com/lambda/latest/dg/telemetry-api.html
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from lamella.runtime_api import subscription
from lamella.runtime_api.extensions import Said, refused
from lamella.runtime_api.subscription import Face, Subscription

Connect = Callable[[int], Awaitable[socket.socket]]
"""A connection to a port of the environment's own loopback. Raises OSError."""

HELD_BYTES: Final = 4_194_304
"""What one subscriber may leave untaken before records are dropped."""
EARLY: Final = 1_000
"""Records kept for a subscriber that comes during INIT, which is when they come."""
EARLY_BYTES: Final = 1_048_576
"""What those records may weigh together; the oldest go first."""
DELIVERY_SECONDS: Final = 2.0
RETRIES: Final = 3

_OLD_NAMES = {"platform.telemetrySubscription": "platform.logsSubscription"}
_ONLY_NEW = frozenset({"platform.initStart", "platform.initRuntimeDone", "platform.initReport"})


class Subscriber:
    """One subscription's buffer and the task that empties it."""

    def __init__(self, wanted: Subscription, connect: Connect, flows: asyncio.Event) -> None:
        self.wanted = wanted
        self.is_delivering = False
        self._connect = connect
        self._flows = flows
        self._records: deque[bytes] = deque()
        self._bytes = 0
        self._dropped = [0, 0]
        self._first_at = 0.0
        self._stir = asyncio.Event()
        self._flushing = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._connection: socket.socket | None = None
        self._task = asyncio.get_running_loop().create_task(self._run())

    def add(self, kind: str, record: bytes) -> None:
        """Hold one record, or count it as dropped."""
        if kind.partition(".")[0] not in self.wanted.types:
            return
        if self._bytes + len(record) > HELD_BYTES:
            self._dropped[0] += 1
            self._dropped[1] += len(record)
            return
        if not self._records:
            self._first_at = time.monotonic()
        self._records.append(record)
        self._bytes += len(record)
        self._idle.clear()
        self._stir.set()

    async def flush(self) -> None:
        """Deliver what is held, without waiting for more."""
        self._flushing = True
        self._stir.set()
        await self._idle.wait()
        self._flushing = False

    async def close(self) -> None:
        self._task.cancel()
        try:
            await asyncio.wait((self._task,))
        finally:
            self._hang_up()

    async def _run(self) -> None:
        while True:
            if not self._records:
                self._idle.set()
                self._stir.clear()
                await self._stir.wait()
            await self._gathered()
            await self._flows.wait()
            self.is_delivering = True
            try:
                await self._deliver(self._portion())
            finally:
                self.is_delivering = False

    async def _gathered(self) -> None:
        """Return when there is enough for a delivery, or it has waited long enough."""
        wanted = self.wanted
        while not self._flushing:
            left = self._first_at + wanted.seconds - time.monotonic()
            if left <= 0 or len(self._records) >= wanted.items or self._bytes >= wanted.size:
                return
            self._stir.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stir.wait(), left)

    def _portion(self) -> list[bytes]:
        """As many records as one delivery may bring; at least one."""
        taken: list[bytes] = []
        size = 0
        while self._records and len(taken) < self.wanted.items:
            if taken and size + len(self._records[0]) > self.wanted.size:
                break
            record = self._records.popleft()
            self._bytes -= len(record)
            size += len(record)
            taken.append(record)
        self._first_at = time.monotonic()
        return taken

    async def _deliver(self, records: list[bytes]) -> None:
        missed, size = self._dropped
        told = [*records, dropped(missed, size)] if missed else records
        data = self._message(told)
        for _ in range(RETRIES):
            try:
                async with asyncio.timeout(DELIVERY_SECONDS):
                    await self._send(data)
            except (OSError, TimeoutError, ValueError):
                self._hang_up()
                await asyncio.sleep(0.05)
            else:
                self._dropped[0] -= missed
                self._dropped[1] -= size
                return
        self._dropped[0] += len(records)
        self._dropped[1] += sum(map(len, records))

    def _message(self, records: list[bytes]) -> bytes:
        if self.wanted.protocol == "TCP":
            return b"".join(record + b"\n" for record in records)
        body = b"[" + b",".join(records) + b"]"
        head = (
            f"POST {self.wanted.path} HTTP/1.1\r\nHost: sandbox.localdomain:{self.wanted.port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    async def _send(self, data: bytes) -> None:
        """One delivery. OSError or ValueError where the subscriber did not take it."""
        loop = asyncio.get_running_loop()
        if self._connection is None:
            self._connection = await self._connect(self.wanted.port)
        await loop.sock_sendall(self._connection, data)
        if self.wanted.protocol == "HTTP":
            await self._acknowledged(self._connection)

    async def _acknowledged(self, connection: socket.socket) -> None:
        """Read an answer's head and body; a connection that cannot be used again is closed."""
        loop = asyncio.get_running_loop()
        said = b""
        while b"\r\n\r\n" not in said:
            part = await loop.sock_recv(connection, 4096)
            if not part or len(said) > 65_536:
                raise ConnectionError("the subscriber hung up")
            said += part
        head, _, rest = said.partition(b"\r\n\r\n")
        status = int(head.partition(b" ")[2][:3])
        fields = head.lower()
        at = fields.find(b"content-length:")
        length = int(fields[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else -1
        keep = fields.startswith(b"http/1.1") and b"connection: close" not in fields
        if not keep or length < 0 or length > 65_536:
            self._hang_up()
        else:
            while len(rest) < length:
                part = await loop.sock_recv(connection, 4096)
                if not part:
                    self._hang_up()
                    break
                rest += part
        if not 200 <= status < 300:
            raise ValueError(f"the subscriber answered {status}")

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Telemetry:
    """What happens in one environment, for whoever subscribed. ``connect`` reaches its loopback.

    `publish` costs next to nothing where nobody listens.
    """

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._subscribers: dict[tuple[str, Face], Subscriber] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self._early: deque[tuple[str, bytes]] | None = deque()
        self._early_bytes = 0
        self.subscribed: Callable[[dict[str, Any]], None] = lambda record: None
        """Told of each new subscription."""

    @property
    def wanted(self) -> bool:
        """Whether a record would reach anybody, now or later."""
        return bool(self._subscribers) or self._early is not None

    def subscribe(self, name: str, face: Face, body: bytes) -> Said:
        """``PUT /2022-07-01/telemetry`` or ``/2020-08-15/logs`` of extension ``name``."""
        wanted = subscription.read(name, face, body)
        if isinstance(wanted, Said):
            return wanted
        if self._early is None:
            return refused(
                403,
                f"{face}.{'Subscription' if face is Face.TELEMETRY else 'Logs'}Closed",
                f"{face} subscription is closed already",
            )
        before = self._subscribers.pop((name, face), None)
        if before is not None:
            task = asyncio.get_running_loop().create_task(before.close())
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)
        subscriber = Subscriber(wanted, self._connect, self._flows)
        self._subscribers[name, face] = subscriber
        for kind, record in self._early:
            _give(subscriber, kind, record)
        told = {"name": name, "state": "Subscribed", "types": list(wanted.types)}
        self.publish("platform.telemetrySubscription", told)
        self.subscribed(told)
        return Said(200, b'"OK"')

    def publish(self, kind: str, record: Mapping[str, Any] | str) -> None:
        """Something has happened, now: ``platform.…``, or a line of ``function`` or ``extension``."""
        if not self.wanted:
            return
        text = written(kind, record)
        if self._early is not None:
            self._remember(self._early, kind, text)
        for subscriber in self._subscribers.values():
            _give(subscriber, kind, text)

    def _remember(self, early: deque[tuple[str, bytes]], kind: str, text: bytes) -> None:
        early.append((kind, text))
        self._early_bytes += len(text)
        while len(early) > EARLY or self._early_bytes > EARLY_BYTES:
            self._early_bytes -= len(early.popleft()[1])

    def close_subscription(self) -> None:
        """INIT is over: nobody may subscribe any more."""
        self._early = None

    @property
    def is_delivering(self) -> bool:
        """Whether a delivery is under way."""
        return any(subscriber.is_delivering for subscriber in self._subscribers.values())

    def pause(self) -> None:
        """Begin no delivery: those who take them are frozen. What comes is held."""
        self._flows.clear()

    def resume(self) -> None:
        """Deliver again."""
        self._flows.set()

    async def flush(self, seconds: float) -> None:
        """Deliver what is held, for no longer than ``seconds``."""
        flushing = [subscriber.flush() for subscriber in self._subscribers.values()]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*flushing), seconds)

    async def close(self) -> None:
        subscribers = tuple(self._subscribers.values())
        self._subscribers.clear()
        self._early = None
        await asyncio.gather(*(subscriber.close() for subscriber in subscribers))


def _give(subscriber: Subscriber, kind: str, record: bytes) -> None:
    """Add a record in the words of the subscriber's API."""
    if subscriber.wanted.face is Face.LOGS:
        if kind in _ONLY_NEW:
            return
        old = _OLD_NAMES.get(kind)
        if old is not None:
            record = record.replace(f'"type":"{kind}"'.encode(), f'"type":"{old}"'.encode(), 1)
    subscriber.add(kind, record)


def dropped(records: int, size: int) -> bytes:
    return written(
        "platform.logsDropped",
        {
            "droppedBytes": size,
            "droppedRecords": records,
            "reason": "Consumer seems to have fallen behind as it has not acknowledged receipt of "
            "logs.",
        },
    )


def written(kind: str, record: Mapping[str, Any] | str) -> bytes:
    """A record as it is delivered."""
    moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return orjson.dumps({"time": moment, "type": kind, "record": record})
