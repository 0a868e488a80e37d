"""The operations on event source mappings, through boto3."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.api.functions import active
from tests.e2e.queues import until
from tests.e2e.server import Cloud

QUEUE = "arn:aws:sqs:eu-west-1:000000000000:"
TABLE = "arn:aws:dynamodb:eu-west-1:000000000000:table/t/stream/2026-01-02T00:00:00.000"
STREAM = "arn:aws:kinesis:eu-west-1:000000000000:stream/"
NOWHERE = "12345678-1234-1234-1234-123456789012"


@pytest.fixture(scope="module")
def name(cloud: Cloud) -> str:
    active(cloud, "reader")
    return "reader"


def refused(call: Callable[..., Any], **members: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as caught:
        call(**members)
    answer: Any = caught.value.response
    return (
        answer["ResponseMetadata"]["HTTPStatusCode"],
        answer["Error"]["Code"],
        answer["Error"]["Message"],
    )


def settled(cloud: Cloud, uuid: str) -> dict[str, Any]:
    def get() -> dict[str, Any]:
        found: dict[str, Any] = cloud.client.get_event_source_mapping(UUID=uuid)
        return found

    until(lambda: get()["State"] in ("Enabled", "Disabled"))
    return get()


def test_a_mapping_of_a_queue_has_awss_defaults(cloud: Cloud, name: str) -> None:
    made = cloud.client.create_event_source_mapping(EventSourceArn=QUEUE + "a", FunctionName=name)
    assert made.pop("ResponseMetadata")["HTTPStatusCode"] == 202
    uuid = made["UUID"]
    assert isinstance(made.pop("LastModified"), datetime)
    problem = made.pop("LastProcessingResult")
    assert problem.startswith("PROBLEM:")
    assert "--aws-endpoint" in problem
    assert made == {
        "UUID": uuid,
        "BatchSize": 10,
        "MaximumBatchingWindowInSeconds": 0,
        "EventSourceArn": QUEUE + "a",
        "FunctionArn": f"arn:aws:lambda:eu-west-1:000000000000:function:{name}",
        "State": "Creating",
        "StateTransitionReason": "USER_INITIATED",
        "FunctionResponseTypes": [],
        "EventSourceMappingArn": f"arn:aws:lambda:eu-west-1:000000000000:event-source-mapping:{uuid}",
    }
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", uuid)
    assert settled(cloud, uuid)["State"] == "Enabled"


def test_a_mapping_of_a_stream_is_stored_and_says_that_it_is_not_read(
    cloud: Cloud, name: str
) -> None:
    start = datetime(2026, 1, 2, tzinfo=UTC)
    made = cloud.client.create_event_source_mapping(
        EventSourceArn=STREAM + "s",
        FunctionName=name,
        StartingPosition="AT_TIMESTAMP",
        StartingPositionTimestamp=start,
        BatchSize=500,
    )
    found = settled(cloud, made["UUID"])
    assert found["StateTransitionReason"].startswith("Stored only: Lamella does not read kinesis")
    assert found["LastProcessingResult"] == "No records processed"
    assert found["StartingPosition"] == "AT_TIMESTAMP"
    assert found["StartingPositionTimestamp"] == start
    assert found["BatchSize"] == 500
    assert found["ParallelizationFactor"] == 1
    assert found["DestinationConfig"] == {"OnFailure": {}}
    assert (found["MaximumRecordAgeInSeconds"], found["MaximumRetryAttempts"]) == (-1, -1)
    assert (found["BisectBatchOnFunctionError"], found["TumblingWindowInSeconds"]) == (False, 0)


def test_a_mapping_is_changed_disabled_and_deleted(cloud: Cloud, name: str) -> None:
    made = cloud.client.create_event_source_mapping(
        EventSourceArn=QUEUE + "b",
        FunctionName=name,
        Enabled=False,
        FilterCriteria={"Filters": [{"Pattern": '{"body": {"a": [1]}}'}]},
        ScalingConfig={"MaximumConcurrency": 2},
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    uuid = made["UUID"]
    assert settled(cloud, uuid)["State"] == "Disabled"
    changed = cloud.client.update_event_source_mapping(
        UUID=uuid,
        Enabled=True,
        BatchSize=100,
        MaximumBatchingWindowInSeconds=3,
        FilterCriteria={},
        ScalingConfig={},
        FunctionName=f"{name}:$LATEST",
    )
    assert changed["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert changed["State"] == "Enabling"
    found = settled(cloud, uuid)
    assert (found["State"], found["BatchSize"]) == ("Enabled", 100)
    assert found["MaximumBatchingWindowInSeconds"] == 3
    assert found["FunctionArn"].endswith(f":function:{name}:$LATEST")
    assert found["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert "FilterCriteria" not in found
    assert "ScalingConfig" not in found
    assert cloud.client.update_event_source_mapping(UUID=uuid, BatchSize=5)["State"] == "Updating"
    assert (
        cloud.client.update_event_source_mapping(UUID=uuid, Enabled=False)["State"] == "Disabling"
    )
    gone = cloud.client.delete_event_source_mapping(UUID=uuid)
    assert gone["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert gone["State"] == "Deleting"

    def is_gone() -> bool:
        try:
            cloud.client.get_event_source_mapping(UUID=uuid)
        except cloud.client.exceptions.ResourceNotFoundException:
            return True
        return False

    until(is_gone)


@pytest.mark.parametrize("operation", ["get", "update", "delete"])
def test_a_mapping_that_is_not_there(cloud: Cloud, operation: str) -> None:
    call = getattr(cloud.client, f"{operation}_event_source_mapping")
    assert refused(call, UUID=NOWHERE) == (
        404,
        "ResourceNotFoundException",
        "The resource you requested does not exist.",
    )


@pytest.mark.parametrize(
    ("members", "code", "message"),
    [
        ({"EventSourceArn": None}, "InvalidParameterValueException", "Unrecognized event source."),
        (
            {"EventSourceArn": "arn:aws:s3:eu-west-1:000000000000:b"},
            "InvalidParameterValueException",
            "Unrecognized event source.",
        ),
        (
            {"FunctionName": "nobody"},
            "InvalidParameterValueException",
            "Function does not exist",
        ),
        (
            {"EventSourceArn": STREAM + "x"},
            "InvalidParameterValueException",
            "1 validation error detected: Value null at 'startingPosition' failed to satisfy "
            "constraint: Member must not be null.",
        ),
        (
            {
                "EventSourceArn": STREAM + "x",
                "StartingPosition": "LATEST",
                "StartingPositionTimestamp": datetime(2026, 1, 2, tzinfo=UTC),
            },
            "InvalidParameterValueException",
            "Timestamp only valid with StartingPosition AT_TIMESTAMP",
        ),
        (
            {"EventSourceArn": TABLE, "StartingPosition": "AT_TIMESTAMP"},
            "InvalidParameterValueException",
            f"Unsupported starting position for arn type: {TABLE}",
        ),
        (
            {"StartingPosition": "LATEST"},
            "InvalidParameterValueException",
            "StartingPosition is not valid for SQS event sources.",
        ),
        (
            {"BatchSize": 11},
            "InvalidParameterValueException",
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is "
            "greater than 10",
        ),
        (
            {"EventSourceArn": QUEUE + "x.fifo", "MaximumBatchingWindowInSeconds": 1},
            "InvalidParameterValueException",
            "Batching window is not supported for FIFO queues",
        ),
        (
            {"EventSourceArn": QUEUE + "x.fifo", "BatchSize": 11},
            "InvalidParameterValueException",
            "Batch size for FIFO queues must not be greater than 10.",
        ),
        (
            {"FilterCriteria": {"Filters": [{"Pattern": '{"a": 1}'}]}},
            "InvalidParameterValueException",
            "Invalid filter pattern definition. Filter 1: the values of a must be a list.",
        ),
        (
            {"FilterCriteria": {"Filters": [{"Pattern": '{"a": [1]}'}] * 11}},
            "InvalidParameterValueException",
            "Maximum number of filters exceeded: 10.",
        ),
        (
            {
                "ScalingConfig": {"MaximumConcurrency": 2},
                "ProvisionedPollerConfig": {"MinimumPollers": 1},
            },
            "InvalidParameterValueException",
            "ProvisionedPollerConfig and ScalingConfig cannot be used together.",
        ),
    ],
)
def test_what_cannot_be_joined_is_refused(
    cloud: Cloud, name: str, members: dict[str, Any], code: str, message: str
) -> None:
    given = {"EventSourceArn": QUEUE + "x", "FunctionName": name, **members}
    given = {member: value for member, value in given.items() if value is not None}
    assert refused(cloud.client.create_event_source_mapping, **given) == (400, code, message)


def test_a_source_and_a_function_are_joined_once(cloud: Cloud, name: str) -> None:
    members = {"EventSourceArn": QUEUE + "once", "FunctionName": name}
    uuid = cloud.client.create_event_source_mapping(**members)["UUID"]
    assert refused(cloud.client.create_event_source_mapping, **members) == (
        409,
        "ResourceConflictException",
        f'An event source mapping with SQS arn (" {QUEUE}once ") and function (" {name} ") already '
        f"exists. Please update or delete the existing mapping with UUID {uuid}",
    )


def test_lists_page_and_filter(cloud: Cloud) -> None:
    cloud = Cloud(cloud.endpoint, region="us-west-1")
    for function in ("one", "two"):
        active(cloud, function)
    made = {
        cloud.client.create_event_source_mapping(
            EventSourceArn=f"arn:aws:sqs:us-west-1:000000000000:{queue}", FunctionName=function
        )["UUID"]: (queue, function)
        for queue in ("q1", "q2", "q3")
        for function in ("one", "two")
    }
    listed: list[str] = []
    more: dict[str, Any] = {}
    while True:
        page = cloud.client.list_event_source_mappings(MaxItems=4, **more)
        listed += [each["UUID"] for each in page["EventSourceMappings"]]
        if "NextMarker" not in page:
            break
        more = {"Marker": page["NextMarker"]}
    assert listed == sorted(made)

    def found(**wanted: Any) -> set[tuple[str, str]]:
        page = cloud.client.list_event_source_mappings(**wanted)
        return {made[each["UUID"]] for each in page["EventSourceMappings"]}

    assert found(FunctionName="one") == {("q1", "one"), ("q2", "one"), ("q3", "one")}
    source = "arn:aws:sqs:us-west-1:000000000000:q2"
    assert found(EventSourceArn=source) == {("q2", "one"), ("q2", "two")}
    assert found(EventSourceArn=source, FunctionName="two") == {("q2", "two")}
    assert found(FunctionName="nobody") == set()
