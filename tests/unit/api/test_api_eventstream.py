"""Event streams are read by botocore as they were written."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer
from botocore.loaders import Loader
from botocore.model import ServiceModel
from hypothesis import given
from hypothesis import strategies as st

from lamella.api import eventstream
from lamella.api.protocols.json11 import Json11
from lamella.api.serialise import Response
from lamella.api.streamed import Streamed
from lamella.errors import ApiError, NotBuilt, ServiceError

MODEL = ServiceModel(Loader().load_service_model("lambda", "service-2"), "lambda")
LOGS = ServiceModel(Loader().load_service_model("logs", "service-2"), "logs")
SHAPE = MODEL.operation_model("InvokeWithResponseStream").get_event_stream_output()

NAMES = st.text(min_size=1, max_size=40).filter(lambda name: len(name.encode()) < 256)


def messages(data: bytes) -> list[tuple[dict[str, Any], bytes]]:
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    return [(message.headers, message.payload) for message in buffer]


@given(st.dictionaries(NAMES, st.text(max_size=200), max_size=5), st.binary(max_size=2000))
def test_botocore_reads_what_is_encoded(headers: dict[str, str], payload: bytes) -> None:
    twice = eventstream.encode(headers, payload) * 2
    assert messages(twice) == [(headers, payload)] * 2


def test_an_event_is_written_by_its_shape() -> None:
    write = eventstream.event_writer(SHAPE)
    data = write({"PayloadChunk": {"Payload": b"\x00abc"}})
    data += write({"InvokeComplete": {"ErrorCode": "E", "ErrorDetails": None, "LogResult": "YQ=="}})
    assert messages(data) == [
        (
            {
                ":event-type": "PayloadChunk",
                ":content-type": "application/octet-stream",
                ":message-type": "event",
            },
            b"\x00abc",
        ),
        (
            {
                ":event-type": "InvokeComplete",
                ":content-type": "application/json",
                ":message-type": "event",
            },
            b'{"ErrorCode":"E","LogResult":"YQ=="}',
        ),
    ]


def test_an_event_that_the_model_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="Colour is not one of"):
        eventstream.event_writer(SHAPE)({"Colour": {}})


def test_an_error_that_the_stream_names_is_an_exception() -> None:
    class TimedOut(ApiError):
        code = "SessionTimeoutException"

    shape = LOGS.operation_model("StartLiveTail").get_event_stream_output()
    ((headers, payload),) = messages(eventstream.failure(TimedOut("over"), shape))
    assert headers == {
        ":exception-type": "SessionTimeoutException",
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    assert payload == b'{"message":"over"}'


def test_another_error_has_no_payload_and_a_message_that_fits() -> None:
    ((headers, payload),) = messages(eventstream.failure(ServiceError("é" * 20_000), SHAPE))
    assert headers == {
        ":error-code": "ServiceException",
        ":error-message": "é" * 16_383,
        ":message-type": "error",
    }
    assert payload == b""


async def collected(events: eventstream.Events, **options: Any) -> list[tuple[str, Any]]:
    response = Response(200, [(b"content-type", b"application/json"), (b"x-own", b"1")], b"{}")
    answer = eventstream.answer(response, SHAPE, events, **options)
    assert answer.headers == [
        (b"content-type", b"application/vnd.amazon.eventstream"),
        (b"x-own", b"1"),
    ]
    data = b"".join([part async for part in answer.parts])
    return [
        (headers.get(":event-type") or headers[":error-code"], payload or headers[":error-message"])
        for headers, payload in messages(data)
    ]


@pytest.mark.parametrize(
    ("error", "end"),
    [
        (NotBuilt("no"), ("NotImplementedException", "no")),
        (
            RuntimeError("the secret of the house"),
            ("ServiceException", "The stream could not be finished."),
        ),
    ],
)
def test_an_error_half_way_ends_the_stream(error: Exception, end: tuple[str, str]) -> None:
    async def events() -> eventstream.Events:
        yield {"PayloadChunk": {"Payload": b"a"}}
        raise error

    assert asyncio.run(collected(events())) == [("PayloadChunk", b"a"), end]


def test_live_tail_is_a_stream_of_the_json_protocol() -> None:
    async def events() -> eventstream.Events:
        yield {"sessionUpdate": {"sessionResults": [{"message": "m", "timestamp": 5}]}}

    async def read() -> bytes:
        result = {"responseStream": events()}
        answer = Json11(LOGS).serialise("StartLiveTail", result, "r")
        assert isinstance(answer, Streamed)
        return b"".join([part async for part in answer.parts])

    read_back = [(sent[":event-type"], body) for sent, body in messages(asyncio.run(read()))]
    assert read_back == [
        ("initial-response", b"{}"),
        ("sessionUpdate", b'{"sessionResults":[{"message":"m","timestamp":5}]}'),
    ]


def test_the_first_message_of_a_json_stream_is_the_response() -> None:
    async def events() -> eventstream.Events:
        yield {"InvokeComplete": {}}

    got = asyncio.run(collected(events(), initial=True))
    assert got == [("initial-response", b"{}"), ("InvokeComplete", b"{}")]
