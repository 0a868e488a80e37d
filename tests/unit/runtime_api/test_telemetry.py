"""Telemetry reaches those who subscribed, in portions, and never makes anybody wait."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.runtime_api import subscription, telemetry
from lamella.runtime_api.extensions import Said
from lamella.runtime_api.subscription import Face
from lamella.runtime_api.telemetry import Telemetry


def asked(port: int = 8080, **more: Any) -> dict[str, Any]:
    return {
        "schemaVersion": "2022-12-13",
        "destination": {"protocol": "HTTP", "URI": f"http://sandbox.localdomain:{port}/telemetry"},
        "types": ["platform", "function"],
        "buffering": {"timeoutMs": 25},
        **more,
    }


def test_a_subscription_has_awss_defaults() -> None:
    given = asked()
    del given["buffering"]
    found = subscription.read("a", Face.TELEMETRY, json.dumps(given).encode())
    assert not isinstance(found, Said)
    assert (found.items, found.size, found.seconds) == (10_000, 262_144, 1.0)
    assert (found.protocol, found.port, found.path) == ("HTTP", 8080, "/telemetry")
    tcp = asked(destination={"protocol": "TCP", "port": 9000})
    found = subscription.read("a", Face.TELEMETRY, json.dumps(tcp).encode())
    assert not isinstance(found, Said)
    assert (found.protocol, found.port) == ("TCP", 9000)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"schemaVersion": "1"}, "schemaVersion"),
        ({"types": []}, "types"),
        ({"types": ["other"]}, "types"),
        ({"types": "platform"}, "types"),
        ({"destination": None}, "destination"),
        ({"destination": {"protocol": "UDP"}}, "protocol"),
        ({"destination": {"protocol": "TCP"}}, "port"),
        ({"destination": {"protocol": "TCP", "port": 0}}, "port 0"),
        ({"destination": {"protocol": "TCP", "port": 9001}}, "port 9001"),
        ({"destination": {"protocol": "HTTP"}}, "URI"),
        ({"destination": {"protocol": "HTTP", "URI": "http://example.com/"}}, "URI"),
        ({"destination": {"protocol": "HTTP", "URI": "https://sandbox:1/"}}, "URI"),
        ({"destination": {"protocol": "HTTP", "URI": "http://sandbox:x/"}}, "URI"),
        ({"destination": {"protocol": "HTTP", "URI": "http://sandbox:80/a b"}}, "URI"),
        ({"buffering": {"maxItems": 1}}, "maxItems"),
        ({"buffering": {"maxBytes": 1}}, "maxBytes"),
        ({"buffering": {"timeoutMs": 24}}, "timeoutMs"),
        ({"buffering": {"timeoutMs": True}}, "timeoutMs"),
        ({"buffering": []}, "buffering"),
    ],
)
def test_what_cannot_be_subscribed_to_is_refused_by_name(change: dict[str, Any], why: str) -> None:
    said = subscription.read("a", Face.TELEMETRY, json.dumps(asked(**change)).encode())
    assert isinstance(said, Said)
    assert said.status == 400
    body = json.loads(said.body)
    assert body["errorType"] == "ValidationError"
    assert why in body["errorMessage"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(
    JSON,
    st.dictionaries(st.sampled_from(["types", "destination", "buffering", "schemaVersion"]), JSON),
)
def test_any_json_is_a_subscription_or_refused(anything: Any, members: dict[str, Any]) -> None:
    for body in (anything, asked(**members)):
        read = subscription.read("a", Face.LOGS, json.dumps(body).encode())
        assert isinstance(read, Said | subscription.Subscription)


class Subscriber:
    """A server of its own that keeps what it is sent."""

    def __init__(self) -> None:
        self.port = 0
        self.status = 200
        self.portions: list[list[dict[str, Any]]] = []
        self.came = asyncio.Event()
        self.writers: list[asyncio.StreamWriter] = []

    @property
    def records(self) -> list[dict[str, Any]]:
        return [record for portion in self.portions for record in portion]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = int(head.lower().split("content-length: ")[1].split("\r\n")[0])
                self.portions.append(json.loads(await reader.readexactly(length)))
                writer.write(f"HTTP/1.1 {self.status} X\r\nContent-Length: 2\r\n\r\nOK".encode())
                self.came.set()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def until(self, count: int) -> None:
        while len(self.records) < count:
            self.came.clear()
            await asyncio.wait_for(self.came.wait(), 10)


@asynccontextmanager
async def subscriber() -> AsyncIterator[Subscriber]:
    ours = Subscriber()
    server = await asyncio.start_server(ours.serve, "127.0.0.1", 0)
    ours.port = server.sockets[0].getsockname()[1]
    async with server:
        yield ours
        for writer in ours.writers:
            writer.close()
            await writer.wait_closed()


async def connect(port: int) -> socket.socket:
    made = socket.socket()
    made.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", port))
    except OSError:
        made.close()
        raise
    return made


def run(script: Callable[[Telemetry, Subscriber], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with subscriber() as ours:
            made = Telemetry(connect)
            try:
                await script(made, ours)
            finally:
                await made.close()

    asyncio.run(whole())


def subscribe(made: Telemetry, port: int, face: Face = Face.TELEMETRY, **more: Any) -> Said:
    version = {} if face is Face.TELEMETRY else {"schemaVersion": "2020-08-15"}
    return made.subscribe("a", face, json.dumps(asked(port, **version, **more)).encode())


def test_records_arrive_in_order_with_those_from_before() -> None:
    async def script(made: Telemetry, ours: Subscriber) -> None:
        made.publish("platform.initStart", {"phase": "init"})
        assert subscribe(made, ours.port).status == 200
        made.publish("function", "hello\n")
        made.publish("extension", "not wanted\n")
        await ours.until(3)
        kinds = [record["type"] for record in ours.records]
        assert kinds == ["platform.initStart", "platform.telemetrySubscription", "function"]
        assert ours.records[1]["record"] == {
            "name": "a",
            "state": "Subscribed",
            "types": ["platform", "function"],
        }
        assert ours.records[2]["record"] == "hello\n"
        assert ours.records[2]["time"].endswith("Z")

    run(script)


def test_the_logs_api_has_its_own_names() -> None:
    async def script(made: Telemetry, ours: Subscriber) -> None:
        made.publish("platform.initStart", {"phase": "init"})
        made.publish("platform.start", {"requestId": "r"})
        assert subscribe(made, ours.port, Face.LOGS).status == 200
        await ours.until(2)
        kinds = [record["type"] for record in ours.records]
        assert kinds == ["platform.start", "platform.logsSubscription"]

    run(script)


def test_while_paused_records_are_held_and_come_afterwards() -> None:
    async def script(made: Telemetry, ours: Subscriber) -> None:
        subscribe(made, ours.port)
        await ours.until(1)
        made.pause()
        made.publish("function", "held\n")
        await asyncio.sleep(0.05)  # twice the time after which it would be sent
        assert len(ours.records) == 1
        assert not made.is_delivering
        made.resume()
        await ours.until(2)
        assert ours.records[1]["record"] == "held\n"

    run(script)


def test_after_init_nobody_may_subscribe() -> None:
    async def script(made: Telemetry, ours: Subscriber) -> None:
        made.close_subscription()
        said = subscribe(made, ours.port)
        assert (said.status, json.loads(said.body)["errorType"]) == (
            403,
            "Telemetry.SubscriptionClosed",
        )
        assert not made.wanted

    run(script)


def test_a_flush_delivers_at_once() -> None:
    async def script(made: Telemetry, ours: Subscriber) -> None:
        subscribe(made, ours.port, buffering={"timeoutMs": 30_000})
        made.publish("function", "soon")
        assert ours.portions == []
        await made.flush(10)
        assert [each["type"] for each in ours.records] == [
            "platform.telemetrySubscription",
            "function",
        ]

    run(script)


def test_a_subscriber_that_refuses_is_told_what_it_missed() -> None:
    async def script(made: Telemetry, ours: Subscriber) -> None:
        ours.status = 500
        subscribe(made, ours.port)
        await made.flush(10)
        missed = len(ours.portions)
        assert missed == telemetry.RETRIES
        ours.status = 200
        made.publish("function", "x")
        await ours.until(missed + 2)
        last = ours.records[-1]
        assert last["type"] == "platform.logsDropped"
        assert last["record"]["droppedRecords"] == 1
        assert last["record"]["droppedBytes"] > 50

    run(script)


def test_a_subscriber_that_does_not_read_costs_records_and_no_time() -> None:
    async def script(made: Telemetry, ours: Subscriber) -> None:
        subscribe(made, 1)  # nobody listens there
        line = "x" * 100_000
        for _ in range(100):
            made.publish("function", line)
        await made.flush(0.1)
        (only,) = made._subscribers.values()
        assert only._bytes <= telemetry.HELD_BYTES
        assert only._dropped[0] > 0

    run(script)


def test_a_subscriber_that_does_not_answer_in_http_is_no_more_than_one_that_refuses() -> None:
    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"nonsense\r\n\r\n")
        await reader.read()
        writer.close()

    async def script(made: Telemetry, ours: Subscriber) -> None:
        server = await asyncio.start_server(nonsense, "127.0.0.1", 0)
        async with server:
            subscribe(made, server.sockets[0].getsockname()[1])
            made.publish("function", "x")
            (only,) = made._subscribers.values()
            await asyncio.wait_for(only.flush(), 10)
            assert only._dropped[0] == 2
            await made.close()

    run(script)


def test_what_is_kept_for_subscribers_to_come_has_a_bound() -> None:
    async def script(made: Telemetry, ours: Subscriber) -> None:
        for number in range(100):
            made.publish("function", f"{number} " + "x" * 100_000)
        assert made._early is not None
        assert sum(len(text) for _, text in made._early) <= telemetry.EARLY_BYTES
        assert json.loads(made._early[-1][1])["record"].startswith("99 ")

    run(script)
