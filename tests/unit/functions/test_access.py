"""What a function's policy lets whom do: principals, actions, resources, conditions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from lamella.functions.access import ANYBODY, Principal, allows

ARN = "arn:aws:lambda:eu-west-1:000000000000:function:fn"
THEIRS = "111122223333"
USER = Principal(THEIRS, f"arn:aws:iam::{THEIRS}:user/u")
ROOT = Principal(THEIRS, f"arn:aws:iam::{THEIRS}:root")
SESSION = Principal(THEIRS, f"arn:aws:sts::{THEIRS}:assumed-role/r/s")
OTHER = Principal("444455556666", "arn:aws:iam::444455556666:root")
SERVICE = Principal(service="s3.amazonaws.com")
INVOKE = "lambda:InvokeFunction"


def policy(*statements: dict[str, Any]) -> str:
    grant = {"Effect": "Allow", "Principal": "*", "Action": INVOKE, "Resource": ARN}
    full = []
    for each in statements:
        left_out = {name[3:] for name in each if name.startswith("Not")}
        full.append({**{k: v for k, v in grant.items() if k not in left_out}, **each})
    return json.dumps({"Version": "2012-10-17", "Statement": full})


def may(
    text: str,
    who: Principal = USER,
    action: str = INVOKE,
    resource: str = ARN,
    context: Mapping[str, str] | None = None,
) -> bool:
    known = {name: (value,) for name, value in (context or {}).items()}
    return allows([text], who, action, resource, known)


@pytest.mark.parametrize(
    ("principal", "let_in"),
    [
        ("*", {USER, ROOT, SESSION, OTHER, SERVICE, ANYBODY}),
        ({"AWS": "*"}, {USER, ROOT, SESSION, OTHER, SERVICE, ANYBODY}),
        ({"AWS": THEIRS}, {USER, ROOT, SESSION}),
        ({"AWS": f"arn:aws:iam::{THEIRS}:root"}, {USER, ROOT, SESSION}),
        ({"AWS": [THEIRS, OTHER.account]}, {USER, ROOT, SESSION, OTHER}),
        ({"AWS": USER.arn}, {USER}),
        ({"AWS": SESSION.arn}, {SESSION}),
        ({"AWS": f"arn:aws:iam::{THEIRS}:role/r"}, {SESSION}),
        ({"AWS": f"arn:aws:iam::{THEIRS}:role/some/path/r"}, {SESSION}),
        ({"AWS": "arn:aws:iam::444455556666:role/r"}, set()),
        ({"Service": "s3.amazonaws.com"}, {SERVICE}),
        ({"Service": "sns.amazonaws.com", "AWS": USER.arn}, {USER}),
        ({"Federated": "cognito-identity.amazonaws.com"}, set()),
        ({"CanonicalUser": "ab"}, set()),
    ],
)
def test_whom_a_principal_is(principal: object, let_in: set[Principal]) -> None:
    text = policy({"Principal": principal})
    everyone = {USER, ROOT, SESSION, OTHER, SERVICE, ANYBODY}
    assert {who for who in everyone if may(text, who)} == let_in


def test_a_principal_that_is_excepted() -> None:
    text = policy({}, {"Effect": "Deny", "NotPrincipal": {"AWS": THEIRS}})
    assert may(text, USER)
    assert not may(text, OTHER)


def test_a_deny_wins_whatever_the_order_and_whichever_the_policy() -> None:
    allow, deny = {"Principal": {"AWS": THEIRS}}, {"Effect": "Deny", "Principal": {"AWS": USER.arn}}
    for text in (policy(allow, deny), policy(deny, allow)):
        assert may(text, ROOT)
        assert not may(text, USER)
    assert not allows([policy(allow), policy(deny)], USER, INVOKE, ARN, {})
    assert not allows([], USER, INVOKE, ARN, {})


@pytest.mark.parametrize(
    ("element", "asked", "expected"),
    [
        ("lambda:InvokeFunction", INVOKE, True),
        ("lambda:invokefunction", INVOKE, True),
        ("lambda:*", INVOKE, True),
        ("lambda:Get*", "lambda:GetFunction", True),
        ("lambda:Get*", INVOKE, False),
        ("*", INVOKE, True),
        (["lambda:GetFunction", INVOKE], INVOKE, True),
        ("lambda:InvokeFunctionUrl", INVOKE, False),
    ],
)
def test_actions(element: object, asked: str, expected: bool) -> None:
    assert may(policy({"Action": element}), action=asked) is expected


@pytest.mark.parametrize(
    ("element", "asked", "expected"),
    [
        (ARN, ARN, True),
        (ARN, f"{ARN}:live", False),
        (f"{ARN}:live", f"{ARN}:live", True),
        (f"{ARN}:live", ARN, False),
        (f"{ARN}:*", f"{ARN}:live", True),
        (f"{ARN}:*", ARN, False),
        (f"{ARN}*", ARN, True),
        ("*", f"{ARN}:1", True),
        (f"{ARN}:?", f"{ARN}:1", True),
        (f"{ARN}:?", f"{ARN}:12", False),
        ("arn:aws:lambda:*:000000000000:function:*n:l*v*", f"{ARN}:live", True),
        ("arn:aws:lambda:${region}:000000000000:function:fn", ARN, False),
    ],
)
def test_resources(element: str, asked: str, expected: bool) -> None:
    assert may(policy({"Resource": element}), resource=asked) is expected


@pytest.mark.parametrize(
    ("condition", "context", "expected"),
    [
        ({"StringEquals": {"aws:PrincipalOrgID": "o-1"}}, {"aws:principalorgid": "o-1"}, True),
        ({"StringEquals": {"aws:PrincipalOrgID": "o-1"}}, {"aws:principalorgid": "o-2"}, False),
        ({"StringEquals": {"aws:PrincipalOrgID": "o-1"}}, {}, False),
        ({"ArnLike": {"AWS:SourceArn": "arn:aws:s3:::b*"}}, {}, False),
        (
            {"ArnLike": {"AWS:SourceArn": "arn:aws:s3:::b*"}},
            {"aws:sourcearn": "arn:aws:s3:::bucket"},
            True,
        ),
        (
            {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}},
            {"lambda:functionurlauthtype": "NONE"},
            True,
        ),
        ({"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}}, {}, False),
        (
            {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}},
            {"lambda:invokedviafunctionurl": "true"},
            True,
        ),
        ({"Bool": {"lambda:InvokedViaFunctionUrl": True}}, {}, False),
        ({"StringNotEquals": {"aws:SourceVpc": "vpc-1"}}, {}, True),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, {}, None),
        ({"StringEquals": {"aws:SomethingElse": "a"}}, {}, None),
    ],
)
def test_conditions(
    condition: dict[str, Any], context: dict[str, str], expected: bool | None
) -> None:
    """``None``: not understood, which keeps an Allow from applying and makes a Deny apply."""
    assert may(policy({"Condition": condition}), context=context) is bool(expected)
    denied = policy({}, {"Effect": "Deny", "Condition": condition})
    assert may(denied, context=context) is (expected is False)


def test_no_pattern_takes_long() -> None:
    """One that were tried in every way would not come to an end."""
    name = "a" * 64
    text = policy({"Resource": "arn:" + "*a" * 4_000 + "b"})
    assert not may(text, resource=f"arn:aws:lambda:eu-west-1:000000000000:function:{name}")
