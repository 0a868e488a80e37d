"""Policies of layer versions: what may be said in one, and whom it lets in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lamella.errors import (
    InvalidParameterValue,
    PolicyLengthExceeded,
    PreconditionFailed,
    ResourceConflict,
    ResourceNotFound,
    ValidationFailed,
)
from lamella.layers import policy
from lamella.model.layer import LayerPolicy, LayerStatement
from tests.unit.layers.shelf import ACCOUNT, ORGANIZATION, OTHER, REGION, Shelf, shelf

RESOURCE = f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:shared:1"
VERSION = (ACCOUNT, REGION, "shared", 1)
STATEMENT = LayerStatement(
    sid="xaccount", action="lambda:GetLayerVersion", principal=OTHER, organization_id=None
)


def a_policy(*statements: LayerStatement) -> LayerPolicy:
    return LayerPolicy(revision_id="r-1", statements=statements)


class TestWhomItLetsIn:
    @pytest.mark.parametrize("principal", [OTHER, f"arn:aws:iam::{OTHER}:root", "*"])
    def test_an_account_its_root_or_everybody(self, principal: str) -> None:
        given = a_policy(replace(STATEMENT, principal=principal))
        assert policy.allows(given, OTHER, None)
        assert policy.allows(given, "222222222222", None) == (principal == "*")

    def test_no_policy_lets_nobody_in(self) -> None:
        assert not policy.allows(None, OTHER, ORGANIZATION)

    def test_an_organization_lets_in_its_members_alone(self) -> None:
        given = a_policy(replace(STATEMENT, principal="*", organization_id=ORGANIZATION))
        assert policy.allows(given, OTHER, ORGANIZATION)
        assert not policy.allows(given, OTHER, "o-9876543210")
        assert not policy.allows(given, OTHER, None)

    def test_any_statement_is_enough(self) -> None:
        first = replace(STATEMENT, principal="222222222222")
        assert policy.allows(a_policy(first, STATEMENT), OTHER, None)


class TestHowItIsShown:
    def test_an_account_is_shown_as_its_root(self) -> None:
        assert policy.statement_document(STATEMENT, RESOURCE) == {
            "Sid": "xaccount",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{OTHER}:root"},
            "Action": "lambda:GetLayerVersion",
            "Resource": RESOURCE,
        }

    def test_a_root_stays_as_it_is(self) -> None:
        root = f"arn:aws:iam::{OTHER}:root"
        shown = policy.statement_document(replace(STATEMENT, principal=root), RESOURCE)
        assert shown["Principal"] == {"AWS": root}

    def test_an_organization_is_shown_as_a_condition(self) -> None:
        given = replace(STATEMENT, principal="*", organization_id=ORGANIZATION)
        shown = policy.statement_document(given, RESOURCE)
        assert shown["Principal"] == "*"
        assert shown["Condition"] == {"StringEquals": {"aws:PrincipalOrgID": ORGANIZATION}}

    def test_a_policy_has_its_statements_in_order(self) -> None:
        second = replace(STATEMENT, sid="second")
        shown = policy.document(a_policy(STATEMENT, second), RESOURCE)
        assert (shown["Version"], shown["Id"]) == ("2012-10-17", "default")
        assert [each["Sid"] for each in shown["Statement"]] == ["xaccount", "second"]


class TestStatements:
    def test_all_faults_are_named_together(self) -> None:
        bad = replace(STATEMENT, action="lambda:*", principal="me")
        with pytest.raises(ValidationFailed) as raised:
            policy.check_statement(bad)
        assert raised.value.message == (
            "2 validation errors detected: Value 'lambda:*' at 'action' failed to satisfy "
            "constraint: Member must satisfy regular expression pattern: lambda:GetLayerVersion; "
            "Value 'me' at 'principal' failed to satisfy constraint: Member must satisfy regular "
            r"expression pattern: \d{12}|\*|arn:(aws[a-zA-Z-]*):iam::\d{12}:root"
        )

    def test_an_organization_goes_with_everybody_alone(self) -> None:
        with pytest.raises(InvalidParameterValue):
            policy.check_statement(replace(STATEMENT, organization_id=ORGANIZATION))

    def test_an_id_is_taken_once(self) -> None:
        with pytest.raises(ResourceConflict) as raised:
            policy.with_statement(a_policy(STATEMENT), STATEMENT, None, RESOURCE, "r-2")
        assert raised.value.message == (
            "The statement id (xaccount) provided already exists. "
            "Please provide a new statement id, or remove the existing statement."
        )

    def test_another_revision_is_refused(self) -> None:
        other = replace(STATEMENT, sid="other")
        with pytest.raises(PreconditionFailed, match="does not match the latest Revision Id"):
            policy.with_statement(a_policy(STATEMENT), other, "r-0", RESOURCE, "r-2")
        with pytest.raises(PreconditionFailed, match="does not match the latest Revision Id"):
            policy.with_statement(None, other, "r-0", RESOURCE, "r-2")
        with pytest.raises(PreconditionFailed, match="does not match the latest Revision Id"):
            policy.without_statement(a_policy(STATEMENT), "xaccount", "r-0", "r-2")

    def test_the_same_revision_is_accepted(self) -> None:
        other = replace(STATEMENT, sid="other")
        changed = policy.with_statement(a_policy(STATEMENT), other, "r-1", RESOURCE, "r-2")
        assert changed == LayerPolicy(revision_id="r-2", statements=(STATEMENT, other))

    def test_a_policy_stops_growing_at_its_limit(self) -> None:
        grown: LayerPolicy | None = None
        with pytest.raises(PolicyLengthExceeded):
            for number in range(1000):
                each = replace(STATEMENT, sid=f"{number:0100}")
                grown = policy.with_statement(grown, each, None, RESOURCE, "r-2")
        assert grown is not None
        assert 20_000 < len(policy.to_text(policy.document(grown, RESOURCE))) <= 20_480

    def test_the_last_statement_takes_the_policy_with_it(self) -> None:
        assert policy.without_statement(a_policy(STATEMENT), "xaccount", None, "r-2") is None

    def test_an_unknown_id_cannot_be_removed(self) -> None:
        for given in (None, a_policy(STATEMENT)):
            with pytest.raises(ResourceNotFound) as raised:
                policy.without_statement(given, "nobody", None, "r-2")
            assert raised.value.message == "Statement nobody is not found in resource policy."


class TestPolicies:
    @pytest.fixture
    def on(self, tmp_path: Path) -> Iterator[Shelf]:
        with shelf(tmp_path) as made:
            yield made

    def test_a_policy_is_added_to_shown_and_removed(self, on: Shelf) -> None:
        on.publish()
        added = on.policies.add(*VERSION, STATEMENT, None)
        assert json.loads(added.text)["Sid"] == "xaccount"
        shown = on.policies.get(*VERSION)
        assert json.loads(shown.text)["Statement"] == [json.loads(added.text)]
        assert shown.revision_id == added.revision_id
        on.policies.remove(*VERSION, "xaccount", shown.revision_id)
        with pytest.raises(ResourceNotFound) as raised:
            on.policies.get(*VERSION)
        assert raised.value.message == "No policy is associated with the given resource."

    def test_each_change_has_a_revision_of_its_own(self, on: Shelf) -> None:
        on.publish()
        first = on.policies.add(*VERSION, STATEMENT, None)
        second = on.policies.add(*VERSION, replace(STATEMENT, sid="b"), first.revision_id)
        assert first.revision_id != second.revision_id

    def test_a_version_that_is_not_there_has_no_policy(self, on: Shelf) -> None:
        for attempt in (
            lambda: on.policies.add(*VERSION, STATEMENT, None),
            lambda: on.policies.remove(*VERSION, "xaccount", None),
            lambda: on.policies.get(*VERSION),
        ):
            with pytest.raises(ResourceNotFound) as raised:
                attempt()
            assert raised.value.message == f"Layer version {RESOURCE} does not exist."
