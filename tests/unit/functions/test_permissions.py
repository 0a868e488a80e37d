"""Policies of functions as they are kept, and asked with what is known of who asks."""

from __future__ import annotations

import json
from typing import Any

from lamella.functions.access import ANYBODY, Principal
from lamella.functions.aliases import Aliases
from lamella.functions.delete import delete
from lamella.functions.permissions import Permissions, Place
from lamella.functions.versions import publish
from tests.unit.functions.works import Works
from tests.unit.layers.shelf import ACCOUNT, REGION

FN = (ACCOUNT, REGION, "fn")
AT = Place(*FN, None)
THEIRS = "111122223333"
WHO = Principal(THEIRS, f"arn:aws:iam::{THEIRS}:user/u")
INVOKE = "lambda:InvokeFunction"


def permissions(at: Works, organization: str | None = None) -> Permissions:
    return Permissions(
        at.shop.records, lambda *where: None, organization_of=lambda account: organization
    )


def a_grant(**members: Any) -> dict[str, Any]:
    return {"StatementId": "s", "Action": INVOKE, "Principal": THEIRS, **members}


def test_without_a_policy_nobody_may(at: Works) -> None:
    at.create()
    assert not permissions(at).allows(AT, WHO, INVOKE, {})
    assert not permissions(at).allows(Place(*FN[:2], "none", None), WHO, INVOKE, {})


def test_a_member_of_the_organization_may(at: Works) -> None:
    at.create()
    kept = permissions(at, "o-abcdefghij")
    kept.add(AT, a_grant(Principal="*", PrincipalOrgID="o-abcdefghij"))
    assert kept.allows(AT, WHO, INVOKE, {})
    assert not kept.allows(AT, ANYBODY, INVOKE, {})
    for other in (None, "o-klmnopqrst"):
        assert not permissions(at, other).allows(AT, WHO, INVOKE, {})


def test_an_organization_is_looked_up_only_where_it_counts(at: Works) -> None:
    def fail(account: str) -> str | None:
        raise AssertionError(f"the organization of {account} is not needed here")

    at.create()
    kept = Permissions(at.shop.records, lambda *where: None, organization_of=fail)
    kept.add(AT, a_grant())
    assert kept.allows(AT, WHO, INVOKE, {})


def test_what_a_request_says_of_itself(at: Works) -> None:
    at.create()
    kept = permissions(at)
    conditions = {
        "StringEquals": {
            "aws:username": "u",
            "aws:PrincipalAccount": THEIRS,
            "aws:RequestedRegion": REGION,
            "aws:PrincipalArn": WHO.arn,
            "lambda:FunctionUrlAuthType": "NONE",
        }
    }
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": INVOKE,
        "Resource": AT.arn,
        "Condition": conditions,
    }
    kept.put(AT, json.dumps({"Statement": statement}), None)
    assert kept.allows(AT, WHO, INVOKE, {"lambda:FunctionUrlAuthType": "NONE"})
    assert not kept.allows(AT, WHO, INVOKE, {"lambda:FunctionUrlAuthType": "AWS_IAM"})
    assert not kept.allows(AT, WHO, INVOKE, {})
    role = Principal(THEIRS, f"arn:aws:iam::{THEIRS}:role/u")
    assert not kept.allows(AT, role, INVOKE, {"lambda:FunctionUrlAuthType": "NONE"})


def test_the_policy_of_the_function_may_speak_of_its_versions(at: Works) -> None:
    at.create()
    publish(at.shop, *FN, {})
    Aliases(at.shop.records, lambda *where: None).create(
        FN, {"Name": "live", "FunctionVersion": "1"}
    )
    kept = permissions(at)
    statement = {"Principal": {"AWS": THEIRS}, "Action": INVOKE, "Resource": f"{AT.arn}:*"}
    kept.put(AT, json.dumps({"Statement": {"Effect": "Allow", **statement}}), None)
    assert not kept.allows(AT, WHO, INVOKE, {})
    for qualifier in ("1", "live"):
        assert kept.allows(Place(*FN, qualifier), WHO, INVOKE, {})
    denial = {"Effect": "Deny", **statement}
    live = Place(*FN, "live")
    kept.put(live, json.dumps({"Statement": [denial]}), None)
    assert not kept.allows(live, WHO, INVOKE, {})
    assert kept.allows(Place(*FN, "1"), WHO, INVOKE, {})


def test_the_policy_of_a_version_goes_with_it(at: Works) -> None:
    at.create()
    publish(at.shop, *FN, {})
    first = Place(*FN, "1")
    permissions(at).add(first, a_grant())
    delete(at.shop, *FN, "1")
    assert not permissions(at).allows(first, WHO, INVOKE, {})


def test_changes_are_told(at: Works) -> None:
    told: list[tuple[str, str, str]] = []
    kept = Permissions(at.shop.records, lambda *where: told.append(where))
    at.create()
    kept.add(AT, a_grant())
    kept.remove(AT, "s", None)
    kept.put(
        AT,
        json.dumps(
            {"Statement": {"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}}
        ),
        None,
    )
    kept.delete(AT, None)
    assert told == [FN] * 4
