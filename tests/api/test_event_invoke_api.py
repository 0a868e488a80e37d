"""The operations on asynchronous invocation's configuration, and what Event and InvokeAsync answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.api.functions import active, arn
from tests.e2e.server import Cloud

TARGET = "arn:aws:sqs:eu-west-1:000000000000:told"


@pytest.fixture(scope="module")
def name(cloud: Cloud) -> str:
    active(cloud, "evented", Publish=True)
    active(cloud, "follower")
    return "evented"


def refused(call: Callable[..., Any], **members: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as caught:
        call(**members)
    answer: Any = caught.value.response
    return (
        answer["ResponseMetadata"]["HTTPStatusCode"],
        answer["Error"]["Code"],
        answer["Error"]["Message"],
    )


def test_a_configuration_is_put_read_changed_and_deleted(cloud: Cloud, name: str) -> None:
    put = cloud.client.put_function_event_invoke_config(
        FunctionName=name,
        MaximumRetryAttempts=1,
        DestinationConfig={"OnFailure": {"Destination": TARGET}},
    )
    assert put.pop("ResponseMetadata")["HTTPStatusCode"] == 200
    assert isinstance(put.pop("LastModified"), datetime)
    assert put == {
        "FunctionArn": arn(name, "$LATEST"),
        "MaximumRetryAttempts": 1,
        "DestinationConfig": {"OnSuccess": {}, "OnFailure": {"Destination": TARGET}},
    }
    changed = cloud.client.update_function_event_invoke_config(
        FunctionName=name,
        MaximumEventAgeInSeconds=60,
        DestinationConfig={"OnSuccess": {"Destination": arn("follower")}},
    )
    found = cloud.client.get_function_event_invoke_config(FunctionName=name)
    for answer in (changed, found):
        assert answer["MaximumRetryAttempts"] == 1
        assert answer["MaximumEventAgeInSeconds"] == 60
        assert answer["DestinationConfig"] == {
            "OnSuccess": {"Destination": arn("follower")},
            "OnFailure": {"Destination": TARGET},
        }
    again = cloud.client.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)
    assert "MaximumEventAgeInSeconds" not in again
    assert again["DestinationConfig"] == {"OnSuccess": {}, "OnFailure": {}}
    gone = cloud.client.delete_function_event_invoke_config(FunctionName=name)
    assert gone["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert refused(cloud.client.get_function_event_invoke_config, FunctionName=name) == (
        404,
        "ResourceNotFoundException",
        f"The function {arn(name, '$LATEST')} doesn't have an EventInvokeConfig",
    )


def test_versions_have_their_own_and_lists_page(cloud: Cloud, name: str) -> None:
    cloud.client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    for qualifier in ("live", "1", "$LATEST"):
        cloud.client.put_function_event_invoke_config(
            FunctionName=name, Qualifier=qualifier, MaximumRetryAttempts=0
        )
    listed = []
    more: dict[str, Any] = {}
    while True:
        page = cloud.client.list_function_event_invoke_configs(
            FunctionName=name, MaxItems=2, **more
        )
        listed += [each["FunctionArn"] for each in page["FunctionEventInvokeConfigs"]]
        if "NextMarker" not in page:
            break
        more = {"Marker": page["NextMarker"]}
    assert listed == [arn(name, each) for each in ("$LATEST", "1", "live")]
    cloud.client.delete_function_event_invoke_config(FunctionName=name)


@pytest.mark.parametrize(
    ("members", "wanted"),
    [
        (
            {},
            (
                400,
                "InvalidParameterValueException",
                "You must specify at least one of error handling or destination setting.",
            ),
        ),
        (
            {"DestinationConfig": {"OnSuccess": {"Destination": arn("evented")}}},
            (
                400,
                "InvalidParameterValueException",
                "You can't specify the function as a destination for itself.",
            ),
        ),
        (
            {"DestinationConfig": {"OnSuccess": {"Destination": arn("nobody")}}},
            (
                400,
                "InvalidParameterValueException",
                f"The destination ARN {arn('nobody')} is invalid.",
            ),
        ),
        (
            {"DestinationConfig": {"OnFailure": {"Destination": "arn:aws:s3:::bucket"}}},
            (
                400,
                "InvalidParameterValueException",
                "The provided destination config DestinationConfig(onSuccess=null, "
                "onFailure=OnFailure(destination=arn:aws:s3:::bucket)) is invalid.",
            ),
        ),
        (
            {"FunctionName": "nobody", "MaximumRetryAttempts": 1},
            (404, "ResourceNotFoundException", "The function doesn't exist."),
        ),
        (
            {"Qualifier": "nobody", "MaximumRetryAttempts": 1},
            (404, "ResourceNotFoundException", "The function doesn't exist."),
        ),
    ],
)
def test_what_cannot_be_configured_is_refused(
    cloud: Cloud, name: str, members: dict[str, Any], wanted: tuple[int, str, str]
) -> None:
    given = {"FunctionName": name, **members}
    assert refused(cloud.client.put_function_event_invoke_config, **given) == wanted


@pytest.mark.parametrize("operation", ["update", "get", "delete"])
def test_a_configuration_that_is_not_there(cloud: Cloud, operation: str) -> None:
    active(cloud, f"bare-{operation}")
    call = getattr(cloud.client, f"{operation}_function_event_invoke_config")
    more = {"MaximumRetryAttempts": 1} if operation == "update" else {}
    status, code, message = refused(call, FunctionName=f"bare-{operation}", **more)
    assert (status, code) == (404, "ResourceNotFoundException")
    assert message.endswith(":$LATEST doesn't have an EventInvokeConfig")


def test_what_is_not_there_has_no_configuration(cloud: Cloud, name: str) -> None:
    for operation in ("get", "delete"):
        call = getattr(cloud.client, f"{operation}_function_event_invoke_config")
        for function, qualifier in (("nobody", "$LATEST"), (name, "7"), (name, "nobody")):
            assert refused(call, FunctionName=function, Qualifier=qualifier) == (
                404,
                "ResourceNotFoundException",
                f"The function {arn(function, qualifier)} doesn't have an EventInvokeConfig",
            )
    gone = (404, "ResourceNotFoundException", "The function doesn't exist.")
    update = cloud.client.update_function_event_invoke_config
    assert refused(update, FunctionName="nobody", MaximumRetryAttempts=1) == gone
    assert refused(cloud.client.list_function_event_invoke_configs, FunctionName="nobody") == gone


def test_an_event_is_accepted_with_an_empty_answer(cloud: Cloud, name: str) -> None:
    answer = cloud.client.invoke(FunctionName=name, InvocationType="Event", Payload=b'{"a": 1}')
    assert answer["StatusCode"] == 202
    assert answer["Payload"].read() == b""
    assert "ExecutedVersion" not in answer
    older = cloud.client.invoke_async(FunctionName=name, InvokeArgs=b"{}")
    assert older["Status"] == 202
    assert older["ResponseMetadata"]["HTTPStatusCode"] == 202


@pytest.mark.parametrize(
    ("call", "payload", "limit"),
    [("invoke", "Payload", 1_048_576), ("invoke_async", "InvokeArgs", 262_144)],
)
def test_events_that_are_refused(
    cloud: Cloud, name: str, call: str, payload: str, limit: int
) -> None:
    kind = {"InvocationType": "Event"} if call == "invoke" else {}
    send = getattr(cloud.client, call)
    large = b'"' + b"x" * limit + b'"'
    assert refused(send, FunctionName=name, **{payload: large}, **kind) == (
        413,
        "RequestTooLargeException",
        f"{limit + 2} byte payload is too large for the Event invocation type (limit {limit} bytes)",
    )
    status, code, _ = refused(send, FunctionName=name, **{payload: b"nonsense"}, **kind)
    assert (status, code) == (400, "InvalidRequestContentException")
    missing = refused(send, FunctionName="nobody", **{payload: b"{}"}, **kind)
    assert missing == (404, "ResourceNotFoundException", f"Function not found: {arn('nobody')}")
