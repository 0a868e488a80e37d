"""What a function gets of a queue, and what it answers: messages to events, answers to failures. Pure.

Source: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html#example-standard-queue-message-event
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from lamella.model import limits
from lamella.model.mapping import EventSourceMapping

Record = dict[str, Any]

_AROUND = len(b'{"Records":[]}')


def record(message: Mapping[str, Any], mapping: EventSourceMapping) -> Record:
    """One message, as ReceiveMessage gives it, in the shape that functions know."""
    shown: Record = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": dict(message.get("Attributes") or {}),
        "messageAttributes": {
            name: _attribute(value)
            for name, value in (message.get("MessageAttributes") or {}).items()
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": mapping.source_arn,
        "awsRegion": queue_region(mapping),
    }
    if message.get("MD5OfMessageAttributes"):
        shown["md5OfMessageAttributes"] = message["MD5OfMessageAttributes"]
    return shown


def queue_region(mapping: EventSourceMapping) -> str:
    return str(mapping.source_arn).split(":")[3] or mapping.region


def queue_owner(mapping: EventSourceMapping) -> str:
    return str(mapping.source_arn).split(":")[4] or mapping.account


def queue_name(mapping: EventSourceMapping) -> str:
    return str(mapping.source_arn).split(":", 5)[5]


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if value.get("StringValue") is not None:
        shown["stringValue"] = value["StringValue"]
    if value.get("BinaryValue") is not None:
        shown["binaryValue"] = base64.b64encode(value["BinaryValue"]).decode()
    return {
        **shown,
        "stringListValues": [],
        "binaryListValues": [],
        "dataType": value.get("DataType", "String"),
    }


def portions(records: Sequence[Record]) -> Iterator[tuple[list[Record], bytes]]:
    """Events of as many records, in order, as one invocation may carry; each with its payload.

    A single message is at most 1 MiB, so each fits.
    """
    taken: list[Record] = []
    written: list[bytes] = []
    size = _AROUND
    for each in records:
        text = orjson.dumps(each)
        if taken and size + len(text) + 1 > limits.SYNC_REQUEST_BYTES:
            yield taken, _payload(written)
            taken, written, size = [], [], _AROUND
        taken.append(each)
        written.append(text)
        size += len(text) + 1
    if taken:
        yield taken, _payload(written)


def _payload(written: Sequence[bytes]) -> bytes:
    return b'{"Records":[' + b",".join(written) + b"]}"


def done(records: Sequence[Record], answer: bytes, *, partial: bool) -> list[Record]:
    """The records that a function which did not fail has dealt with.

    With ``partial`` the function may name those it has not; an answer that cannot be understood
    stands for all of them.
    Source: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
    """
    if not partial:
        return list(records)
    failed = _failed(answer)
    known = {each["messageId"] for each in records}
    if failed is None or not failed <= known:
        return []
    return [each for each in records if each["messageId"] not in failed]


def _failed(answer: bytes) -> set[str] | None:
    """The identifiers that an answer lists, or None if it lists something else."""
    try:
        result = orjson.loads(answer) if answer else None
    except orjson.JSONDecodeError:
        return None
    if result is None:
        return set()
    listed = result.get("batchItemFailures") if isinstance(result, dict) else None
    if isinstance(result, dict) and listed is None:
        return set()
    if not isinstance(listed, list):
        return None
    names = [each.get("itemIdentifier") if isinstance(each, dict) else None for each in listed]
    return {str(name) for name in names} if all(isinstance(n, str) and n for n in names) else None
