"""Messages become events, and answers become failures, as AWS has them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from lamella.invoke.queue_records import done, portions, record
from lamella.model import limits
from lamella.model.mapping import EventSourceMapping, MappingState

MAPPING = EventSourceMapping(
    account="0" * 12,
    region="eu-west-1",
    uuid="u",
    function="f",
    qualifier=None,
    source_arn="arn:aws:sqs:eu-west-2:123456789012:q",
    enabled=True,
    state=MappingState.ENABLED,
    last_modified=datetime(2026, 11, 21, tzinfo=UTC),
    settings={},
)


def message(number: int = 1, body: str = "hi") -> dict[str, Any]:
    return {
        "MessageId": f"m{number}",
        "ReceiptHandle": f"r{number}",
        "Body": body,
        "MD5OfBody": "5",
        "Attributes": {"ApproximateReceiveCount": "1"},
    }


def test_a_record_has_every_member_of_awss() -> None:
    attributes = {
        "text": {"StringValue": "t", "DataType": "String"},
        "bytes": {"BinaryValue": b"\x00\xff", "DataType": "Binary"},
    }
    given = {**message(), "MessageAttributes": attributes, "MD5OfMessageAttributes": "6"}
    assert record(given, MAPPING) == {
        "messageId": "m1",
        "receiptHandle": "r1",
        "body": "hi",
        "attributes": {"ApproximateReceiveCount": "1"},
        "messageAttributes": {
            "text": {
                "stringValue": "t",
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": "String",
            },
            "bytes": {
                "binaryValue": "AP8=",
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": "Binary",
            },
        },
        "md5OfMessageAttributes": "6",
        "md5OfBody": "5",
        "eventSource": "aws:sqs",
        "eventSourceARN": MAPPING.source_arn,
        "awsRegion": "eu-west-2",
    }


def test_portions_keep_the_order_and_fit_into_an_invocation() -> None:
    records = [record(message(number, "x" * 1_000_000), MAPPING) for number in range(10)]
    made = list(portions(records))
    assert len(made) == 2
    assert [each for taken, _ in made for each in taken] == records
    for taken, payload in made:
        assert len(payload) <= limits.SYNC_REQUEST_BYTES
        assert json.loads(payload) == {"Records": taken}
    assert list(portions([])) == []


@pytest.mark.parametrize(
    ("answer", "left"),
    [
        (b"", []),
        (b"null", []),
        (b"{}", []),
        (b'{"batchItemFailures": []}', []),
        (b'{"batchItemFailures": null}', []),
        (b'{"batchItemFailures": [{"itemIdentifier": "m2"}]}', ["m2"]),
        (b'{"batchItemFailures": [{"itemIdentifier": ""}]}', ["m1", "m2", "m3"]),
        (b'{"batchItemFailures": [{"itemIdentifier": null}]}', ["m1", "m2", "m3"]),
        (b'{"batchItemFailures": [{"other": "m2"}]}', ["m1", "m2", "m3"]),
        (b'{"batchItemFailures": [{"itemIdentifier": "m9"}]}', ["m1", "m2", "m3"]),
        (b'{"batchItemFailures": ["m2"]}', ["m1", "m2", "m3"]),
        (b'{"batchItemFailures": 3}', ["m1", "m2", "m3"]),
        (b'"text"', ["m1", "m2", "m3"]),
        (b"not JSON", ["m1", "m2", "m3"]),
    ],
)
def test_an_answer_says_which_messages_come_back(answer: bytes, left: list[str]) -> None:
    records = [record(message(number), MAPPING) for number in (1, 2, 3)]
    finished = [each["messageId"] for each in done(records, answer, partial=True)]
    assert [name for name in ("m1", "m2", "m3") if name not in finished] == left
    assert done(records, answer, partial=False) == records
