"""Streamed answers over real sockets: they flow, they break off, their clients go away."""

from __future__ import annotations

import asyncio
import http.client
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import EventStreamError

from lamella.api.caller import Caller
from lamella.api.eventstream import Events
from lamella.api.registry import Served
from lamella.api.services import Services
from lamella.api.streamed import BrokenOff
from lamella.errors import ServiceError, TooManyRequests
from tests.api.test_app import Request, Running, make_client, refusal

SECONDS = 20
PATH = "/2021-11-15/functions/{}/response-streaming-invocations"


class Script:
    """What the operation of these tests does, and what has become of it."""

    def __init__(self) -> None:
        self.read = threading.Event()
        self.closed = threading.Event()
        self.sent = 0


SCRIPT = Script()


async def invoke_with_response_stream(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    name = request["FunctionName"]
    if name == "busy":
        raise TooManyRequests("Rate Exceeded.")
    events = {"steps": steps, "fails": fails, "endless": endless, "cut": cut}[name]()
    return {"StatusCode": 200, "ExecutedVersion": "7", "EventStream": events}


async def steps() -> Events:
    yield {"PayloadChunk": {"Payload": b"one"}}
    if not await asyncio.to_thread(SCRIPT.read.wait, SECONDS):
        raise ServiceError("nobody has read the first part")
    yield {"PayloadChunk": {"Payload": b"two"}}
    yield {"InvokeComplete": {"LogResult": "YQ=="}}


async def fails() -> Events:
    yield {"PayloadChunk": {"Payload": b"one"}}
    raise ServiceError("half way")


async def cut() -> Events:
    yield {"PayloadChunk": {"Payload": b"one"}}
    raise BrokenOff


async def endless() -> Events:
    try:
        while True:
            SCRIPT.sent += 1
            yield {"PayloadChunk": {"Payload": bytes(65_536)}}
    finally:
        SCRIPT.closed.set()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    served: dict[str, Served] = {"InvokeWithResponseStream": invoke_with_response_stream}
    running = Running(tmp_path_factory.mktemp("blobs"), served)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def client(server: Running) -> Any:
    return make_client(server)


@pytest.fixture(autouse=True)
def script() -> Script:
    SCRIPT.read.clear()
    SCRIPT.closed.clear()
    SCRIPT.sent = 0
    return SCRIPT


def test_events_arrive_as_they_come(client: Any, script: Script) -> None:
    answer = client.invoke_with_response_stream(FunctionName="steps")
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "7")
    assert answer["ResponseStreamContentType"] == "application/vnd.amazon.eventstream"
    events = iter(answer["EventStream"])
    assert next(events) == {"PayloadChunk": {"Payload": b"one"}}
    script.read.set()
    assert list(events) == [
        {"PayloadChunk": {"Payload": b"two"}},
        {"InvokeComplete": {"LogResult": "YQ=="}},
    ]


def test_the_connection_is_kept_after_a_stream(server: Running, script: Script) -> None:
    script.read.set()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=SECONDS)
    for _ in range(2):
        connection.request("POST", PATH.format("steps"), b"{}")
        answer = connection.getresponse()
        assert answer.getheader("transfer-encoding") == "chunked"
        assert answer.getheader("x-amzn-requestid")
        assert b"two" in answer.read()
    connection.close()


def test_an_error_before_the_stream_is_an_answer(client: Any) -> None:
    answer = refusal(client.invoke_with_response_stream, FunctionName="busy")
    assert answer["Error"]["Code"] == "TooManyRequestsException"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 429


def test_an_error_in_the_stream_is_raised_by_its_reader(client: Any) -> None:
    stream = client.invoke_with_response_stream(FunctionName="fails")["EventStream"]
    events = iter(stream)
    assert next(events) == {"PayloadChunk": {"Payload": b"one"}}
    with pytest.raises(EventStreamError) as raised:
        next(events)
    assert raised.value.response["Error"] == {"Code": "ServiceException", "Message": "half way"}
    stream.close()


def test_a_stream_that_breaks_off_cuts_the_connection(server: Running) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=SECONDS)
    connection.request("POST", PATH.format("cut"), b"{}")
    answer = connection.getresponse()
    with pytest.raises(http.client.IncompleteRead) as raised:
        answer.read()
    assert b"one" in raised.value.partial
    answer.close()
    connection.close()


def test_a_client_that_does_not_read_slows_the_stream_down_and_one_that_goes_closes_it(
    server: Running, script: Script
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=SECONDS)
    connection.request("POST", PATH.format("endless"), b"{}")
    answer = connection.getresponse()
    assert answer.read(10)
    assert not script.closed.is_set()
    answer.close()
    connection.close()
    assert script.closed.wait(SECONDS)
    # what fits into the buffers of sockets, and no more, was made
    assert script.sent < 1_000
