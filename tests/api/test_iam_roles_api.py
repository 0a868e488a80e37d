"""IAM's roles through boto3: what is stored is shown again, in AWS's words."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.api.cloud import ACCOUNT, client, refusal
from tests.e2e.server import Server

TRUST: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
POLICY = {
    "Version": "2012-10-17",
    "Statement": {"Effect": "Allow", "Action": "logs:*", "Resource": "arn:aws:logs:*:*:*"},
}
BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"


@pytest.fixture(scope="module")
def iam(server: Server) -> Any:
    return client(server.endpoint, "iam")


def made(iam: Any, name: str, **more: Any) -> dict[str, Any]:
    answer = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST), **more)
    role: dict[str, Any] = answer["Role"]
    return role


def missing(name: str) -> tuple[str, int, str]:
    return "NoSuchEntity", 404, f"The role with name {name} cannot be found."


def test_a_role_is_made_with_the_defaults(iam: Any) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    role = made(iam, "plain")
    assert role.pop("RoleId").startswith("AROA")
    assert before <= role.pop("CreateDate") <= datetime.now(UTC)
    assert role == {
        "Path": "/",
        "RoleName": "plain",
        "Arn": f"arn:aws:iam::{ACCOUNT}:role/plain",
        "AssumeRolePolicyDocument": TRUST,
        "MaxSessionDuration": 3600,
    }


def test_a_role_is_shown_as_it_was_made(iam: Any) -> None:
    tags = [{"Key": "a", "Value": ""}, {"Key": "b", "Value": "é x"}]
    given = {"Path": "/team/", "Description": "What <it> is & for", "MaxSessionDuration": 7200}
    role = made(iam, "full", Tags=tags, PermissionsBoundary=BASIC, **given)
    bounded = {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": BASIC}
    assert role | given == role
    assert role["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/team/full"
    assert (role["Tags"], role["PermissionsBoundary"]) == (tags, bounded)
    assert iam.get_role(RoleName="full")["Role"] == {**role, "RoleLastUsed": {}}


def test_iam_is_the_same_in_every_region_and_apart_in_every_account(
    iam: Any, server: Server
) -> None:
    made(iam, "global")
    far = client(server.endpoint, "iam", region="ap-south-1")
    assert far.get_role(RoleName="global")["Role"]["RoleName"] == "global"
    other = client(server.endpoint, "iam", key="111122223333")
    assert refusal(other.get_role, RoleName="global") == missing("global")


def test_a_name_is_taken_once_whatever_its_case(iam: Any) -> None:
    made(iam, "Taken")
    for name in ("Taken", "TAKEN"):
        given = {"RoleName": name, "AssumeRolePolicyDocument": json.dumps(TRUST)}
        assert refusal(iam.create_role, **given) == (
            "EntityAlreadyExists",
            409,
            f"Role with name {name} already exists.",
        )


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ({"Resource": "*"}, "Has prohibited field Resource"),
        ({"Principal": None}, "Missing required field Principal"),
        ({"Effect": None}, "Missing required field Effect"),
        ({"Action": None}, "Missing required field Action"),
        ({"Action": "s3:Get"}, "AssumeRole policy may only specify STS AssumeRole actions."),
        ({"Principal": "me"}, "Syntax errors in policy."),
        ({"Principal": {"Me": "*"}}, "Invalid principal in policy: Me"),
        ({"Colour": "red"}, "Syntax errors in policy."),
    ],
)
def test_a_trust_policy_must_be_one(iam: Any, statement: dict[str, Any], message: str) -> None:
    changed = {**TRUST["Statement"][0], **statement}
    kept = {key: value for key, value in changed.items() if value is not None}
    document = json.dumps({"Version": "2012-10-17", "Statement": [kept]})
    for call, given in (
        (iam.create_role, {"AssumeRolePolicyDocument": document, "RoleName": "never"}),
        (iam.update_assume_role_policy, {"PolicyDocument": document, "RoleName": "plain"}),
    ):
        assert refusal(call, **given) == ("MalformedPolicyDocument", 400, message)
    assert refusal(iam.get_role, RoleName="never") == missing("never")


def test_documents_are_json_of_a_bounded_length(iam: Any) -> None:
    given = {"RoleName": "never", "AssumeRolePolicyDocument": "{"}
    code = "MalformedPolicyDocument"
    assert refusal(iam.create_role, **given) == (code, 400, "This policy contains invalid Json")
    statement = {**TRUST["Statement"][0], "Sid": "x" * 2048}
    long = json.dumps({**TRUST, "Statement": [statement]})
    assert refusal(iam.create_role, RoleName="never", AssumeRolePolicyDocument=long) == (
        "LimitExceeded",
        409,
        "Cannot exceed quota for ACLSizePerRole: 2048",
    )


def test_a_request_is_validated(iam: Any) -> None:
    code, status, message = refusal(iam.create_role, RoleName="a b", MaxSessionDuration=1)
    assert (code, status) == ("ValidationError", 400)
    assert message.startswith("3 validation errors detected: Value 'a b' at 'roleName' failed to")


def test_a_role_is_changed(iam: Any) -> None:
    made(iam, "changed", Description="before")
    iam.update_role(RoleName="changed", Description="", MaxSessionDuration=43200)
    iam.update_role(RoleName="changed")
    trust = {**TRUST, "Id": "x"}
    iam.update_assume_role_policy(RoleName="changed", PolicyDocument=json.dumps(trust))
    role = iam.get_role(RoleName="changed")["Role"]
    assert role["MaxSessionDuration"] == 43200
    assert role["AssumeRolePolicyDocument"] == trust
    assert role["Description"] == ""


def test_a_role_is_deleted_once_it_has_no_policies(iam: Any) -> None:
    made(iam, "gone")
    iam.attach_role_policy(RoleName="gone", PolicyArn=BASIC)
    iam.put_role_policy(RoleName="gone", PolicyName="p", PolicyDocument=json.dumps(POLICY))
    assert refusal(iam.delete_role, RoleName="gone") == (
        "DeleteConflict",
        409,
        "Cannot delete entity, must detach all policies first.",
    )
    iam.detach_role_policy(RoleName="gone", PolicyArn=BASIC)
    assert refusal(iam.delete_role, RoleName="gone") == (
        "DeleteConflict",
        409,
        "Cannot delete entity, must delete policies first.",
    )
    iam.delete_role_policy(RoleName="gone", PolicyName="p")
    iam.delete_role(RoleName="gone")
    assert refusal(iam.get_role, RoleName="gone") == missing("gone")


def test_roles_are_listed_by_name_page_by_page(server: Server) -> None:
    iam = client(server.endpoint, "iam", key="444455556666")
    assert iam.list_roles()["Roles"] == []
    for name, path in (("c", "/x/"), ("A", "/"), ("b", "/x/y/"), ("d", "/")):
        made(iam, name, Path=path, Tags=[{"Key": "k", "Value": "v"}])
    first = iam.list_roles(MaxItems=3)
    assert [role["RoleName"] for role in first["Roles"]] == ["A", "b", "c"]
    assert first["IsTruncated"] is True
    rest = iam.list_roles(MaxItems=3, Marker=first["Marker"])
    assert [role["RoleName"] for role in rest["Roles"]] == ["d"]
    assert (rest["IsTruncated"], "Marker" in rest) == (False, False)
    pages = iam.get_paginator("list_roles").paginate(
        PathPrefix="/x/", PaginationConfig={"PageSize": 1}
    )
    assert [role["RoleName"] for page in pages for role in page["Roles"]] == ["b", "c"]
    assert set(rest["Roles"][0]) == {
        "Path",
        "RoleName",
        "RoleId",
        "Arn",
        "CreateDate",
        "AssumeRolePolicyDocument",
        "MaxSessionDuration",
    }


def test_inline_policies_are_put_shown_listed_and_deleted(iam: Any) -> None:
    made(iam, "inline")
    for name in ("b", "a", "c"):
        iam.put_role_policy(RoleName="inline", PolicyName=name, PolicyDocument=json.dumps(POLICY))
    shown = iam.get_role_policy(RoleName="inline", PolicyName="a")
    del shown["ResponseMetadata"]
    assert shown == {"RoleName": "inline", "PolicyName": "a", "PolicyDocument": POLICY}
    first = iam.list_role_policies(RoleName="inline", MaxItems=2)
    assert (first["PolicyNames"], first["IsTruncated"]) == (["a", "b"], True)
    rest = iam.list_role_policies(RoleName="inline", Marker=first["Marker"])
    assert (rest["PolicyNames"], rest["IsTruncated"]) == (["c"], False)
    iam.delete_role_policy(RoleName="inline", PolicyName="a")
    absent = ("NoSuchEntity", 404, "The role policy with name a cannot be found.")
    for call in (iam.get_role_policy, iam.delete_role_policy):
        assert refusal(call, RoleName="inline", PolicyName="a") == absent


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "Syntax errors in policy."),
        ("[]", "Syntax errors in policy."),
        ('{"Statement": []}', "Syntax errors in policy."),
        (
            '{"Version": "2020-01-01", "Statement": {}}',
            "Policy document must be version 2012-10-17 or greater.",
        ),
        (
            '{"Statement": {"Effect": "Allow", "Resource": "*"}}',
            "Policy statement must contain actions.",
        ),
        (
            '{"Statement": {"Effect": "Allow", "Action": "*"}}',
            "Policy statement must contain resources.",
        ),
        (
            '{"Statement": {"Effect": "Allow", "Action": "Get", "Resource": "*"}}',
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        ),
        (
            '{"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "bucket"}}',
            'Resource bucket must be in ARN format or "*".',
        ),
        (
            '{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*"}}',
            "Policy document should not specify a principal.",
        ),
        (
            '{"Statement": ['
            + ",".join(['{"Sid": "s", "Effect": "Deny", "Action": "*", "Resource": "*"}'] * 2)
            + "]}",
            "Statement IDs (SID) in a single policy must be unique.",
        ),
    ],
)
def test_an_inline_policy_must_be_one(iam: Any, document: str, message: str) -> None:
    given = {"RoleName": "plain", "PolicyName": "p", "PolicyDocument": document}
    assert refusal(iam.put_role_policy, **given) == ("MalformedPolicyDocument", 400, message)


def test_inline_policies_have_a_length_together(iam: Any) -> None:
    made(iam, "long")
    half = {**POLICY, "Id": "x" * 6000}
    given = {"RoleName": "long", "PolicyDocument": json.dumps(half, indent=9)}
    iam.put_role_policy(PolicyName="a", **given)
    iam.put_role_policy(PolicyName="a", **given)
    assert refusal(iam.put_role_policy, PolicyName="b", **given) == (
        "LimitExceeded",
        409,
        "Maximum policy size of 10240 bytes exceeded for role long",
    )


def test_tags_are_put_listed_and_taken_off(iam: Any) -> None:
    made(iam, "tagged", Tags=[{"Key": "Team", "Value": "a"}])
    iam.tag_role(
        RoleName="tagged", Tags=[{"Key": "team", "Value": "b"}, {"Key": "x", "Value": "1"}]
    )
    first = iam.list_role_tags(RoleName="tagged", MaxItems=1)
    assert first["Tags"] == [{"Key": "team", "Value": "b"}]
    rest = iam.list_role_tags(RoleName="tagged", Marker=first["Marker"])
    assert rest["Tags"] == [{"Key": "x", "Value": "1"}]
    iam.untag_role(RoleName="tagged", TagKeys=["TEAM", "absent"])
    assert iam.list_role_tags(RoleName="tagged")["Tags"] == [{"Key": "x", "Value": "1"}]


def test_tags_are_unlike_and_not_too_many(iam: Any) -> None:
    made(iam, "overtagged")
    twice = [{"Key": "a", "Value": ""}, {"Key": "A", "Value": ""}]
    assert refusal(iam.tag_role, RoleName="overtagged", Tags=twice) == (
        "InvalidInput",
        400,
        "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
    )
    many = [{"Key": f"k{number}", "Value": ""} for number in range(50)]
    iam.tag_role(RoleName="overtagged", Tags=many)
    assert refusal(iam.tag_role, RoleName="overtagged", Tags=twice[:1]) == (
        "LimitExceeded",
        409,
        "Cannot exceed quota for TagsPerRole: 50",
    )


def test_a_role_has_no_instance_profiles(iam: Any) -> None:
    answer = iam.list_instance_profiles_for_role(RoleName="plain")
    assert (answer["InstanceProfiles"], answer["IsTruncated"]) == ([], False)


@pytest.mark.parametrize(
    ("call", "more"),
    [
        ("get_role", {}),
        ("update_role", {}),
        ("delete_role", {}),
        ("update_assume_role_policy", {"PolicyDocument": json.dumps(TRUST)}),
        ("put_role_policy", {"PolicyName": "p", "PolicyDocument": json.dumps(POLICY)}),
        ("get_role_policy", {"PolicyName": "p"}),
        ("delete_role_policy", {"PolicyName": "p"}),
        ("list_role_policies", {}),
        ("attach_role_policy", {"PolicyArn": BASIC}),
        ("detach_role_policy", {"PolicyArn": BASIC}),
        ("list_attached_role_policies", {}),
        ("put_role_permissions_boundary", {"PermissionsBoundary": BASIC}),
        ("delete_role_permissions_boundary", {}),
        ("tag_role", {"Tags": []}),
        ("untag_role", {"TagKeys": []}),
        ("list_role_tags", {}),
        ("list_instance_profiles_for_role", {}),
    ],
)
def test_a_role_that_is_not_there_is_no_such_entity(
    iam: Any, call: str, more: dict[str, Any]
) -> None:
    assert refusal(getattr(iam, call), RoleName="absent", **more) == missing("absent")


def test_the_caller_is_a_user_of_its_account(iam: Any, server: Server) -> None:
    user = iam.get_user()["User"]
    assert user.pop("CreateDate") == datetime.fromtimestamp(0, UTC)
    assert user == {"UserId": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:root"}
    assert refusal(iam.get_user, UserName="u") == (
        "NoSuchEntity",
        404,
        "The user with name u cannot be found.",
    )
