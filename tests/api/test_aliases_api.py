"""Aliases through boto3: their exact answers, what is refused, and names that they make known."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.api.functions import QUICK, active, arn, body, get, invalid, missing, refusal
from tests.e2e.server import Cloud


def with_versions(cloud: Cloud, count: int = 2) -> str:
    name = active(cloud)
    for number in range(count):
        cloud.client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig=QUICK)
        cloud.client.update_function_configuration(FunctionName=name, Description=f"d{number}")
        version = cloud.client.publish_version(FunctionName=name)["Version"]
        cloud.client.get_waiter("published_version_active").wait(
            FunctionName=name, Qualifier=version, WaiterConfig=QUICK
        )
    return name


@pytest.fixture(scope="module")
def name(cloud: Cloud) -> str:
    return with_versions(cloud)


def weights(**of: float) -> dict[str, Any]:
    return {"AdditionalVersionWeights": {name[1:]: weight for name, weight in of.items()}}


def no_alias(name: str, alias: str) -> tuple[int, str, str]:
    return 404, "ResourceNotFoundException", f"Cannot find alias arn: {arn(name, alias)}"


def test_an_alias_from_creation_to_deletion(cloud: Cloud, name: str) -> None:
    client = cloud.client
    answer = client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    made = body(answer)
    revision = made.pop("RevisionId")
    assert made == {
        "AliasArn": arn(name, "live"),
        "Name": "live",
        "FunctionVersion": "1",
        "Description": "",
    }
    assert body(client.get_alias(FunctionName=name, Name="live")) == body(answer)

    answer = client.update_alias(
        FunctionName=name,
        Name="live",
        FunctionVersion="2",
        Description="now two",
        RoutingConfig=weights(v1=0.25),
        RevisionId=revision,
    )
    changed = body(answer)
    assert changed.pop("RevisionId") != revision
    assert changed == {
        "AliasArn": arn(name, "live"),
        "Name": "live",
        "FunctionVersion": "2",
        "Description": "now two",
        "RoutingConfig": weights(v1=0.25),
    }
    assert body(client.get_alias(FunctionName=arn(name), Name="live")) == body(answer)

    for _ in range(2):
        answer = client.delete_alias(FunctionName=name, Name="live")
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert refusal(client.get_alias, FunctionName=name, Name="live") == no_alias(name, "live")


def test_what_creating_is_refused_with(cloud: Cloud, name: str) -> None:
    def refused(**members: Any) -> tuple[int, str, str]:
        sent = {"FunctionName": name, "Name": "no", "FunctionVersion": "1", **members}
        return refusal(cloud.client.create_alias, **sent)

    cloud.client.create_alias(FunctionName=name, Name="taken", FunctionVersion="1")
    assert refused(Name="taken") == (
        *(409, "ResourceConflictException"),
        f"Alias already exists: {arn(name, 'taken')}",
    )
    assert refused(FunctionVersion="9") == missing(name, "9")
    assert refused(FunctionVersion="9" * 300) == missing(name, "9" * 300)
    assert refused(FunctionVersion="$LATEST.PUBLISHED") == missing(name, "$LATEST.PUBLISHED")
    assert refused(FunctionName="none") == missing("none", "1")
    assert refused(RoutingConfig=weights(v7=0.1)) == missing(name, "7")
    assert refused(RoutingConfig=weights(v1=0.1, v2=0.1)) == invalid(
        "Number of items in AdditionalVersionWeights cannot be greater than 1"
    )
    assert refused(RoutingConfig=weights(v1=0.1)) == invalid(
        "Invalid function version 1. Function version 1 is already included in routing "
        "configuration."
    )
    assert refused(FunctionVersion="$LATEST", RoutingConfig=weights(v1=0.1)) == invalid(
        "$LATEST is not supported for an alias pointing to more than 1 version"
    )
    for members, constraint in (
        ({"Name": "123"}, "at 'name' failed to satisfy constraint"),
        ({"Name": "a b"}, "at 'name' failed to satisfy constraint"),
        ({"FunctionVersion": "live"}, "at 'functionVersion' failed to satisfy constraint"),
        ({"RoutingConfig": weights(v2=1.5)}, "Map value must satisfy constraint"),
        (
            {"RoutingConfig": {"AdditionalVersionWeights": {"$LATEST": 0.5}}},
            "Map keys must satisfy constraint",
        ),
    ):
        status, code, message = refused(**members)
        assert (status, code) == (400, "ValidationException")
        assert constraint in message
    assert refusal(cloud.client.get_alias, FunctionName=name, Name="no") == no_alias(name, "no")


def test_what_the_other_operations_are_refused_with(cloud: Cloud, name: str) -> None:
    client = cloud.client
    assert refusal(client.update_alias, FunctionName=name, Name="none") == no_alias(name, "none")
    client.create_alias(FunctionName=name, Name="held", FunctionVersion="1")
    assert refusal(client.update_alias, FunctionName=name, Name="held", RevisionId="x") == (
        *(412, "PreconditionFailedException"),
        "The Revision Id provided does not match the latest Revision Id. Call the "
        "GetFunction/GetAlias API to retrieve the latest Revision Id",
    )
    assert refusal(
        client.update_alias, FunctionName=name, Name="held", FunctionVersion="9"
    ) == missing(name, "9")
    for call in (client.get_alias, client.update_alias, client.delete_alias):
        assert refusal(call, FunctionName="none", Name="a") == missing("none")
    assert refusal(client.list_aliases, FunctionName="none") == missing("none")
    assert refusal(client.delete_function, FunctionName=name, Qualifier="1") == (
        *(409, "ResourceConflictException"),
        "Unable to delete version because the following aliases reference it: [held, taken]",
    )
    assert refusal(client.delete_function, FunctionName=name, Qualifier="held")[0] == 400


def test_lists(cloud: Cloud) -> None:
    name = with_versions(cloud)
    client = cloud.client
    assert client.list_aliases(FunctionName=name)["Aliases"] == []
    made = {}
    for alias, version, more in (
        ("c", "1", {}),
        ("a", "2", {}),
        ("b", "1", {"RoutingConfig": weights(v2=0.5)}),
    ):
        made[alias] = body(
            client.create_alias(FunctionName=name, Name=alias, FunctionVersion=version, **more)
        )
    assert body(client.list_aliases(FunctionName=name)) == {
        "Aliases": [made["a"], made["b"], made["c"]]
    }
    pages = client.get_paginator("list_aliases").paginate(
        FunctionName=name, PaginationConfig={"PageSize": 2}
    )
    assert [[each["Name"] for each in page["Aliases"]] for page in pages] == [["a", "b"], ["c"]]
    for version, names in (("1", ["b", "c"]), ("2", ["a", "b"]), ("3", [])):
        listed = client.list_aliases(FunctionName=name, FunctionVersion=version)["Aliases"]
        assert [each["Name"] for each in listed] == names


def test_an_alias_is_a_qualifier(cloud: Cloud) -> None:
    name = with_versions(cloud)
    client = cloud.client
    assert refusal(client.get_function, FunctionName=name, Qualifier="live") == missing(
        name, "live"
    )
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    one = get(cloud, name, Qualifier="1")
    by_alias = {**one, "FunctionArn": arn(name, "live")}
    assert get(cloud, name, Qualifier="live") == by_alias
    assert get(cloud, f"{name}:live") == by_alias
    shown = client.get_function(FunctionName=arn(name, "live"))["Configuration"]
    assert shown == by_alias
    client.update_alias(FunctionName=name, Name="live", FunctionVersion="$LATEST")
    assert get(cloud, name, Qualifier="live")["Version"] == "$LATEST"


def test_aliases_go_with_their_function(cloud: Cloud) -> None:
    name = with_versions(cloud, 1)
    cloud.client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    cloud.client.delete_function(FunctionName=name)
    active(cloud, name)
    assert cloud.client.list_aliases(FunctionName=name)["Aliases"] == []
    with pytest.raises(ClientError, match="Cannot find alias arn"):
        cloud.client.invoke(FunctionName=name, Qualifier="live")
