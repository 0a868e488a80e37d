"""What may be asked of an event source mapping: pure rules, worded as AWS words them.

Sources: https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html,
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-parameters.html
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lamella.errors import InvalidParameterValue
from lamella.model.filter import PatternRefused, parse

MOST_FILTERS = 10
QUEUE_BATCH = 10
"""What one request of SQS brings at most, and the largest batch that needs no window."""

STREAMS = frozenset({"kinesis", "dynamodb"})
STARTING = frozenset({*STREAMS, "kafka", "rds", "self-managed"})
"""Sources that have an order to begin in."""
AT_TIMESTAMP = "AT_TIMESTAMP"
KNOWN = frozenset({"sqs", "mq", *STARTING})

_NOT_OF_QUEUES = (
    "AmazonManagedKafkaEventSourceConfig",
    "BisectBatchOnFunctionError",
    "DestinationConfig",
    "DocumentDBEventSourceConfig",
    "MaximumRecordAgeInSeconds",
    "MaximumRetryAttempts",
    "ParallelizationFactor",
    "Queues",
    "SelfManagedKafkaEventSourceConfig",
    "SourceAccessConfigurations",
    "StartingPosition",
    "StartingPositionTimestamp",
    "Topics",
    "TumblingWindowInSeconds",
)
_KEPT = (
    *_NOT_OF_QUEUES,
    "BatchSize",
    "FilterCriteria",
    "FunctionResponseTypes",
    "KMSKeyArn",
    "LoggingConfig",
    "MaximumBatchingWindowInSeconds",
    "MetricsConfig",
    "ProvisionedPollerConfig",
    "ScalingConfig",
    "SelfManagedEventSource",
)
_QUEUE_DEFAULTS: Mapping[str, Any] = {
    "BatchSize": 10,
    "MaximumBatchingWindowInSeconds": 0,
    "FunctionResponseTypes": [],
}
_STREAM_DEFAULTS: Mapping[str, Any] = {
    "BatchSize": 100,
    "MaximumBatchingWindowInSeconds": 0,
    "ParallelizationFactor": 1,
    "DestinationConfig": {"OnFailure": {}},
    "MaximumRecordAgeInSeconds": -1,
    "BisectBatchOnFunctionError": False,
    "MaximumRetryAttempts": -1,
    "TumblingWindowInSeconds": 0,
    "FunctionResponseTypes": [],
}
_OTHER_DEFAULTS: Mapping[str, Any] = {"BatchSize": 100, "MaximumBatchingWindowInSeconds": 0}


def service_of(request: Mapping[str, Any]) -> str:
    """The kind of source that a CreateEventSourceMapping names."""
    source = request.get("EventSourceArn")
    service = source.split(":")[2] if source else "self-managed"
    if (not source and not request.get("SelfManagedEventSource")) or service not in KNOWN:
        raise InvalidParameterValue("Unrecognized event source.")
    return service


def settings(
    service: str, request: Mapping[str, Any], before: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The members that are kept, checked: defaults, then what was, then the request's own.

    An empty object or list takes a setting away, as AWS's clients do it.
    """
    given = {name: _storable(request[name]) for name in _KEPT if name in request}
    start = before if before is not None else _defaults(service)
    made = {**start, **given}
    for name in ("FilterCriteria", "ScalingConfig"):
        if name in given and not any(given[name].values()):
            del made[name]
    _check_filters(made.get("FilterCriteria") or {})
    if service == "sqs":
        _check_queue(made, given)
    elif before is None and service in STARTING:
        _check_start(service, request)
    return made


def check_batch(size: int, window: int, *, fifo: bool) -> None:
    """What of a batch depends on the kind of queue."""
    if fifo and window:
        raise InvalidParameterValue("Batching window is not supported for FIFO queues")
    if fifo and size > QUEUE_BATCH:
        raise InvalidParameterValue(
            f"Batch size for FIFO queues must not be greater than {QUEUE_BATCH}."
        )
    if size > QUEUE_BATCH and not window:
        raise InvalidParameterValue(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is "
            f"greater than {QUEUE_BATCH}"
        )


def _defaults(service: str) -> Mapping[str, Any]:
    if service == "sqs":
        return _QUEUE_DEFAULTS
    return _STREAM_DEFAULTS if service in STREAMS else _OTHER_DEFAULTS


def _check_start(service: str, request: Mapping[str, Any]) -> None:
    """Where in a stream, or in what has an order like one, reading begins."""
    position = request.get("StartingPosition")
    if position is None:
        raise InvalidParameterValue(
            "1 validation error detected: Value null at 'startingPosition' failed to satisfy "
            "constraint: Member must not be null."
        )
    if "StartingPositionTimestamp" in request and position != AT_TIMESTAMP:
        raise InvalidParameterValue("Timestamp only valid with StartingPosition AT_TIMESTAMP")
    if service == "dynamodb" and position == AT_TIMESTAMP:
        raise InvalidParameterValue(
            f"Unsupported starting position for arn type: {request.get('EventSourceArn')}"
        )


def _check_queue(made: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    for name in _NOT_OF_QUEUES:
        if name in given:
            raise InvalidParameterValue(f"{name} is not valid for SQS event sources.")
    if made.get("ProvisionedPollerConfig") and made.get("ScalingConfig"):
        raise InvalidParameterValue(
            "ProvisionedPollerConfig and ScalingConfig cannot be used together."
        )


def _check_filters(criteria: Mapping[str, Any]) -> None:
    filters = criteria.get("Filters") or []
    if len(filters) > MOST_FILTERS:
        raise InvalidParameterValue(f"Maximum number of filters exceeded: {MOST_FILTERS}.")
    for number, each in enumerate(filters, 1):
        try:
            parse(each.get("Pattern") or "")
        except PatternRefused as fault:
            raise InvalidParameterValue(
                f"Invalid filter pattern definition. Filter {number}: {fault}."
            ) from None


def _storable(value: Any) -> Any:
    return value.timestamp() if isinstance(value, datetime) else value
