"""Code signing configurations through boto3: stored, given to functions, and held while in use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.functions import ACCOUNT, active, arn, body, create, get, missing, refusal
from tests.e2e.server import Cloud, Server

PROFILE = "arn:aws:signer:eu-west-1:000000000000:/signing-profiles/p/abcdefghij"
OTHER = "arn:aws:signer:eu-west-1:000000000000:/signing-profiles/q/abcdefghij"
NONE = f"arn:aws:lambda:eu-west-1:{ACCOUNT}:code-signing-config:csc-0123456789abcdefg"
GONE = (
    404,
    "ResourceNotFoundException",
    f"The Lambda code signing configuration {NONE} can not be found.",
)
NOT_THERE = (
    404,
    "CodeSigningConfigNotFoundException",
    "The code signing configuration cannot be found. Check that the provided configuration is "
    f"not deleted: {NONE}.",
)


def new(cloud: Cloud, **members: Any) -> dict[str, Any]:
    answer = cloud.client.create_code_signing_config(
        **{"AllowedPublishers": {"SigningProfileVersionArns": [PROFILE]}, **members}
    )
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    config: dict[str, Any] = answer["CodeSigningConfig"]
    return config


@pytest.fixture
def config(cloud: Cloud) -> Iterator[str]:
    named = str(new(cloud)["CodeSigningConfigArn"])
    yield named
    for function in cloud.client.list_functions_by_code_signing_config(CodeSigningConfigArn=named)[
        "FunctionArns"
    ]:
        cloud.client.delete_function_code_signing_config(FunctionName=function)
    cloud.client.delete_code_signing_config(CodeSigningConfigArn=named)


def test_a_new_one_has_these_fields_and_defaults(cloud: Cloud) -> None:
    config = new(cloud)
    named = config.pop("CodeSigningConfigId")
    assert re.fullmatch(r"csc-[a-z0-9]{17}", named)
    shape = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000"
    assert re.fullmatch(shape, config.pop("LastModified"))
    assert config == {
        "CodeSigningConfigArn": f"arn:aws:lambda:eu-west-1:{ACCOUNT}:code-signing-config:{named}",
        "AllowedPublishers": {"SigningProfileVersionArns": [PROFILE]},
        "CodeSigningPolicies": {"UntrustedArtifactOnDeployment": "Warn"},
    }


def test_what_is_given_comes_back(cloud: Cloud) -> None:
    config = new(
        cloud,
        Description="ours",
        AllowedPublishers={"SigningProfileVersionArns": [PROFILE, OTHER]},
        CodeSigningPolicies={"UntrustedArtifactOnDeployment": "Enforce"},
    )
    assert config["Description"] == "ours"
    assert config["AllowedPublishers"] == {"SigningProfileVersionArns": [PROFILE, OTHER]}
    assert config["CodeSigningPolicies"] == {"UntrustedArtifactOnDeployment": "Enforce"}
    found = cloud.client.get_code_signing_config(
        CodeSigningConfigArn=config["CodeSigningConfigArn"]
    )
    assert body(found) == {"CodeSigningConfig": config}


def test_an_update_changes_what_it_names(cloud: Cloud, config: str) -> None:
    changed = cloud.client.update_code_signing_config(
        CodeSigningConfigArn=config,
        Description="now described",
        CodeSigningPolicies={"UntrustedArtifactOnDeployment": "Enforce"},
    )["CodeSigningConfig"]
    assert changed["Description"] == "now described"
    assert changed["CodeSigningPolicies"] == {"UntrustedArtifactOnDeployment": "Enforce"}
    assert changed["AllowedPublishers"] == {"SigningProfileVersionArns": [PROFILE]}
    again = cloud.client.update_code_signing_config(
        CodeSigningConfigArn=config, AllowedPublishers={"SigningProfileVersionArns": [OTHER]}
    )["CodeSigningConfig"]
    assert again["AllowedPublishers"] == {"SigningProfileVersionArns": [OTHER]}
    assert again["Description"] == "now described"


def test_a_function_has_one_and_lets_it_go(cloud: Cloud, config: str) -> None:
    name = active(cloud)
    assert body(cloud.client.get_function_code_signing_config(FunctionName=name)) == {}
    put = cloud.client.put_function_code_signing_config(
        FunctionName=arn(name), CodeSigningConfigArn=config
    )
    assert body(put) == {"CodeSigningConfigArn": config, "FunctionName": name}
    found = cloud.client.get_function_code_signing_config(FunctionName=name)
    assert body(found) == {"CodeSigningConfigArn": config, "FunctionName": name}
    gone = cloud.client.delete_function_code_signing_config(FunctionName=name)
    assert gone["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert body(cloud.client.get_function_code_signing_config(FunctionName=name)) == {}
    cloud.client.delete_function_code_signing_config(FunctionName=name)


def test_one_in_use_is_not_deleted(cloud: Cloud, config: str) -> None:
    name = active(cloud, CodeSigningConfigArn=config)
    found = cloud.client.get_function_code_signing_config(FunctionName=name)
    assert found["CodeSigningConfigArn"] == config
    assert refusal(cloud.client.delete_code_signing_config, CodeSigningConfigArn=config) == (
        409,
        "ResourceConflictException",
        f"The code signing configuration {config} is in use and cannot be deleted. "
        "Remove it from its functions first.",
    )
    cloud.client.delete_function(FunctionName=name)
    functions = cloud.client.list_functions_by_code_signing_config(CodeSigningConfigArn=config)
    assert functions["FunctionArns"] == []


def test_a_deleted_one_is_gone_with_its_tags(cloud: Cloud) -> None:
    config = new(cloud, Tags={"a": "b"})["CodeSigningConfigArn"]
    gone = cloud.client.delete_code_signing_config(CodeSigningConfigArn=config)
    assert gone["ResponseMetadata"]["HTTPStatusCode"] == 204
    message = f"The Lambda code signing configuration {config} can not be found."
    expected = (404, "ResourceNotFoundException", message)
    assert refusal(cloud.client.get_code_signing_config, CodeSigningConfigArn=config) == expected
    assert refusal(cloud.client.delete_code_signing_config, CodeSigningConfigArn=config) == expected
    assert refusal(cloud.client.list_tags, Resource=config) == expected


def test_what_is_not_there(cloud: Cloud, config: str) -> None:
    client = cloud.client
    for call in (
        client.get_code_signing_config,
        client.update_code_signing_config,
        client.delete_code_signing_config,
        client.list_functions_by_code_signing_config,
    ):
        assert refusal(call, CodeSigningConfigArn=NONE) == GONE
    name = active(cloud)
    put = client.put_function_code_signing_config
    assert refusal(put, FunctionName=name, CodeSigningConfigArn=NONE) == NOT_THERE
    assert refusal(put, FunctionName="none", CodeSigningConfigArn=config) == missing("none")
    for call in (
        client.get_function_code_signing_config,
        client.delete_function_code_signing_config,
    ):
        assert refusal(call, FunctionName="none") == missing("none")


def test_one_of_another_account_or_region_is_not_there(cloud: Cloud, config: str) -> None:
    for other in (
        config.replace(ACCOUNT, "111111111111"),
        config.replace("eu-west-1", "us-east-1"),
    ):
        status, code, _ = refusal(cloud.client.get_code_signing_config, CodeSigningConfigArn=other)
        assert (status, code) == (404, "ResourceNotFoundException")


def test_a_function_is_not_created_with_one_that_is_not_there(cloud: Cloud) -> None:
    name = cloud.name()
    refused = refusal(create, cloud=cloud, name=name, CodeSigningConfigArn=NONE)
    assert refused == NOT_THERE
    assert refusal(get, cloud=cloud, name=name) == missing(name)


def test_the_lists_have_pages(server: Server) -> None:
    cloud = Cloud(server.endpoint, region="ap-southeast-2")
    configs = sorted(new(cloud)["CodeSigningConfigArn"] for _ in range(3))
    pages = list(
        cloud.client.get_paginator("list_code_signing_configs").paginate(
            PaginationConfig={"PageSize": 2}
        )
    )
    assert [len(page["CodeSigningConfigs"]) for page in pages] == [2, 1]
    listed = [config for page in pages for config in page["CodeSigningConfigs"]]
    assert [config["CodeSigningConfigArn"] for config in listed] == configs
    for name in ("c", "a", "b", "d"):
        create(cloud, name, CodeSigningConfigArn=configs[name == "b"])
    pages = list(
        cloud.client.get_paginator("list_functions_by_code_signing_config").paginate(
            CodeSigningConfigArn=configs[0], PaginationConfig={"PageSize": 2}
        )
    )
    found = [function.rpartition(":")[2] for page in pages for function in page["FunctionArns"]]
    assert found == ["a", "c", "d"]
    assert [len(page["FunctionArns"]) for page in pages] == [2, 1]


@pytest.mark.parametrize(
    ("members", "at"),
    [
        ({"AllowedPublishers": {"SigningProfileVersionArns": ["x"]}}, "signingProfileVersionArns"),
        ({"CodeSigningPolicies": {"UntrustedArtifactOnDeployment": "Ask"}}, "untrustedArtifact"),
        ({"Description": "x" * 257}, "description"),
    ],
)
def test_members_are_checked(cloud: Cloud, members: dict[str, Any], at: str) -> None:
    status, code, message = refusal(new, cloud=cloud, **members)
    assert (status, code) == (400, "ValidationException")
    assert at in message
