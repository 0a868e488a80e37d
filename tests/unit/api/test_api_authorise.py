"""What each operation takes of a key with a policy: AWS's action, on the ARN the request names."""

from __future__ import annotations

from typing import Any

import pytest

from lamella.accounts.limits import Kind, Limits, Part
from lamella.accounts.policy import read
from lamella.api import authorise
from lamella.api.caller import Caller
from lamella.api.contract import Contract
from lamella.errors import AccessDenied

A, B = "111122223333", "444455556666"
ANN = f"arn:aws:iam::{A}:user/ann"
PLACE = f"arn:aws:lambda:eu-west-1:{A}"
ROLE = f"arn:aws:iam::{A}:role/r"
CONFIG = f"{PLACE}:code-signing-config:csc-1"
ELSEWHERE = f"arn:aws:lambda:eu-west-1:{B}:layer:shared"


def caller(*statements: dict[str, Any]) -> Caller:
    limits = Limits.of_key(read({"Statement": list(statements)})) if statements else None
    return Caller(A, "eu-west-1", "http://x", "id", ANN, "AKIA", limits)


def needs(operation: str, service: str = "lambda", **request: Any) -> list[tuple[str, str]]:
    return list(authorise.needs(caller(), service, operation, request))


@pytest.mark.parametrize(
    ("operation", "request_", "action", "resource"),
    [
        ("Invoke", {"FunctionName": "f"}, "InvokeFunction", "function:f"),
        ("Invoke", {"FunctionName": "f:live"}, "InvokeFunction", "function:f:live"),
        ("Invoke", {"FunctionName": "f", "Qualifier": "1"}, "InvokeFunction", "function:f:1"),
        ("InvokeWithResponseStream", {"FunctionName": "f"}, "InvokeFunction", "function:f"),
        ("InvokeAsync", {"FunctionName": "f"}, "InvokeAsync", "function:f"),
        ("GetFunction", {"FunctionName": f"{A}:function:f"}, "GetFunction", "function:f"),
        ("GetFunction", {"FunctionName": f"{PLACE}:function:f"}, "GetFunction", "function:f"),
        ("CreateAlias", {"FunctionName": "f", "Name": "live"}, "CreateAlias", "function:f"),
        ("PublishLayerVersion", {"LayerName": "l"}, "PublishLayerVersion", "layer:l"),
        ("GetLayerVersion", {"LayerName": "l", "VersionNumber": 2}, "GetLayerVersion", "layer:l:2"),
        ("GetLayerVersionByArn", {"Arn": f"{PLACE}:layer:l:2"}, "GetLayerVersion", "layer:l:2"),
        (
            "GetLayerVersionByArn",
            {"Arn": f"{PLACE}:layer:l:02".replace("arn:aws:", "arn:aws-cn:")},
            "GetLayerVersion",
            "layer:l:2",
        ),
        (
            "GetLayerVersionByArn",
            {"Arn": f"{PLACE}:layer:l:2".replace("arn:aws:", "arn::")},
            "GetLayerVersion",
            "layer:l:2",
        ),
        (
            "TagResource",
            {"Resource": f"{PLACE}:function:f".replace("arn:aws:", "arn:aws-us-gov:")},
            "TagResource",
            "function:f",
        ),
        ("ListTags", {"Resource": f"{PLACE}:function:f"}, "ListTags", "function:f"),
        (
            "UpdateEventSourceMapping",
            {"UUID": "u", "FunctionName": "f"},
            "UpdateEventSourceMapping",
            "event-source-mapping:u",
        ),
        (
            "GetCodeSigningConfig",
            {"CodeSigningConfigArn": CONFIG},
            "GetCodeSigningConfig",
            "code-signing-config:csc-1",
        ),
    ],
)
def test_an_operation_is_about_what_its_request_names(
    operation: str, request_: dict[str, Any], action: str, resource: str
) -> None:
    assert needs(operation, **request_) == [(f"lambda:{action}", f"{PLACE}:{resource}")]


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("ListFunctions", {}),
        ("ListLayers", {}),
        ("ListLayerVersions", {"LayerName": "l"}),
        ("ListEventSourceMappings", {"FunctionName": "f"}),
        ("CreateEventSourceMapping", {"FunctionName": "f"}),
        ("GetAccountSettings", {}),
        ("ListCodeSigningConfigs", {}),
    ],
)
def test_an_operation_about_no_one_resource_is_about_all(
    operation: str, request_: dict[str, Any]
) -> None:
    assert needs(operation, **request_) == [(f"lambda:{operation}", "*")]


