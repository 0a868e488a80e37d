"""IAM's managed policies through boto3: versions, and the roles that have them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.api.cloud import ACCOUNT, client, refusal
from tests.api.test_iam_roles_api import BASIC, POLICY, TRUST
from tests.e2e.server import Server

TEXT = json.dumps(POLICY)


@pytest.fixture(scope="module")
def iam(server: Server) -> Any:
    iam = client(server.endpoint, "iam")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(TRUST))
    return iam


def arn(name: str, account: str = ACCOUNT) -> str:
    return f"arn:aws:iam::{account}:policy/{name}"


def made(iam: Any, name: str, **more: Any) -> str:
    answer = iam.create_policy(PolicyName=name, PolicyDocument=TEXT, **more)
    return str(answer["Policy"]["Arn"])


def missing(of: str) -> tuple[str, int, str]:
    return "NoSuchEntity", 404, f"Policy {of} was not found."


def test_a_policy_is_made_with_its_first_version(iam: Any) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    policy = iam.create_policy(PolicyName="plain", PolicyDocument=TEXT)["Policy"]
    assert policy["PolicyId"].startswith("ANPA")
    assert before <= policy["CreateDate"] == policy["UpdateDate"] <= datetime.now(UTC)
    for varying in ("PolicyId", "CreateDate", "UpdateDate"):
        del policy[varying]
    assert policy == {
        "PolicyName": "plain",
        "Arn": arn("plain"),
        "Path": "/",
        "DefaultVersionId": "v1",
        "AttachmentCount": 0,
        "PermissionsBoundaryUsageCount": 0,
        "IsAttachable": True,
    }
    shown = iam.get_policy_version(PolicyArn=arn("plain"), VersionId="v1")["PolicyVersion"]
    assert before <= shown.pop("CreateDate")
    assert shown == {"Document": POLICY, "VersionId": "v1", "IsDefaultVersion": True}


def test_a_policy_is_shown_with_its_tags_and_uses(iam: Any) -> None:
    tags = [{"Key": "a", "Value": "b"}]
    full = made(iam, "full", Path="/team/", Description="for logs", Tags=tags)
    assert full == arn("team/full")
    iam.attach_role_policy(RoleName="r", PolicyArn=full)
    iam.create_role(
        RoleName="bounded", AssumeRolePolicyDocument=json.dumps(TRUST), PermissionsBoundary=full
    )
    shown = iam.get_policy(PolicyArn=full)["Policy"]
    assert (shown["Description"], shown["Tags"], shown["Path"]) == ("for logs", tags, "/team/")
    assert (shown["AttachmentCount"], shown["PermissionsBoundaryUsageCount"]) == (1, 1)
    iam.detach_role_policy(RoleName="r", PolicyArn=full)
    assert iam.get_policy(PolicyArn=full)["Policy"]["AttachmentCount"] == 0
    in_use = ("DeleteConflict", 409, "Cannot delete a policy attached to entities.")
    assert refusal(iam.delete_policy, PolicyArn=full) == in_use
    iam.delete_role(RoleName="bounded")
    iam.delete_policy(PolicyArn=full)


def test_a_boundary_must_be_there(iam: Any) -> None:
    given = {"RoleName": "never", "AssumeRolePolicyDocument": json.dumps(TRUST)}
    absent = arn("absent")
    assert refusal(iam.create_role, PermissionsBoundary=absent, **given) == (
        "NoSuchEntity",
        404,
        f"Scope ARN: {absent} does not exist or is not attachable.",
    )


def test_a_boundary_is_put_and_taken_off(iam: Any) -> None:
    iam.create_role(RoleName="later-bound", AssumeRolePolicyDocument=json.dumps(TRUST))
    iam.put_role_permissions_boundary(RoleName="later-bound", PermissionsBoundary=BASIC)
    shown = iam.get_role(RoleName="later-bound")["Role"]["PermissionsBoundary"]
    assert shown["PermissionsBoundaryArn"] == BASIC
    iam.delete_role_permissions_boundary(RoleName="later-bound")
    assert "PermissionsBoundary" not in iam.get_role(RoleName="later-bound")["Role"]


def test_tags_are_put_listed_and_taken_off(iam: Any) -> None:
    of = made(iam, "tagged", Tags=[{"Key": "Team", "Value": "a"}])
    iam.tag_policy(PolicyArn=of, Tags=[{"Key": "team", "Value": "b"}, {"Key": "x", "Value": ""}])
    first = iam.list_policy_tags(PolicyArn=of, MaxItems=1)
    assert (first["Tags"], first["IsTruncated"]) == ([{"Key": "team", "Value": "b"}], True)
    rest = iam.list_policy_tags(PolicyArn=of, Marker=first["Marker"])
    assert rest["Tags"] == [{"Key": "x", "Value": ""}]
    iam.untag_policy(PolicyArn=of, TagKeys=["TEAM"])
    assert iam.get_policy(PolicyArn=of)["Policy"]["Tags"] == rest["Tags"]
    many = [{"Key": f"k{number}", "Value": ""} for number in range(50)]
    assert refusal(iam.tag_policy, PolicyArn=of, Tags=many) == (
        "LimitExceeded",
        409,
        "Cannot exceed quota for TagsPerPolicy: 50",
    )


def test_a_name_is_taken_once(iam: Any) -> None:
    made(iam, "Taken")
    assert refusal(iam.create_policy, PolicyName="taken", PolicyDocument=TEXT) == (
        "EntityAlreadyExists",
        409,
        "A policy called taken already exists. Duplicate names are not allowed.",
    )


def test_a_document_must_be_one_of_a_bounded_length(iam: Any) -> None:
    assert refusal(iam.create_policy, PolicyName="p", PolicyDocument="{") == (
        "MalformedPolicyDocument",
        400,
        "Syntax errors in policy.",
    )
    long = json.dumps({**POLICY, "Id": "x" * 6144})
    assert refusal(iam.create_policy, PolicyName="p", PolicyDocument=long) == (
        "LimitExceeded",
        409,
        "Cannot exceed quota for PolicySize: 6144",
    )


def test_versions_come_and_go(iam: Any) -> None:
    of = made(iam, "versions")
    for number in range(2, 6):
        answer = iam.create_policy_version(
            PolicyArn=of, PolicyDocument=TEXT, SetAsDefault=number == 3
        )
        version = answer["PolicyVersion"]
        assert version.pop("CreateDate") <= datetime.now(UTC)
        assert version == {"VersionId": f"v{number}", "IsDefaultVersion": number == 3}
    assert refusal(iam.create_policy_version, PolicyArn=of, PolicyDocument=TEXT) == (
        "LimitExceeded",
        409,
        "A managed policy can have up to 5 versions. Before you create a new version, you must "
        "delete an existing version.",
    )
    first = iam.list_policy_versions(PolicyArn=of, MaxItems=2)
    assert [each["VersionId"] for each in first["Versions"]] == ["v5", "v4"]
    rest = iam.list_policy_versions(PolicyArn=of, Marker=first["Marker"])
    assert [each["VersionId"] for each in rest["Versions"]] == ["v3", "v2", "v1"]
    assert refusal(iam.delete_policy_version, PolicyArn=of, VersionId="v3") == (
        "DeleteConflict",
        409,
        "Cannot delete the default version of a policy.",
    )
    assert refusal(iam.delete_policy, PolicyArn=of)[:2] == ("DeleteConflict", 409)
    iam.set_default_policy_version(PolicyArn=of, VersionId="v1")
    for gone in ("v2", "v3", "v4", "v5"):
        iam.delete_policy_version(PolicyArn=of, VersionId=gone)
    iam.create_policy_version(PolicyArn=of, PolicyDocument=TEXT)
    versions = iam.list_policy_versions(PolicyArn=of)["Versions"]
    assert [each["VersionId"] for each in versions] == ["v6", "v1"]
    assert iam.get_policy(PolicyArn=of)["Policy"]["DefaultVersionId"] == "v1"
    iam.delete_policy_version(PolicyArn=of, VersionId="v6")
    iam.delete_policy(PolicyArn=of)
    assert refusal(iam.get_policy, PolicyArn=of) == missing(of)


@pytest.mark.parametrize(
    "call", ["get_policy_version", "delete_policy_version", "set_default_policy_version"]
)
def test_a_version_that_is_not_there_is_no_such_entity(iam: Any, call: str) -> None:
    of = arn("plain")
    assert refusal(getattr(iam, call), PolicyArn=of, VersionId="v9") == (
        "NoSuchEntity",
        404,
        f"Policy {of} version v9 does not exist or is not attachable.",
    )


@pytest.mark.parametrize(
    ("call", "more"),
    [
        ("get_policy", {}),
        ("delete_policy", {}),
        ("get_policy_version", {"VersionId": "v1"}),
        ("delete_policy_version", {"VersionId": "v1"}),
        ("set_default_policy_version", {"VersionId": "v1"}),
        ("list_policy_versions", {}),
        ("create_policy_version", {"PolicyDocument": TEXT}),
        ("tag_policy", {"Tags": []}),
        ("untag_policy", {"TagKeys": []}),
        ("list_policy_tags", {}),
    ],
)
def test_a_policy_that_is_not_there_is_no_such_entity(
    iam: Any, call: str, more: dict[str, Any]
) -> None:
    for of in (arn("absent"), arn("other/plain"), arn("plain", "111122223333"), BASIC):
        assert refusal(getattr(iam, call), PolicyArn=of, **more) == missing(of)
    wrong = "arn:aws:s3:::bucket/policy"
    expected = ("InvalidInput", 400, f"ARN {wrong} is not valid.")
    assert refusal(getattr(iam, call), PolicyArn=wrong, **more) == expected


def test_policies_are_attached_listed_and_detached(iam: Any) -> None:
    iam.create_role(RoleName="attached", AssumeRolePolicyDocument=json.dumps(TRUST))
    own = made(iam, "own", Path="/team/")
    for each in (own, BASIC, BASIC):
        iam.attach_role_policy(RoleName="attached", PolicyArn=each)
    first = iam.list_attached_role_policies(RoleName="attached", MaxItems=1)
    assert first["AttachedPolicies"] == [{"PolicyName": "own", "PolicyArn": own}]
    assert first["IsTruncated"] is True
    rest = iam.list_attached_role_policies(RoleName="attached", Marker=first["Marker"])
    assert rest["AttachedPolicies"] == [
        {"PolicyName": "AWSLambdaBasicExecutionRole", "PolicyArn": BASIC}
    ]
    found = iam.list_attached_role_policies(RoleName="attached", PathPrefix="/service-role/")
    assert found["AttachedPolicies"] == rest["AttachedPolicies"]
    iam.detach_role_policy(RoleName="attached", PolicyArn=BASIC)
    expected = ("NoSuchEntity", 404, f"Policy {BASIC} was not found.")
    assert refusal(iam.detach_role_policy, RoleName="attached", PolicyArn=BASIC) == expected


def test_what_is_not_there_is_not_attached(iam: Any) -> None:
    absent = arn("absent")
    assert refusal(iam.attach_role_policy, RoleName="r", PolicyArn=absent) == (
        "NoSuchEntity",
        404,
        f"Policy {absent} does not exist or is not attachable.",
    )
    wrong = "arn:aws:iam::aws:role/r"
    for call in (iam.attach_role_policy, iam.detach_role_policy):
        expected = ("InvalidInput", 400, f"ARN {wrong} is not valid.")
        assert refusal(call, RoleName="r", PolicyArn=wrong) == expected


def test_a_role_has_ten_policies_at_most(iam: Any) -> None:
    iam.create_role(RoleName="many", AssumeRolePolicyDocument=json.dumps(TRUST))
    for number in range(10):
        iam.attach_role_policy(RoleName="many", PolicyArn=f"arn:aws:iam::aws:policy/P{number}")
    assert refusal(iam.attach_role_policy, RoleName="many", PolicyArn=BASIC) == (
        "LimitExceeded",
        409,
        "Cannot exceed quota for PoliciesPerRole: 10",
    )


def test_policies_are_listed_page_by_page(server: Server) -> None:
    iam = client(server.endpoint, "iam", key="777788889999")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(TRUST))
    for name, path in (("c", "/x/"), ("A", "/"), ("b", "/x/y/")):
        made(iam, name, Path=path)
    iam.attach_role_policy(RoleName="r", PolicyArn=arn("x/c", "777788889999"))

    def names(**given: Any) -> list[str]:
        pages = iam.get_paginator("list_policies").paginate(
            **given, PaginationConfig={"PageSize": 2}
        )
        return [policy["PolicyName"] for page in pages for policy in page["Policies"]]

    assert names() == names(Scope="Local") == names(Scope="All") == ["A", "b", "c"]
    assert names(Scope="AWS") == []
    assert names(OnlyAttached=True) == names(PolicyUsageFilter="PermissionsPolicy") == ["c"]
    assert names(PolicyUsageFilter="PermissionsBoundary") == []
    assert names(PathPrefix="/x/") == ["b", "c"]
    first = iam.list_policies(MaxItems=2)
    assert (first["IsTruncated"], len(first["Policies"])) == (True, 2)
    assert "Description" not in first["Policies"][0]
