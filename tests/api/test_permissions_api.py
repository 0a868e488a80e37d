"""The policies of functions through boto3: exact statements, texts and refusals."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api.functions import REGION, active, arn, body, get, invalid, missing, refusal
from tests.e2e.server import Cloud

NOTHING = (404, "ResourceNotFoundException", "The resource you requested does not exist.")
NO_POLICY = (404, "ResourceNotFoundException", "No policy is associated with the given resource.")
STALE = (
    412,
    "PreconditionFailedException",
    "The Revision Id provided does not match the latest Revision Id. "
    "Call the GetFunction/GetAlias API to retrieve the latest Revision Id",
)
ANOTHER_ID = "00000000-0000-4000-8000-000000000000"
INVOKE = {"Action": "lambda:InvokeFunction", "Principal": "111122223333"}
ROOT = {"AWS": "arn:aws:iam::111122223333:root"}


@pytest.fixture
def name(cloud: Cloud) -> str:
    return active(cloud)


@pytest.fixture(scope="module")
def shared(cloud: Cloud) -> str:
    return active(cloud)


def add(cloud: Cloud, name: str, sid: str = "s", **members: Any) -> dict[str, Any]:
    sent = {"FunctionName": name, "StatementId": sid, **INVOKE, **members}
    answer = cloud.client.add_permission(**sent)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    found: dict[str, Any] = json.loads(answer["Statement"])
    return found


def policy(cloud: Cloud, name: str, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(cloud.client.get_policy(FunctionName=name, **more)["Policy"])
    return found


def with_version(cloud: Cloud, name: str) -> None:
    cloud.client.publish_version(FunctionName=name)
    cloud.client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)}, indent=1)


def a_statement(name: str, **elements: Any) -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Principal": ROOT,
        "Action": "lambda:InvokeFunction",
        "Resource": arn(name),
        **elements,
    }


def test_a_permission_from_grant_to_revocation(cloud: Cloud, name: str) -> None:
    client = cloud.client
    expected = a_statement(name, Sid="s")
    answer = client.add_permission(FunctionName=name, StatementId="s", **INVOKE)
    assert body(answer) == {
        "Statement": '{"Sid":"s","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},'
        f'"Action":"lambda:InvokeFunction","Resource":"{arn(name)}"}}'
    }
    shown = client.get_policy(FunctionName=name)
    assert shown["Policy"] == (
        '{"Version":"2012-10-17","Id":"default","Statement":[' + answer["Statement"] + "]}"
    )
    add(cloud, name, "t", RevisionId=shown["RevisionId"])
    changed = client.get_policy(FunctionName=name)
    assert changed["RevisionId"] != shown["RevisionId"]
    assert [each["Sid"] for each in json.loads(changed["Policy"])["Statement"]] == ["s", "t"]
    answer = client.remove_permission(FunctionName=name, StatementId="t")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert policy(cloud, name)["Statement"] == [expected]
    client.remove_permission(FunctionName=name, StatementId="s")
    assert refusal(client.get_policy, FunctionName=name) == NOTHING


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"Principal": "*"}, {"Principal": "*"}),
        (
            {"Principal": "arn:aws:iam::111122223333:root"},
            {"Principal": ROOT},
        ),
        (
            {"Principal": "arn:aws:iam::111122223333:role/path/r"},
            {"Principal": {"AWS": "arn:aws:iam::111122223333:role/path/r"}},
        ),
        (
            {
                "Principal": "s3.amazonaws.com",
                "SourceArn": "arn:aws:s3:::bucket",
                "SourceAccount": "111122223333",
            },
            {
                "Principal": {"Service": "s3.amazonaws.com"},
                "Condition": {
                    "StringEquals": {"AWS:SourceAccount": "111122223333"},
                    "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::bucket"},
                },
            },
        ),
        (
            {
                "Principal": "*",
                "Action": "lambda:InvokeFunctionUrl",
                "SourceAccount": "111122223333",
                "PrincipalOrgID": "o-1234567890",
                "FunctionUrlAuthType": "NONE",
            },
            {
                "Principal": "*",
                "Action": "lambda:InvokeFunctionUrl",
                "Condition": {
                    "StringEquals": {
                        "lambda:FunctionUrlAuthType": "NONE",
                        "aws:PrincipalOrgID": "o-1234567890",
                        "AWS:SourceAccount": "111122223333",
                    }
                },
            },
        ),
        (
            {"Principal": "alexa-connectedhome.amazon.com", "EventSourceToken": "skill.1"},
            {
                "Principal": {"Service": "alexa-connectedhome.amazon.com"},
                "Condition": {"StringEquals": {"lambda:EventSourceToken": "skill.1"}},
            },
        ),
        (
            {"Principal": "*", "PrincipalOrgID": "o-abcdefghij"},
            {
                "Principal": "*",
                "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-abcdefghij"}},
            },
        ),
        (
            {
                "Principal": "*",
                "Action": "lambda:InvokeFunctionUrl",
                "FunctionUrlAuthType": "NONE",
            },
            {
                "Principal": "*",
                "Action": "lambda:InvokeFunctionUrl",
                "Condition": {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}},
            },
        ),
        (
            {"Principal": "*", "InvokedViaFunctionUrl": True},
            {
                "Principal": "*",
                "Condition": {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}},
            },
        ),
        ({"Action": "lambda:*"}, {"Action": "lambda:*"}),
    ],
)
def test_what_a_statement_looks_like(
    cloud: Cloud, name: str, members: dict[str, Any], expected: dict[str, Any]
) -> None:
    shown, statement = add(cloud, name, **members), a_statement(name, Sid="s", **expected)
    assert shown == statement
    conditions = shown.get("Condition", {}), statement.get("Condition", {})
    assert json.dumps(conditions[0]) == json.dumps(conditions[1]), "the order is AWS's"


def test_versions_and_aliases_have_policies_of_their_own(cloud: Cloud, name: str) -> None:
    with_version(cloud, name)
    client = cloud.client
    for number, qualifier in enumerate(("1", "live")):
        assert refusal(client.get_policy, FunctionName=name, Qualifier=qualifier) == NOTHING
        added = add(cloud, name, Qualifier=qualifier, RevisionId=revision(cloud, name, qualifier))
        assert added == a_statement(name, Sid="s", Resource=arn(name, qualifier))
        add(cloud, f"{name}:{qualifier}", f"t{number}")
        sids = [each["Sid"] for each in policy(cloud, name, Qualifier=qualifier)["Statement"]]
        assert sids == ["s", f"t{number}"]
    assert refusal(client.get_policy, FunctionName=name) == NOTHING
    client.remove_permission(FunctionName=name, Qualifier="live", StatementId="s")
    assert len(policy(cloud, f"{name}:live")["Statement"]) == 1
    client.delete_alias(FunctionName=name, Name="live")
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    assert refusal(client.get_policy, FunctionName=name, Qualifier="live") == NOTHING


def test_a_policy_has_the_revision_of_what_it_belongs_to(cloud: Cloud, name: str) -> None:
    with_version(cloud, name)
    before = get(cloud, name)
    seen = {before["RevisionId"]}
    add(cloud, name, RevisionId=before["RevisionId"])
    after = get(cloud, name)
    assert cloud.client.get_policy(FunctionName=name)["RevisionId"] == after["RevisionId"]
    assert {**before, "RevisionId": after["RevisionId"]} == after
    seen.add(after["RevisionId"])
    for qualifier in ("1", "live"):
        seen.add(revision(cloud, name, qualifier))
        add(cloud, name, Qualifier=qualifier)
        seen.add(revision(cloud, name, qualifier))
        shown = cloud.client.get_policy(FunctionName=name, Qualifier=qualifier)
        assert shown["RevisionId"] == revision(cloud, name, qualifier)
    assert len(seen) == 6
    assert get(cloud, name) == after, "the function's own is not that of its versions"
    cloud.client.remove_permission(
        FunctionName=name, StatementId="s", RevisionId=after["RevisionId"]
    )
    assert get(cloud, name)["RevisionId"] not in seen


def test_a_grant_ends_no_environment(cloud: Cloud) -> None:
    code = (
        "import uuid\nmine = str(uuid.uuid4())\n\ndef handler(event, context):\n    return mine\n"
    )
    name = cloud.function(code)
    first = cloud.result(name)
    add(cloud, name)
    cloud.client.tag_resource(Resource=arn(name), Tags={"a": "b"})
    cloud.client.publish_version(FunctionName=name)
    assert cloud.result(name) == first
    assert cloud.invoke(name, Qualifier="$LATEST").payload == first


def revision(cloud: Cloud, name: str, qualifier: str) -> str:
    if qualifier.isdigit():
        return str(get(cloud, name, Qualifier=qualifier)["RevisionId"])
    return str(cloud.client.get_alias(FunctionName=name, Name=qualifier)["RevisionId"])


def test_what_adding_is_refused_with(cloud: Cloud, name: str) -> None:
    def refused(**members: Any) -> tuple[int, str, str]:
        sent = {"FunctionName": name, "StatementId": "n", **INVOKE, **members}
        return refusal(cloud.client.add_permission, **sent)

    add(cloud, name)
    assert refused(StatementId="s") == (
        *(409, "ResourceConflictException"),
        "The statement id (s) provided already exists. Please provide a new statement id, or "
        "remove the existing statement.",
    )
    assert refused(Qualifier="$LATEST") == invalid(
        "We currently do not support adding policies for $LATEST."
    )
    for nobody in ("12345", "arn:aws:s3:::bucket", "example.com", "arn:aws:iam::1:root"):
        assert refused(Principal=nobody) == invalid(
            "The provided principal was invalid. Please check the principal and try again."
        )
    assert refused(FunctionUrlAuthType="NONE") == invalid(
        "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action"
    )
    assert refused(Action="lambda:InvokeFunctionUrl", InvokedViaFunctionUrl=True) == invalid(
        "InvokedViaFunctionUrl is only supported for lambda:InvokeFunction action"
    )
    assert refused(RevisionId="x") == STALE
    assert refused(FunctionName="none") == missing("none")
    assert refused(Qualifier="7") == missing(name, "7")
    assert refused(Qualifier="a$b") == missing(name, "a$b")
    assert refused(Qualifier="live") == (
        *(404, "ResourceNotFoundException"),
        f"Cannot find alias arn: {arn(name, 'live')}",
    )
    for members, where in (
        ({"Action": "s3:GetObject"}, "action"),
        ({"StatementId": "a b"}, "statementId"),
        ({"Principal": "a b"}, "principal"),
        ({"SourceArn": "bucket"}, "sourceArn"),
        ({"SourceAccount": "1"}, "sourceAccount"),
        ({"FunctionUrlAuthType": "SOME"}, "functionUrlAuthType"),
    ):
        status, code, message = refused(**members)
        assert (status, code) == (400, "ValidationException")
        assert f"at '{where}' failed to satisfy constraint" in message
    assert [each["Sid"] for each in policy(cloud, name)["Statement"]] == ["s"]


def test_a_policy_is_no_larger_than_its_limit(cloud: Cloud, name: str) -> None:
    long = {"Principal": "s3.amazonaws.com", "SourceArn": "arn:aws:s3:::" + "b" * 9_000}
    for sid in ("s", "t"):
        add(cloud, name, sid, **long)
    sent = {"FunctionName": name, "StatementId": "u", **INVOKE, **long}
    status, code, message = refusal(cloud.client.add_permission, **sent)
    assert (status, code) == (400, "PolicyLengthExceededException")
    size = int(message.removeprefix("The final policy size (").split(")")[0])
    assert message == f"The final policy size ({size}) is bigger than the limit (20480)."
    assert size > 27_000


def test_what_removing_is_refused_with(cloud: Cloud, name: str) -> None:
    remove = cloud.client.remove_permission
    assert refusal(remove, FunctionName=name, StatementId="s") == NO_POLICY
    add(cloud, name)
    assert refusal(remove, FunctionName=name, StatementId="t") == (
        *(404, "ResourceNotFoundException"),
        "Statement t is not found in resource policy.",
    )
    assert refusal(remove, FunctionName=name, StatementId="s", RevisionId="x") == STALE
    assert refusal(remove, FunctionName="none", StatementId="s") == (
        *(404, "ResourceNotFoundException"),
        f"No policy found for: {arn('none')}",
    )
    assert refusal(cloud.client.get_policy, FunctionName="none") == missing("none")
    assert refusal(cloud.client.get_policy, FunctionName=name, Qualifier="7") == NOTHING


def test_a_policy_goes_with_its_function(cloud: Cloud, name: str) -> None:
    add(cloud, name)
    cloud.client.delete_function(FunctionName=name)
    assert refusal(cloud.client.get_policy, FunctionName=name) == missing(name)
    active(cloud, name)
    assert refusal(cloud.client.get_policy, FunctionName=name) == NOTHING


def test_a_whole_policy_from_putting_to_deletion(cloud: Cloud, name: str) -> None:
    client = cloud.client
    text = document(a_statement(name, Sid="whole", Action=["lambda:GetFunction"]))
    add(cloud, name)
    first = client.get_policy(FunctionName=name)["RevisionId"]
    answer = client.put_resource_policy(ResourceArn=arn(name), Policy=text, RevisionId=first)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    put = body(answer)
    assert put["Policy"] == text
    assert put["RevisionId"] != first
    assert body(client.get_resource_policy(ResourceArn=arn(name))) == put
    assert body(client.get_policy(FunctionName=name)) == put
    add(cloud, name)
    sids = [each["Sid"] for each in policy(cloud, name)["Statement"]]
    assert sids == ["whole", "s"]
    answer = client.delete_resource_policy(ResourceArn=arn(name))
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    for call in (client.get_resource_policy, client.delete_resource_policy):
        assert refusal(call, ResourceArn=arn(name)) == NOTHING


def test_a_whole_policy_of_a_version_and_of_an_alias(cloud: Cloud, name: str) -> None:
    with_version(cloud, name)
    for qualifier in ("1", "live"):
        at = arn(name, qualifier)
        text = document(a_statement(name, Resource=at))
        cloud.client.put_resource_policy(ResourceArn=at, Policy=text)
        assert cloud.client.get_resource_policy(ResourceArn=at)["Policy"] == text
    assert refusal(cloud.client.get_resource_policy, ResourceArn=arn(name)) == NOTHING


def test_what_a_whole_policy_is_refused_with(cloud: Cloud, name: str) -> None:
    client = cloud.client
    good = document(a_statement(name))

    def refused(text: str = good, **members: Any) -> tuple[int, str, str]:
        sent = {"ResourceArn": arn(name), "Policy": text, **members}
        return refusal(client.put_resource_policy, **sent)

    assert refused(ResourceArn=arn("none")) == missing("none")
    assert refused(ResourceArn=arn(name, "$LATEST")) == invalid(
        "We currently do not support adding policies for $LATEST."
    )
    assert refused(ResourceArn=f"arn:aws:lambda:{REGION}:000000000000:runtime/r") == invalid(
        "Only functions, their versions and their aliases have policies here."
    )
    assert refused(RevisionId=ANOTHER_ID) == STALE
    assert (
        refusal(client.delete_resource_policy, ResourceArn=arn(name), RevisionId=ANOTHER_ID)
        == NOTHING
    )
    client.put_resource_policy(ResourceArn=arn(name), Policy=good)
    assert (
        refusal(client.delete_resource_policy, ResourceArn=arn(name), RevisionId=ANOTHER_ID)
        == STALE
    )
    assert refused(ResourceArn="f")[:2] == (400, "ValidationException")
    too_long = good.replace("111122223333:root", f"111122223333:role/{'é' * 11_000}")
    assert refused(too_long)[1] == "PolicyLengthExceededException"
    assert client.get_resource_policy(ResourceArn=arn(name))["Policy"] == good


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{", "The policy is not valid JSON"),
        ("[" * 20_000, "The policy is not valid JSON"),
        ("[]", "The policy must be a JSON object."),
        ("{}", "Statement must be there"),
        (document(), "Statement must be there"),
        (document(a_statement("f", Effect="Maybe")), "Statement 1: Effect must be Allow or Deny."),
        (document(a_statement("f", Principal="me")), '"*" or an object'),
        (document(a_statement("f", Principal={"AWS": "me"})), "'me' is no account"),
        (document(a_statement("f", Principal={"Who": "me"})), "Who must be one of AWS"),
        (document(a_statement("f", NotPrincipal="*")), "Principal or NotPrincipal"),
        (document(a_statement("f", Action=[])), "Action must be text"),
        (document(a_statement("f", Resource="f")), "Resource 'f' is not an ARN"),
        (document(a_statement("f", Condition=[])), "Condition must be an object"),
        (document(a_statement("f", Extra=1)), "Extra is no element"),
    ],
)
def test_faults_of_a_whole_policy(cloud: Cloud, shared: str, text: str, fault: str) -> None:
    status, code, message = refusal(
        cloud.client.put_resource_policy, ResourceArn=arn(shared), Policy=text
    )
    assert (status, code) == (400, "InvalidParameterValueException")
    assert fault in message


def test_every_fault_is_told_at_once(cloud: Cloud, shared: str) -> None:
    text = document(a_statement("f", Effect="Maybe"), a_statement("f", Principal=1))
    message = refusal(cloud.client.put_resource_policy, ResourceArn=arn(shared), Policy=text)[2]
    assert "Statement 1: Effect" in message
    assert "Statement 2: Principal" in message
