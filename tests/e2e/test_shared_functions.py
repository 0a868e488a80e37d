"""Functions that other accounts use: granted, used, revoked; nobody else gets in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e.queues import until
from tests.e2e.server import Cloud, Server, zipped

CODE = "def handler(event, context):\n    return context.invoked_function_arn\n"
THEIRS, OTHERS = "111122223333", "444455556666"


@pytest.fixture(scope="module")
def theirs(server: Server) -> Cloud:
    return Cloud(server.endpoint, account=THEIRS)


@pytest.fixture(scope="module")
def others(server: Server) -> Cloud:
    return Cloud(server.endpoint, account=OTHERS)


@pytest.fixture
def arn(cloud: Cloud) -> str:
    name = cloud.function(CODE)
    cloud.client.publish_version(FunctionName=name)
    cloud.client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    return str(cloud.client.get_function(FunctionName=name)["Configuration"]["FunctionArn"])


def grant(cloud: Cloud, arn: str, sid: str = "s", **members: Any) -> None:
    sent = {"Action": "lambda:InvokeFunction", "Principal": THEIRS, "StatementId": sid, **members}
    cloud.client.add_permission(FunctionName=arn, **sent)


def refused(call: Any, **sent: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(**sent)
    answer = error.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert answer["Error"]["Code"] == "AccessDeniedException"
    return str(answer["Error"]["Message"])


def why(action: str, arn: str, account: str = THEIRS) -> str:
    return (
        f"User: arn:aws:iam::{account}:root is not authorized to perform: lambda:{action} on "
        f"resource: {arn} because no resource-based policy allows the lambda:{action} action"
    )


def test_a_grant_lets_one_account_in_until_it_is_revoked(
    cloud: Cloud, theirs: Cloud, others: Cloud, arn: str
) -> None:
    denied = why("InvokeFunction", arn)
    assert refused(theirs.client.invoke, FunctionName=arn) == denied
    grant(cloud, arn)
    assert theirs.result(arn) == arn
    assert theirs.result(arn.removeprefix("arn:aws:lambda:eu-west-1:")) == arn
    assert theirs.client.invoke(FunctionName=arn, InvocationType="DryRun")["StatusCode"] == 204
    streamed = theirs.client.invoke_with_response_stream(FunctionName=arn)
    parts = [
        each["PayloadChunk"]["Payload"]
        for each in streamed["EventStream"]
        if "PayloadChunk" in each
    ]
    assert json.loads(b"".join(parts)) == arn
    assert refused(others.client.invoke, FunctionName=arn) == why("InvokeFunction", arn, OTHERS)
    assert refused(theirs.client.get_function, FunctionName=arn) == why("GetFunction", arn)
    cloud.client.remove_permission(FunctionName=arn, StatementId="s")
    for call in (theirs.client.invoke, theirs.client.invoke_with_response_stream):
        assert refused(call, FunctionName=arn) == denied


def test_a_grant_on_an_alias_is_of_that_alias(cloud: Cloud, theirs: Cloud, arn: str) -> None:
    grant(cloud, f"{arn}:live")
    assert theirs.result(f"{arn}:live") == f"{arn}:live"
    assert theirs.invoke(arn, Qualifier="live").payload == f"{arn}:live"
    for other in (arn, f"{arn}:1", f"{arn}:$LATEST", f"{arn}:none"):
        assert refused(theirs.client.invoke, FunctionName=other) == why("InvokeFunction", other)
    grant(cloud, arn)
    assert theirs.result(arn) == arn
    assert refused(theirs.client.invoke, FunctionName=f"{arn}:1")


def test_a_destination_of_another_account_takes_a_grant(
    cloud: Cloud, theirs: Cloud, arn: str, server: Server
) -> None:
    def tell(target: str) -> None:
        theirs.client.put_function_event_invoke_config(
            FunctionName=name, DestinationConfig={"OnSuccess": {"Destination": target}}
        )

    def runs(function: str) -> int:
        paths = [each for each in server.data.joinpath("logs").rglob("*") if each.is_file()]
        return sum(each.read_text().count("TOLD") for each in paths if function in str(each))

    name = theirs.function(CODE)
    told = cloud.function("def handler(event, context):\n    print('TOLD')\n")
    target = f"{arn.rpartition(':')[0]}:{told}"
    for each in (target, f"{target}-nowhere"):
        with pytest.raises(ClientError) as error:
            tell(each)
        assert error.value.response["Error"]["Code"] == "InvalidParameterValueException"
        assert f"The destination ARN {each} is invalid." in str(error.value)
    grant(cloud, target)
    tell(target)
    theirs.client.invoke(FunctionName=name, InvocationType="Event")
    until(lambda: runs(told) == 1)
    # one revoked since is not used any more
    cloud.client.remove_permission(FunctionName=target, StatementId="s")
    theirs.client.invoke(FunctionName=name, InvocationType="Event")
    until(lambda: "no permission to tell" in server.log())
    assert runs(told) == 1


def test_what_is_not_there_looks_as_what_is_not_allowed(theirs: Cloud, arn: str) -> None:
    none = f"{arn}-none"
    assert refused(theirs.client.invoke, FunctionName=none) == why("InvokeFunction", none)
    assert refused(theirs.client.get_function, FunctionName=none) == why("GetFunction", none)


def test_everybody_but_one(cloud: Cloud, theirs: Cloud, others: Cloud, arn: str) -> None:
    statements = [
        {"Effect": "Allow", "Principal": "*", "Action": "lambda:*", "Resource": f"{arn}*"},
        {"Effect": "Deny", "Principal": {"AWS": OTHERS}, "Action": "*", "Resource": "*"},
    ]
    text = json.dumps({"Version": "2012-10-17", "Statement": statements})
    cloud.client.put_resource_policy(ResourceArn=arn, Policy=text)
    for called in (arn, f"{arn}:1", f"{arn}:live"):
        assert theirs.result(called) == called
        assert refused(others.client.invoke, FunctionName=called)
    cloud.client.delete_resource_policy(ResourceArn=arn)
    assert refused(theirs.client.invoke, FunctionName=arn)


def test_another_account_works_on_a_function_as_far_as_it_may(
    cloud: Cloud, theirs: Cloud, arn: str
) -> None:
    name = arn.rpartition(":")[2]
    theirs.function(CODE, name=name)
    client = theirs.client
    calls: dict[str, tuple[Any, dict[str, Any]]] = {
        "GetFunction": (client.get_function, {}),
        "GetFunctionConfiguration": (client.get_function_configuration, {}),
        "ListVersionsByFunction": (client.list_versions_by_function, {}),
        "ListAliases": (client.list_aliases, {}),
        "GetAlias": (client.get_alias, {"Name": "live"}),
        "CreateAlias": (client.create_alias, {"Name": "new", "FunctionVersion": "1"}),
        "UpdateAlias": (client.update_alias, {"Name": "new", "Description": "d"}),
        "DeleteAlias": (client.delete_alias, {"Name": "new"}),
        "UpdateFunctionConfiguration": (client.update_function_configuration, {"Timeout": 9}),
        "UpdateFunctionCode": (
            client.update_function_code,
            {"ZipFile": zipped({"app.py": CODE + "\n"})},
        ),
        "PublishVersion": (client.publish_version, {}),
        "DeleteFunction": (client.delete_function, {}),
    }
    for action, (call, sent) in calls.items():
        assert refused(call, FunctionName=arn, **sent) == why(action, arn)
    for action, (call, sent) in calls.items():
        grant(cloud, arn, action, Action=f"lambda:{action}")
        call(FunctionName=arn, **sent)
    with pytest.raises(ClientError, match="Function not found"):
        cloud.client.get_function(FunctionName=arn)
    assert client.get_function_configuration(FunctionName=name)["Timeout"] == 20
    client.delete_function(FunctionName=name)


def test_policies_and_tags_are_the_owners_alone(cloud: Cloud, theirs: Cloud, arn: str) -> None:
    grant(cloud, arn, Action="lambda:*")
    for action, call, sent in (
        ("GetPolicy", theirs.client.get_policy, {}),
        ("RemovePermission", theirs.client.remove_permission, {"StatementId": "s"}),
    ):
        assert refused(call, FunctionName=arn, **sent) == why(action, arn)
