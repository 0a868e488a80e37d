"""Who is told how an event ended: records in AWS's shape, and the services that take them.

Sources: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html,
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-configuring.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from lamella.functions.event_invoke import EventInvokeConfig, service_of
from lamella.invoke.aws import AwsClients
from lamella.model import arn, limits
from lamella.model.event import Condition, QueuedEvent
from lamella.model.function import Function
from lamella.model.invocation import Outcome

ERROR_MESSAGE_CHARACTERS = 1_024
_NOT_SENT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
DESTINATION, DEAD_LETTER = "destination", "dead-letter"


@dataclass(frozen=True, slots=True)
class Ending:
    """How the last run of an event went: why it ends, and what the function answered, if it did."""

    condition: Condition
    outcome: Outcome | None = None
    error: str = ""

    @property
    def is_success(self) -> bool:
        return self.condition is Condition.SUCCESS


def deliveries(
    ending: Ending, function: Function | None, config: EventInvokeConfig | None
) -> list[dict[str, str]]:
    """What is to be told to whom: a destination gets a record, a dead-letter queue the event."""
    found = []
    if config is not None:
        target = config.on_success if ending.is_success else config.on_failure
        if target is not None:
            found.append({"kind": DESTINATION, "target": target})
    if function is not None and not ending.is_success:
        dead_letter = (function.settings.get("DeadLetterConfig") or {}).get("TargetArn")
        if dead_letter:
            found.append({"kind": DEAD_LETTER, "target": dead_letter})
    return found


def record(event: QueuedEvent, ending: Ending, now: datetime) -> bytes:
    """What a destination gets. One over 1 MB goes without the function's answer, if need be
    without the event too."""
    outcome = ending.outcome
    described: dict[str, Any] = {
        "version": "1.0",
        "timestamp": now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "requestContext": {
            "requestId": event.id,
            "functionArn": arn.function(*event.function, event.qualifier or arn.LATEST),
            "condition": ending.condition.value,
            "approximateInvokeCount": event.attempts,
        },
        "requestPayload": _fragment(event.payload),
    }
    if outcome is not None:
        context: dict[str, Any] = {
            "statusCode": 200,
            "executedVersion": outcome.executed_version,
        }
        if outcome.function_error is not None:
            context["functionError"] = outcome.function_error
        described["responseContext"] = context
        described["responsePayload"] = _fragment(outcome.payload)
    written = orjson.dumps(described)
    for member in ("responsePayload", "requestPayload"):
        # Nobody takes more; that something ended, and how, is worth more than nothing.
        if len(written) > limits.EVENT_BYTES and described.pop(member, None) is not None:
            written = orjson.dumps(described)
    return written


def attributes(event: QueuedEvent, ending: Ending) -> dict[str, str]:
    """What a dead-letter queue is told beside the event."""
    message = ending.error or ending.condition.value
    if ending.outcome is not None:
        message = _error_message(ending.outcome.payload) or message
    return {
        "RequestID": event.id,
        "ErrorCode": "200" if ending.outcome is not None else "429",
        "ErrorMessage": sendable(message)[:ERROR_MESSAGE_CHARACTERS],
    }


def sendable(text: str) -> str:
    """``text`` with only the characters that SQS and SNS take, which refuse the whole message else.

    Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
    """
    return _NOT_SENT.sub("\ufffd", text) or "-"


def _error_message(payload: bytes) -> str:
    try:
        answered = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return ""
    message = answered.get("errorMessage") if isinstance(answered, dict) else None
    return message if isinstance(message, str) else ""


def _fragment(payload: bytes) -> Any:
    """A payload as part of a record; bytes that are not JSON as text."""
    if not payload:
        return {}
    try:
        orjson.loads(payload)
    except orjson.JSONDecodeError:
        return payload.decode("utf-8", "replace")
    return orjson.Fragment(payload)


def is_function(target: str) -> bool:
    return service_of(target) == "lambda"


class Senders:
    """Sends to queues, topics and event buses behind the configured endpoint; blocking."""

    def __init__(self, clients: AwsClients) -> None:
        self._clients = clients
        self._queues: dict[str, str] = {}

    def send(self, event: QueuedEvent, delivery: Mapping[str, Any], target: str) -> None:
        """Deliver one of an event's records; botocore's errors or LookupError if it is not taken.

        ``delivery`` has the ``record`` and the ``attributes``; which of them is sent, and how,
        depends on the entry for ``target`` in its ``targets``.
        """
        kind = next(each["kind"] for each in delivery["targets"] if each["target"] == target)
        _, _, service, region, account, resource = target.split(":", 5)
        client = self._clients.client(service, account or event.account, region or event.region)
        body = delivery["record"] if kind == DESTINATION else event.payload.decode("utf-8")
        body = sendable(body)
        told = delivery["attributes"] if kind == DEAD_LETTER else {}
        named = {
            name: {"DataType": "Number" if name == "ErrorCode" else "String", "StringValue": value}
            for name, value in told.items()
        }
        if service == "sqs":
            url = (
                self._queues.get(target)
                or client.get_queue_url(QueueName=resource, QueueOwnerAWSAccountId=account)[
                    "QueueUrl"
                ]
            )
            fifo = {}
            if resource.endswith(".fifo"):
                fifo = {"MessageGroupId": event.name, "MessageDeduplicationId": event.id}
            client.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=named, **fifo)
            self._queues[target] = url
        elif service == "sns":
            client.publish(TopicArn=target, Message=body, MessageAttributes=named)
        else:
            self._put(client, event, body, resource)

    def _put(self, client: Any, event: QueuedEvent, body: str, bus: str) -> None:
        condition = orjson.loads(body)["requestContext"]["condition"]
        kind = "Success" if condition == Condition.SUCCESS else "Failure"
        answer = client.put_events(
            Entries=[
                {
                    "Source": "lambda",
                    "DetailType": f"Lambda Function Invocation Result - {kind}",
                    "Resources": [arn.function(*event.function, event.qualifier or arn.LATEST)],
                    "Detail": body,
                    "EventBusName": bus.removeprefix("event-bus/"),
                }
            ]
        )
        if answer.get("FailedEntryCount"):
            raise LookupError(f"the event bus refused it: {answer['Entries'][0]}")