def test_another_accounts_layer_is_that_accounts() -> None:
    assert needs("GetLayerVersion", LayerName=ELSEWHERE, VersionNumber=1) == [
        ("lambda:GetLayerVersion", f"{ELSEWHERE}:1")
    ]


def test_naming_layers_and_a_role_takes_those_too() -> None:
    request: dict[str, Any] = {"FunctionName": "f", "Layers": [f"{ELSEWHERE}:1"], "Role": ROLE}
    assert needs("UpdateFunctionConfiguration", **request) == [
        ("lambda:UpdateFunctionConfiguration", f"{PLACE}:function:f"),
        ("lambda:GetLayerVersion", f"{ELSEWHERE}:1"),
        ("iam:PassRole", ROLE),
    ]


def test_signing_a_functions_code_takes_the_configuration_and_the_function() -> None:
    request = {"FunctionName": "f", "CodeSigningConfigArn": CONFIG}
    action = "lambda:PutFunctionCodeSigningConfig"
    assert needs("PutFunctionCodeSigningConfig", **request) == [
        (action, CONFIG),
        (action, f"{PLACE}:function:f"),
    ]


LOGS = f"arn:aws:logs:eu-west-1:{A}:log-group"
GROUP = f"{LOGS}:/aws/lambda/f"


@pytest.mark.parametrize(
    ("operation", "request_", "resources"),
    [
        (
            "logs:GetLogEvents",
            {"logGroupName": "g", "logStreamName": "s"},
            [f"{LOGS}:g:log-stream:s"],
        ),
        ("logs:DeleteLogGroup", {"logGroupName": "g"}, [f"{LOGS}:g:log-stream:"]),
        ("logs:DescribeLogGroups", {}, [f"{LOGS}::log-stream:"]),
        ("logs:FilterLogEvents", {"logGroupIdentifier": GROUP}, [GROUP]),
        ("logs:StartLiveTail", {"logGroupIdentifiers": [GROUP, LOGS]}, [GROUP, LOGS]),
        ("logs:TagResource", {"resourceArn": GROUP}, [GROUP]),
        ("iam:GetRole", {"RoleName": "r"}, [ROLE]),
        ("iam:PutRolePolicy", {"RoleName": "r", "PolicyName": "p"}, [ROLE]),
        ("iam:CreateRole", {"RoleName": "r", "Path": "/t/"}, [f"arn:aws:iam::{A}:role/t/r"]),
        (
            "iam:GetPolicy",
            {"PolicyArn": "arn:aws:iam::aws:policy/x"},
            ["arn:aws:iam::aws:policy/x"],
        ),
        ("iam:ListRoles", {}, ["*"]),
        ("sts:AssumeRole", {"RoleArn": ROLE}, [ROLE]),
    ],
)
def test_other_services_are_about_what_their_requests_name(
    operation: str, request_: dict[str, Any], resources: list[str]
) -> None:
    service, _, name = operation.partition(":")
    assert needs(name, service, **request_) == [(operation, each) for each in resources]


