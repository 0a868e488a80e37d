"""What a trust policy says of those who want to assume a role."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from lamella.accounts.trust import Asker, trusts, trusts_lambda

ACCOUNT = "111122223333"
USER = Asker(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/alice")
SESSION = Asker(ACCOUNT, f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/ci", "ticket")
EXTERNAL = {"StringEquals": {"sts:ExternalId": "ticket"}}


def statement(**more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole", **more}


def allowed(asker: Asker, *statements: dict[str, Any]) -> bool:
    return trusts(json.dumps({"Version": "2012-10-17", "Statement": list(statements)}), asker)


@pytest.mark.parametrize(
    ("principal", "user", "session"),
    [
        ("*", True, True),
        ({"AWS": "*"}, True, True),
        ({"AWS": ACCOUNT}, True, True),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, True, True),
        ({"AWS": ["444455556666", f"arn:aws:iam::{ACCOUNT}:user/alice"]}, True, False),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:role/deploy"}, False, True),
        ({"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/ci"}, False, True),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:user/*"}, False, False),
        ({"AWS": "444455556666"}, False, False),
        ({"Service": "*"}, False, False),
    ],
)
def test_a_principal_is_named_or_not(principal: Any, user: bool, session: bool) -> None:
    assert allowed(USER, statement(Principal=principal)) is user
    assert allowed(SESSION, statement(Principal=principal)) is session


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ({"Action": ["sts:TagSession", "STS:assumerole"]}, True),
        ({"Action": "sts:*"}, True),
        ({"Action": "sts:Assume?ole"}, True),
        ({"Action": "sts:AssumeRoleWithSAML"}, False),
        ({"Action": "sts:AssumeRol[e]"}, False),
        ({"Action": [], "NotAction": "sts:TagSession"}, True),
        ({"Action": [], "NotAction": "sts:*"}, False),
    ],
)
def test_an_action_is_meant_or_not(action: dict[str, Any], expected: bool) -> None:
    assert allowed(USER, statement(**action)) is expected


def test_a_denial_wins() -> None:
    denial = statement(Effect="Deny", Principal={"AWS": USER.arn})
    assert not allowed(USER, statement(), denial)
    assert allowed(SESSION, statement(), denial)


@pytest.mark.parametrize(
    ("condition", "user", "session"),
    [
        ({}, True, True),
        (EXTERNAL, False, True),
        ({"StringEquals": {"sts:ExternalId": ["a", "ticket"]}}, False, True),
        ({"StringLike": {"sts:ExternalId": "*"}}, False, False),
        ({"StringEquals": {"aws:PrincipalOrgID": "o-1"}}, False, False),
        ({**EXTERNAL, "Bool": {"aws:MultiFactorAuthPresent": "true"}}, False, False),
        ({"StringEquals": "ticket"}, False, False),
    ],
)
def test_a_condition_that_is_not_understood_lets_nobody_in(
    condition: dict[str, Any], user: bool, session: bool
) -> None:
    assert allowed(USER, statement(Condition=condition)) is user
    assert allowed(SESSION, statement(Condition=condition)) is session


def test_a_denial_that_is_not_understood_denies() -> None:
    odd = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    assert not allowed(USER, statement(), statement(Effect="Deny", Condition=odd))
    refused = statement(Effect="Deny", NotPrincipal={"AWS": USER.arn})
    del refused["Principal"]
    assert not allowed(USER, statement(), refused)
    assert not allowed(USER, {**refused, "Effect": "Allow"})
    assert allowed(USER, statement(), statement(Effect="Deny", Condition=EXTERNAL))


def test_a_role_with_a_path_is_named_with_it() -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:role/team/deploy"
    named = statement(Principal={"AWS": arn})
    assert allowed(replace(SESSION, role=arn), named)
    assert not allowed(SESSION, named)


LAMBDA = {"Service": "lambda.amazonaws.com"}


@pytest.mark.parametrize(
    ("statements", "trusted"),
    [
        ([statement(Principal=LAMBDA)], True),
        ([statement(Principal={"Service": ["ec2.amazonaws.com", LAMBDA["Service"]]})], True),
        ([statement()], True),
        (
            [statement(Principal=LAMBDA, Condition={"StringEquals": {"aws:SourceAccount": "1"}})],
            True,
        ),
        ([statement(Principal={"Service": "ec2.amazonaws.com"})], False),
        ([statement(Principal={"AWS": "*"})], False),
        ([statement(Principal=LAMBDA, Action="sts:TagSession")], False),
        ([statement(Principal=LAMBDA), statement(Principal=LAMBDA, Effect="Deny")], False),
        ([statement(Principal=LAMBDA), statement(Principal={"AWS": "*"}, Effect="Deny")], True),
        ([{"Effect": "Allow", "NotPrincipal": LAMBDA, "Action": "sts:AssumeRole"}], False),
    ],
)
def test_lambda_is_trusted_where_it_is_named(
    statements: list[dict[str, Any]], trusted: bool
) -> None:
    text = json.dumps({"Version": "2012-10-17", "Statement": statements})
    assert trusts_lambda(text) is trusted
