"""Policies: what they allow, what they refuse to be, and that what is not understood never widens."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.accounts.policy import Decision, Policy, read
from lamella.errors import Refused

FUNCTION = "arn:aws:lambda:eu-west-1:111122223333:function:shop"
LAYER = "arn:aws:lambda:eu-west-1:111122223333:layer:shared:1"
INVOKE = "lambda:InvokeFunction"
ALLOWED, NOT_ALLOWED, DENIED = Decision.ALLOWED, Decision.NOT_ALLOWED, Decision.DENIED
Context = dict[str, tuple[str, ...]]


def statement(effect: str = "Allow", **more: Any) -> dict[str, Any]:
    given = {"Effect": effect, **more}
    if "NotAction" not in given:
        given.setdefault("Action", "lambda:*")
    if "NotResource" not in given:
        given.setdefault("Resource", "*")
    return given


def policy(*statements: dict[str, Any]) -> Policy:
    return read({"Version": "2012-10-17", "Statement": list(statements)})


def decided(
    *statements: dict[str, Any],
    action: str = INVOKE,
    resource: str = FUNCTION,
    context: Context | None = None,
) -> Decision:
    return policy(*statements).decide(action, resource, context or {})


@pytest.mark.parametrize(
    ("pattern", "action", "expected"),
    [
        ("*", INVOKE, ALLOWED),
        ("lambda:*", INVOKE, ALLOWED),
        ("lambda:InvokeFunction", INVOKE, ALLOWED),
        ("LAMBDA:invokefunction", INVOKE, ALLOWED),
        ("lambda:Invoke*", INVOKE, ALLOWED),
        ("lambda:Invoke*", "lambda:GetFunction", NOT_ALLOWED),
        ("lambda:Get????????", "lambda:GetFunction", ALLOWED),
        ("lambda:Get???????", "lambda:GetFunction", NOT_ALLOWED),
        ("logs:*", INVOKE, NOT_ALLOWED),
        ("lambda:Invoke", INVOKE, NOT_ALLOWED),
    ],
)
def test_actions_match_by_wildcards_whatever_their_case(
    pattern: str, action: str, expected: Decision
) -> None:
    assert decided(statement(Action=pattern), action=action) is expected


@pytest.mark.parametrize(
    ("pattern", "resource", "expected"),
    [
        ("*", FUNCTION, ALLOWED),
        (FUNCTION, FUNCTION, ALLOWED),
        (FUNCTION, f"{FUNCTION}:1", NOT_ALLOWED),
        (f"{FUNCTION}:*", f"{FUNCTION}:1", ALLOWED),
        (f"{FUNCTION}*", FUNCTION, ALLOWED),
        ("arn:aws:lambda:*:111122223333:function:s?op", FUNCTION, ALLOWED),
        (FUNCTION.upper().replace("ARN", "arn", 1), FUNCTION, NOT_ALLOWED),
        ("arn:aws:lambda:*:*:layer:*", FUNCTION, NOT_ALLOWED),
        ("arn:aws:lambda:*:*:layer:*", LAYER, ALLOWED),
        (FUNCTION, "*", NOT_ALLOWED),
    ],
)
def test_resources_match_by_wildcards_and_as_they_are_written(
    pattern: str, resource: str, expected: Decision
) -> None:
    assert decided(statement(Resource=pattern), resource=resource) is expected


def test_silence_allows_nothing_and_a_deny_wins() -> None:
    assert decided(statement(Action="lambda:GetFunction")) is NOT_ALLOWED
    assert decided(statement(), statement("Deny", Resource=FUNCTION)) is DENIED
    assert decided(statement("Deny", Resource=FUNCTION), statement()) is DENIED
    assert decided(statement(), statement("Deny", Resource=LAYER)) is ALLOWED
    assert decided(statement("Deny")) is DENIED


def test_not_action_and_not_resource_turn_the_match_round() -> None:
    reads = statement(NotAction=["lambda:Delete*", "lambda:Invoke*"])
    assert decided(reads) is NOT_ALLOWED
    assert decided(reads, action="lambda:GetFunction") is ALLOWED
    elsewhere = statement(NotResource=FUNCTION)
    assert decided(elsewhere) is NOT_ALLOWED
    assert decided(elsewhere, resource=LAYER) is ALLOWED


REGION = "aws:RequestedRegion"
HERE: Context = {"aws:requestedregion": ("eu-west-1",)}
NO_LAYER: Context = {}
TWO_LAYERS: Context = {"lambda:layer": (LAYER, LAYER.replace("shared", "other"))}


@pytest.mark.parametrize(
    ("operator", "key", "value", "context", "met"),
    [
        ("StringEquals", REGION, "eu-west-1", HERE, True),
        ("StringEquals", REGION, ["us-east-1", "eu-west-1"], HERE, True),
        ("StringEquals", REGION, "EU-WEST-1", HERE, False),
        ("StringEquals", REGION, "eu-*", HERE, False),
        ("StringEqualsIgnoreCase", REGION, "EU-WEST-1", HERE, True),
        ("StringNotEquals", REGION, ["us-east-1", "eu-west-1"], HERE, False),
        ("StringNotEquals", REGION, "us-east-1", HERE, True),
        ("StringLike", "AWS:requestedREGION", "eu-*", HERE, True),
        ("StringNotLike", REGION, "eu-*", HERE, False),
        ("StringEquals", REGION, "eu-west-1", {}, False),
        ("StringNotEquals", REGION, "eu-west-1", {}, True),
        ("StringEqualsIfExists", REGION, "eu-west-1", {}, True),
        ("StringEqualsIfExists", REGION, "eu-west-1", {"aws:requestedregion": ("x",)}, False),
        ("Null", REGION, "true", {}, True),
        ("Null", REGION, True, HERE, False),
        ("Null", REGION, "false", HERE, True),
        ("ArnLike", "aws:PrincipalArn", "arn:aws:iam::*:user/*", HERE, False),
        ("ForAllValues:StringLike", "lambda:Layer", "arn:*:layer:shared:*", TWO_LAYERS, False),
        ("ForAllValues:StringLike", "lambda:Layer", "arn:*:layer:*", TWO_LAYERS, True),
        ("ForAllValues:StringLike", "lambda:Layer", "arn:*:layer:shared:*", NO_LAYER, True),
        ("ForAnyValue:StringLike", "lambda:Layer", "arn:*:layer:shared:*", TWO_LAYERS, True),
        ("ForAnyValue:StringLike", "lambda:Layer", "arn:*:layer:shared:*", NO_LAYER, False),
        ("ForAnyValue:StringNotLike", "lambda:Layer", "arn:*:layer:shared:*", TWO_LAYERS, True),
        ("ForAllValues:StringNotLike", "lambda:Layer", "arn:*:layer:shared:*", TWO_LAYERS, False),
        ("StringEquals", REGION, [], HERE, False),
    ],
)
def test_conditions_that_are_understood(
    operator: str, key: str, value: Any, context: Context, met: bool
) -> None:
    conditional = statement(Condition={operator: {key: value}})
    assert policy(conditional).doubts == ()
    assert (decided(conditional, context=context) is ALLOWED) is met


def test_all_conditions_of_a_statement_must_be_met() -> None:
    both = {"StringEquals": {REGION: "eu-west-1"}, "StringLike": {"aws:username": "ann"}}
    assert decided(statement(Condition=both), context=HERE) is NOT_ALLOWED
    ann: Context = {**HERE, "aws:username": ("ann",)}
    assert decided(statement(Condition=both), context=ann) is ALLOWED


@pytest.mark.parametrize(
    "condition",
    [
        {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}},
        {"StringEquals": {"aws:ResourceTag/team": "a"}},
        {"NumericLessThan": {"lambda:Layer": 3}},
        {"Null": {REGION: ["true", "false"]}},
        {"ForAllValues:Null": {REGION: "true"}},
        {"StringLike": {"aws:PrincipalArn": "${aws:username}"}},
        {"": {REGION: "x"}},
    ],
)
def test_a_condition_that_is_not_understood_never_allows_and_always_denies(
    condition: dict[str, Any],
) -> None:
    conditional = statement(Condition=condition)
    assert "is not understood" in policy(conditional).doubts[0]
    assert decided(conditional, context=HERE) is NOT_ALLOWED
    assert decided(statement(), statement("Deny", Condition=condition), context=HERE) is DENIED


def test_a_policy_variable_is_not_understood_and_so_never_widens() -> None:
    own = "arn:aws:lambda:*:*:function:${aws:username}"
    assert "policy variables" in policy(statement(Resource=own)).doubts[0]
    assert decided(statement(Resource=own)) is NOT_ALLOWED
    assert decided(statement(Resource=[own, FUNCTION])) is ALLOWED
    assert decided(statement(NotResource=own)) is NOT_ALLOWED
    assert decided(statement(), statement("Deny", Resource=own)) is DENIED
    assert decided(statement(), statement("Deny", NotResource=own)) is DENIED


def faults(document: Any) -> tuple[str, ...]:
    with pytest.raises(Refused) as refused:
        read(document)
    return refused.value.faults


def test_one_statement_may_stand_alone_and_the_version_may_be_missing() -> None:
    assert read({"Statement": statement()}).decide(INVOKE, FUNCTION, {}) is ALLOWED
    assert read({"Version": "2008-10-17", "Id": "x", "Statement": [statement(Sid="A")]})


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ([], "The policy must be a JSON object."),
        ({}, "Statement must be there: an object, or a list of one or more."),
        ({"Statement": []}, "Statement must be there: an object, or a list of one or more."),
        ({"Statement": ["x"]}, "Statement 1 must be an object."),
        (
            {"Version": "2026", "Statement": statement()},
            "Version must be 2012-10-17 or 2008-10-17.",
        ),
        ({"Statement": statement(), "Rule": 1}, "Rule is no element of a policy."),
    ],
)
def test_a_document_that_is_no_policy_is_refused(document: Any, fault: str) -> None:
    assert faults(document) == (fault,)


@pytest.mark.parametrize(
    ("stated", "fault"),
    [
        (statement("allow"), "Effect must be Allow or Deny."),
        (statement(Principal="*"), "Principal is no element of a statement of a key's policy."),
        (statement(Sid=1), "Sid must be text."),
        (
            {"Effect": "Allow", "Resource": "*"},
            "Action or NotAction must be there, and not both.",
        ),
        (
            {**statement(), "NotResource": "*"},
            "Resource or NotResource must be there, and not both.",
        ),
        (statement(Action=[]), "Action must be text, or a list of one or more."),
        (
            statement(Action="Invoke"),
            'Action \'Invoke\' is not an action such as "lambda:InvokeFunction", nor "*".',
        ),
        (statement(Resource="shop"), "Resource 'shop' is not an ARN, nor \"*\"."),
        (statement(Resource=[1]), 'Resource 1 is not an ARN, nor "*".'),
        (statement(Condition=[]), "Condition must be an object."),
        (
            statement(Condition={"StringEquals": "x"}),
            "Condition StringEquals must be an object with keys and values.",
        ),
        (
            statement(Condition={"StringEquals": {REGION: {}}}),
            "Condition StringEquals aws:RequestedRegion must be text or a list of texts.",
        ),
    ],
)
def test_a_statement_at_fault_is_named(stated: dict[str, Any], fault: str) -> None:
    assert faults({"Statement": [statement(), stated]}) == (f"Statement 2: {fault}",)


def test_every_fault_is_named_at_once() -> None:
    bad = {"Version": "1", "Statement": [{"Effect": "Maybe", "Action": "x"}, statement(Resource=1)]}
    assert len(faults(bad)) == 5
    twice = {"Statement": [statement(Sid="A"), statement(Sid="A")]}
    assert faults(twice) == ("Two statements have one Sid.",)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
_ELEMENT = st.sampled_from(
    ["Effect", "Action", "NotAction", "Resource", "NotResource", "Condition", "Sid"]
)


@given(
    st.dictionaries(
        st.sampled_from(["Version", "Statement", "Id"]),
        _JSON | st.lists(st.dictionaries(_ELEMENT, _JSON)),
    )
    | _JSON
)
def test_whatever_the_document_it_is_read_or_refused(document: Any) -> None:
    try:
        assert read(document).decide(INVOKE, FUNCTION, {}) in Decision
    except Refused as refused:
        assert refused.faults