def allow(action: str, resource: str = "*", effect: str = "Allow", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


def refused(who: Caller, operation: str, service: str = "lambda", **request: Any) -> str:
    with pytest.raises(AccessDenied) as denied:
        authorise.check(who, service, operation, request)
    return denied.value.message


def test_a_caller_without_limits_may_do_everything() -> None:
    authorise.check(caller(), "lambda", "DeleteFunction", {"FunctionName": "f"})
    authorise.check_one(caller(), "lambda:InvokeFunctionUrl", "*")
    authorise.unlimited(caller(), "/metrics")


def test_a_role_that_is_named_is_meant_with_its_path() -> None:
    who = caller(allow("iam:*"), allow("iam:*", f"arn:aws:iam::{A}:role/t/*", "Deny"))
    kept = {"r": f"arn:aws:iam::{A}:role/t/r"}

    def ask(operation: str, **request: Any) -> None:
        authorise.check(who, "iam", operation, request, lambda account, name: kept.get(name))

    ask("DeleteRole", RoleName="other")
    ask("CreateRole", RoleName="r", Path="/")
    with pytest.raises(AccessDenied):
        ask("DeleteRole", RoleName="r")
    with pytest.raises(AccessDenied):
        ask("CreateRole", RoleName="other", Path="/t/")


def test_a_session_is_known_to_conditions_by_its_roles_arn() -> None:
    mine = {"ArnEquals": {"aws:PrincipalArn": ROLE}}
    policy = read({"Statement": [allow("lambda:ListFunctions", Condition=mine)]})
    limits = Limits((Part(Kind.IDENTITY, (policy,)),), ROLE)
    session = f"arn:aws:sts::{A}:assumed-role/r/s"
    who = Caller(A, "eu-west-1", "http://x", "id", session, "", limits)
    authorise.check(who, "lambda", "ListFunctions", {})
    assert session in refused(who, "ListLayers")


def test_a_role_is_passed_to_lambda() -> None:
    to = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
    request = {"FunctionName": "f", "Role": ROLE}
    passing = caller(allow("lambda:*"), allow("iam:PassRole", Condition=to))
    authorise.check(passing, "lambda", "CreateFunction", request)
    elsewhere = caller(allow("*", Condition=to))  # of nothing else the key says a word
    assert "lambda:CreateFunction" in refused(elsewhere, "CreateFunction", **request)


def test_refusals_are_in_awss_words() -> None:
    what = f"lambda:DeleteFunction on resource: {PLACE}:function:f"
    who = f"User: {ANN} is not authorized to perform:"
    assert refused(caller(allow("lambda:Get*")), "DeleteFunction", FunctionName="f") == (
        f"{who} {what} because no identity-based policy allows the lambda:DeleteFunction action"
    )
    both = caller(allow("*"), allow("lambda:Delete*", effect="Deny"))
    assert refused(both, "DeleteFunction", FunctionName="f") == (
        f"{who} {what} with an explicit deny in an identity-based policy"
    )


def test_the_layers_of_a_request_can_be_a_condition() -> None:
    own = {"ForAllValues:StringLike": {"lambda:Layer": f"{PLACE}:layer:*"}}
    who = caller(
        allow("lambda:GetLayerVersion"), allow("lambda:UpdateFunctionConfiguration", Condition=own)
    )
    operation, request = "UpdateFunctionConfiguration", {"FunctionName": "f"}
    authorise.check(who, "lambda", operation, request)
    authorise.check(who, "lambda", operation, {**request, "Layers": [f"{PLACE}:layer:l:1"]})
    assert operation in refused(who, operation, **request, Layers=[f"{ELSEWHERE}:1"])


def test_the_user_the_region_and_the_principal_of_a_grant_can_be_conditions() -> None:
    for condition, met in (
        ({"StringEquals": {"aws:username": "ann", "aws:RequestedRegion": "eu-west-1"}}, True),
        ({"StringEquals": {"aws:username": "bob"}}, False),
        ({"StringEquals": {"lambda:Principal": "s3.amazonaws.com"}}, True),
        ({"StringEquals": {"lambda:Principal": "sns.amazonaws.com"}}, False),
    ):
        who = caller(allow("lambda:AddPermission", Condition=condition))
        request = {"FunctionName": "f", "Principal": "s3.amazonaws.com"}
        if met:
            authorise.check(who, "lambda", "AddPermission", request)
        else:
            assert "lambda:AddPermission" in refused(who, "AddPermission", **request)


def test_who_one_is_may_be_asked_whatever_the_policy() -> None:
    nothing = caller(allow("lambda:ListLayers"))
    authorise.check(nothing, "sts", "GetCallerIdentity", {})
    authorise.check(nothing, "sts", "GetSessionToken", {})
    assert "sts:AssumeRole" in refused(nothing, "AssumeRole", "sts", RoleArn=ROLE)
    with pytest.raises(AccessDenied):
        authorise.unlimited(nothing, "/metrics")
    with pytest.raises(AccessDenied):
        authorise.check_one(nothing, "lambda:InvokeFunctionUrl", f"{PLACE}:function:f")


def test_no_operation_escapes_a_policy_that_allows_nothing_of_it() -> None:
    nothing = caller(allow("s3:*"))
    for operation in Contract.of_lambda().operations:
        assert "is not authorized" in refused(nothing, operation, FunctionName="f")


def test_no_spelling_of_a_layer_gets_by_what_is_denied() -> None:
    denied = {"Effect": "Deny", "Action": "*", "Resource": f"{PLACE}:layer:l:2"}
    limited = caller({"Effect": "Allow", "Action": "*", "Resource": "*"}, denied)
    for spelt in ("arn:aws:", "arn::", "arn:aws-cn:"):
        for version in ("2", "02"):
            layer = f"{PLACE}:layer:l:{version}".replace("arn:aws:", spelt)
            with pytest.raises(AccessDenied):
                authorise.check(limited, "lambda", "CreateFunction", {"Layers": [layer]})
