"""The configurations of function URLs, through boto3."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest

from tests.api.functions import active, arn, body, refusal
from tests.e2e.server import Cloud

GONE = (404, "ResourceNotFoundException", "The resource you requested does not exist.")
NO_FUNCTION = (404, "ResourceNotFoundException", "Function does not exist")
CORS = {
    "AllowCredentials": True,
    "AllowHeaders": ["x-one"],
    "AllowMethods": ["GET", "*"],
    "AllowOrigins": ["https://example.com"],
    "ExposeHeaders": ["x-two"],
    "MaxAge": 86400,
}


@pytest.fixture(scope="module")
def function(cloud: Cloud) -> str:
    name = active(cloud)
    cloud.client.publish_version(FunctionName=name)
    for alias in ("live", "test"):
        cloud.client.create_alias(FunctionName=name, Name=alias, FunctionVersion="1")
    return name


@pytest.fixture(autouse=True)
def no_urls(cloud: Cloud, function: str) -> None:
    for each in cloud.client.list_function_url_configs(FunctionName=function)["FunctionUrlConfigs"]:
        cloud.client.delete_function_url_config(FunctionName=each["FunctionArn"])


def create(cloud: Cloud, function: str, **members: Any) -> dict[str, Any]:
    answer = cloud.client.create_function_url_config(
        **{"FunctionName": function, "AuthType": "NONE", **members}
    )
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    return body(answer)


def get(cloud: Cloud, function: str, **members: Any) -> dict[str, Any]:
    return body(cloud.client.get_function_url_config(FunctionName=function, **members))


def test_a_url_is_created_and_shown(cloud: Cloud, function: str) -> None:
    created = create(cloud, function)
    url, moment = created.pop("FunctionUrl"), created.pop("CreationTime")
    assert re.fullmatch(re.escape(cloud.endpoint) + "/lambda-url/[a-z0-9]{32}/", url)
    assert datetime.strptime(moment, "%Y-%m-%dT%H:%M:%S.%fZ")
    assert created == {"FunctionArn": arn(function), "AuthType": "NONE"}
    assert get(cloud, function) == {
        **created,
        "InvokeMode": "BUFFERED",
        "FunctionUrl": url,
        "CreationTime": moment,
        "LastModifiedTime": moment,
    }


def test_every_member_of_cors_is_kept(cloud: Cloud, function: str) -> None:
    created = create(cloud, function, Cors=CORS, InvokeMode="RESPONSE_STREAM", AuthType="AWS_IAM")
    assert created["Cors"] == CORS
    assert (created["InvokeMode"], created["AuthType"]) == ("RESPONSE_STREAM", "AWS_IAM")
    assert get(cloud, function)["Cors"] == CORS


def test_an_alias_has_a_url_of_its_own(cloud: Cloud, function: str) -> None:
    whole = create(cloud, function)
    live = create(cloud, function, Qualifier="live")
    assert live["FunctionArn"] == arn(function, "live")
    assert live["FunctionUrl"] != whole["FunctionUrl"]
    assert get(cloud, f"{function}:live")["FunctionUrl"] == live["FunctionUrl"]
    assert refusal(
        cloud.client.get_function_url_config, FunctionName=function, Qualifier="test"
    ) == GONE  # fmt: skip
    missing = {"FunctionName": function, "AuthType": "NONE", "Qualifier": "nobody"}
    assert refusal(cloud.client.create_function_url_config, **missing) == NO_FUNCTION
    assert refusal(cloud.client.update_function_url_config, **missing) == NO_FUNCTION
    cloud.client.create_alias(FunctionName=function, Name="short", FunctionVersion="1")
    create(cloud, function, Qualifier="short")
    cloud.client.delete_alias(FunctionName=function, Name="short")
    assert refusal(
        cloud.client.get_function_url_config, FunctionName=function, Qualifier="short"
    ) == GONE  # fmt: skip


@pytest.mark.parametrize("qualifier", ["1", "$LATEST"])
def test_a_version_has_no_url(cloud: Cloud, function: str, qualifier: str) -> None:
    sent = {"FunctionName": function, "AuthType": "NONE", "Qualifier": qualifier}
    assert refusal(cloud.client.create_function_url_config, **sent) == (
        400,
        "ValidationException",
        f"1 validation error detected: Value '{qualifier}' at 'qualifier' failed to satisfy "
        "constraint: Member must satisfy regular expression pattern: "
        "((?!^\\d+$)^[0-9a-zA-Z-_]+$)",
    )


def test_a_second_url_is_refused(cloud: Cloud, function: str) -> None:
    create(cloud, function)
    sent = {"FunctionName": function, "AuthType": "AWS_IAM"}
    assert refusal(cloud.client.create_function_url_config, **sent) == (
        409,
        "ResourceConflictException",
        f"Failed to create function url config for [functionArn = {arn(function)}]. Error message:"
        "  FunctionUrlConfig exists for this Lambda function",
    )


def test_an_update_changes_what_it_names(cloud: Cloud, function: str) -> None:
    before = create(cloud, function, Cors=CORS)
    update = cloud.client.update_function_url_config
    after = body(update(FunctionName=function, AuthType="AWS_IAM"))
    assert after["AuthType"] == "AWS_IAM"
    assert after["Cors"] == CORS
    assert "InvokeMode" not in after
    assert after["FunctionUrl"] == before["FunctionUrl"]
    assert after["CreationTime"] == before["CreationTime"] < after["LastModifiedTime"]
    after = body(update(FunctionName=function, InvokeMode="RESPONSE_STREAM", Cors={"MaxAge": 0}))
    assert (after["InvokeMode"], after["Cors"]) == ("RESPONSE_STREAM", {"MaxAge": 0})
    assert "Cors" not in body(update(FunctionName=function, Cors={}))
    assert get(cloud, function)["FunctionUrl"] == before["FunctionUrl"]


def test_a_deleted_url_is_gone(cloud: Cloud, function: str) -> None:
    first = create(cloud, function)
    answer = cloud.client.delete_function_url_config(FunctionName=function)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    for operation in ("get", "update", "delete"):
        call = getattr(cloud.client, f"{operation}_function_url_config")
        assert refusal(call, FunctionName=function) == GONE
    assert create(cloud, function)["FunctionUrl"] != first["FunctionUrl"]


def test_urls_are_listed_in_pages(cloud: Cloud, function: str) -> None:
    for qualifier in (None, "live", "test"):
        create(cloud, function, **({"Qualifier": qualifier} if qualifier else {}))
    found: list[str] = []
    marker: dict[str, str] = {}
    for _ in range(3):
        page = cloud.client.list_function_url_configs(FunctionName=function, MaxItems=1, **marker)
        (config,) = page["FunctionUrlConfigs"]
        found.append(config["FunctionArn"])
        assert config == get(cloud, config["FunctionArn"])
        marker = {"Marker": page["NextMarker"]} if "NextMarker" in page else {}
    assert found == [arn(function), arn(function, "live"), arn(function, "test")]
    assert not marker


def test_functions_that_are_not_there(cloud: Cloud) -> None:
    client, name = cloud.client, "nothing-here"
    create = {"FunctionName": name, "AuthType": "NONE"}
    assert refusal(client.create_function_url_config, **create) == NO_FUNCTION
    assert refusal(client.update_function_url_config, FunctionName=name) == NO_FUNCTION
    assert refusal(client.list_function_url_configs, FunctionName=name) == NO_FUNCTION
    assert refusal(client.get_function_url_config, FunctionName=name) == GONE
    assert refusal(client.delete_function_url_config, FunctionName=name) == GONE


def test_a_url_goes_with_its_function(cloud: Cloud) -> None:
    name = active(cloud)
    create(cloud, name)
    cloud.client.delete_function(FunctionName=name)
    assert refusal(cloud.client.get_function_url_config, FunctionName=name) == GONE


@pytest.mark.parametrize(
    "sent",
    [
        {"AuthType": "OPEN"},
        {"InvokeMode": "SLOW"},
        {"Cors": {"MaxAge": 86401}},
        {"Cors": {"AllowMethods": ["OPTIONS"]}},
        {"Cors": {"AllowHeaders": ["x"] * 101}},
    ],
)
def test_what_the_model_forbids(cloud: Cloud, function: str, sent: dict[str, Any]) -> None:
    request = {"FunctionName": function, "AuthType": "NONE", **sent}
    status, code, _ = refusal(cloud.client.create_function_url_config, **request)
    assert (status, code) == (400, "ValidationException")


def test_another_account_is_shown_a_url_where_the_policy_says_so(
    cloud: Cloud, function: str
) -> None:
    created = create(cloud, function)
    other = Cloud(cloud.endpoint, account="111122223333")
    asked = {"FunctionName": arn(function)}
    status, code, _ = refusal(other.client.get_function_url_config, **asked)
    assert (status, code) == (403, "AccessDeniedException")
    cloud.client.add_permission(
        FunctionName=function,
        StatementId="other",
        Action="lambda:GetFunctionUrlConfig",
        Principal="111122223333",
    )
    assert (
        body(other.client.get_function_url_config(**asked))["FunctionUrl"]
        == (created["FunctionUrl"])
    )
