"""What the sessions of a role may do: its policies, its boundary, and policies of the session."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from lamella.accounts import roles as of_roles
from lamella.accounts.managed import ManagedPolicies
from lamella.accounts.mandates import Mandates
from lamella.accounts.roles import Role, Roles
from lamella.accounts.sessions import Session
from lamella.records.sql import SqlRecords

ACCOUNT, OTHER = "111122223333", "444455556666"
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}],
    }
)
INVOKE, LIST = "lambda:InvokeFunction", "lambda:ListFunctions"
FUNCTION = f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:f"
AWS = "arn:aws:iam::aws:policy"


def now() -> datetime:
    return datetime.now(UTC)


def document(action: str, effect: str = "Allow", resource: str = "*", **more: Any) -> str:
    statement = {"Effect": effect, "Action": action, "Resource": resource, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


class SlowRoles(Roles):
    """Roles of which one may change while it is read."""

    meanwhile: Any = None

    def find(self, account: str, name: str) -> Role | None:
        found = super().find(account, name)
        if self.meanwhile is not None:
            self.meanwhile()
        return found


@dataclass
class Desk:
    roles: SlowRoles
    managed: ManagedPolicies
    mandates: Mandates

    def role(self, name: str = "r", path: str = "/", **inline: str) -> str:
        """Make a role with inline policies; its ARN."""
        self.roles.create(ACCOUNT, name, TRUST, path=path)
        for policy, text in inline.items():
            self.change(partial(of_roles.with_policy, name=policy, text=text), name)
        return f"arn:aws:iam::{ACCOUNT}:role{path}{name}"

    def change(self, change: Any, name: str = "r") -> None:
        self.roles.change(ACCOUNT, name, change)

    def refusal(self, session: Session, action: str = INVOKE) -> str | None:
        limits = self.mandates.known(session) or self.mandates.read(session)
        return limits.refusal(action, FUNCTION, {})


@pytest.fixture
def desk(records: SqlRecords) -> Desk:
    def changed() -> None:
        mandates.forget()

    roles = SlowRoles(records, now, changed)
    managed = ManagedPolicies(records, roles, now, changed)
    mandates = Mandates(roles, managed, enforced=True)
    return Desk(roles, managed, mandates)


def session(role: str, account: str = ACCOUNT, policy: str = "", *arns: str) -> Session:
    who = f"arn:aws:sts::{account}:assumed-role/r/s"
    return Session("ASIA", "secret", account, who, 0, role=role, policy=policy, policy_arns=arns)


def silent(action: str, kind: str = "identity-based policy") -> str:
    return f"because no {kind} allows the {action} action"


def test_a_session_may_do_what_its_roles_policies_allow(desk: Desk) -> None:
    ours = session(desk.role(one=document(INVOKE), two=document("logs:*")))
    assert desk.refusal(ours) is None
    assert desk.refusal(ours, "logs:PutLogEvents") is None
    assert desk.refusal(ours, LIST) == silent(LIST)


def test_a_deny_of_any_policy_wins(desk: Desk) -> None:
    ours = session(desk.role(one=document("lambda:*"), two=document(LIST, "Deny")))
    assert desk.refusal(ours) is None
    assert desk.refusal(ours, LIST) == "with an explicit deny in an identity-based policy"


def test_a_role_without_policies_gives_nothing(desk: Desk) -> None:
    assert desk.refusal(session(desk.role())) == silent(INVOKE)


def test_a_role_that_is_not_there_gives_nothing(desk: Desk) -> None:
    arn = desk.role(path="/team/", one=document("*"))
    assert desk.refusal(session(arn)) is None
    for other in (f"arn:aws:iam::{ACCOUNT}:role/r", arn.replace(ACCOUNT, OTHER), "-"):
        assert desk.refusal(session(other)) == silent(INVOKE)
    assert desk.refusal(session(arn, OTHER)) == silent(INVOKE)


def test_managed_policies_count_in_their_default_version(desk: Desk) -> None:
    ours = session(desk.role())
    policy = desk.managed.create(ACCOUNT, "p", document(LIST)).arn
    desk.managed.attach(ACCOUNT, "r", policy)
    assert (desk.refusal(ours), desk.refusal(ours, LIST)) == (silent(INVOKE), None)
    desk.managed.add_version(ACCOUNT, policy, document(INVOKE), default=True)
    assert (desk.refusal(ours), desk.refusal(ours, LIST)) == (None, silent(LIST))
    desk.managed.detach(ACCOUNT, "r", policy)
    assert desk.refusal(ours) == silent(INVOKE)


def test_of_awss_own_policies_those_that_are_known_count(desk: Desk) -> None:
    ours = session(desk.role())
    desk.managed.attach(ACCOUNT, "r", f"{AWS}/service-role/AWSLambdaBasicExecutionRole")
    desk.managed.attach(ACCOUNT, "r", f"{AWS}/Unheard")
    assert desk.refusal(ours, "logs:PutLogEvents") is None
    assert desk.refusal(ours) == silent(INVOKE)
    desk.managed.attach(ACCOUNT, "r", f"{AWS}/PowerUserAccess")
    assert desk.refusal(ours) is None
    assert desk.refusal(ours, "iam:CreateRole") == silent("iam:CreateRole")
    desk.managed.attach(ACCOUNT, "r", f"{AWS}/AdministratorAccess")
    assert desk.refusal(ours, "iam:CreateRole") is None
    desk.managed.attach(ACCOUNT, "r", f"{AWS}/AWSDenyAll")
    assert desk.refusal(ours) == "with an explicit deny in an identity-based policy"


def test_a_boundary_has_to_allow_it_too(desk: Desk) -> None:
    ours = session(desk.role(one=document("*")))
    boundary = desk.managed.create(ACCOUNT, "b", document("lambda:Invoke*")).arn
    desk.change(lambda role: replace(role, boundary=boundary))
    assert desk.refusal(ours) is None
    assert desk.refusal(ours, LIST) == silent(LIST, "permissions boundary")
    desk.managed.add_version(ACCOUNT, boundary, document("*", "Deny"), default=True)
    assert desk.refusal(ours) == "with an explicit deny in a permissions boundary"


def test_policies_of_one_session_narrow_it(desk: Desk) -> None:
    arn = desk.role(one=document("lambda:*"))
    narrow = session(arn, ACCOUNT, document("lambda:List*"))
    assert desk.refusal(narrow, LIST) is None
    assert desk.refusal(narrow) == silent(INVOKE, "session policy")
    denied = session(arn, ACCOUNT, document(LIST, "Deny"))
    assert desk.refusal(denied, LIST) == "with an explicit deny in a session policy"
    named = session(arn, ACCOUNT, "", f"{AWS}/AWSLambda_ReadOnlyAccess")
    assert desk.refusal(named, LIST) is None
    assert desk.refusal(named) == silent(INVOKE, "session policy")
    wider = session(arn, ACCOUNT, document("*"))
    assert desk.refusal(wider, "iam:CreateRole") == silent("iam:CreateRole")


def test_a_change_is_known_at_once(desk: Desk) -> None:
    ours = session(desk.role(one=document("*")))
    assert desk.refusal(ours) is None
    assert desk.mandates.known(ours) is not None
    desk.change(partial(of_roles.without_policy, name="one"))
    assert desk.mandates.known(ours) is None
    assert desk.refusal(ours) == silent(INVOKE)
    desk.roles.delete(ACCOUNT, "r")
    assert desk.refusal(ours) == silent(INVOKE)


def test_what_a_change_overtook_is_not_remembered(desk: Desk) -> None:
    ours = session(desk.role(one=document("*")))
    desk.roles.meanwhile = partial(desk.change, lambda role: replace(role, inline={}))
    assert desk.mandates.read(ours).refusal(INVOKE, FUNCTION, {}) is None
    assert desk.mandates.known(ours) is None


def test_a_policy_that_cannot_be_read_denies_everything(desk: Desk) -> None:
    odd = document("lambda:*", Condition={"StringEquals": {"aws:username": {}}})
    ours = session(desk.role(one=document("*"), two=odd))
    assert desk.refusal(ours) == "with an explicit deny in an identity-based policy"


def test_where_roles_are_open_only_the_sessions_own_policies_limit_it(desk: Desk) -> None:
    opened = Mandates(desk.roles, desk.managed, enforced=False)
    assert not opened.limited(session("-"))
    narrow = session("-", ACCOUNT, document(LIST))
    assert opened.limited(narrow)
    assert opened.read(narrow).refusal(LIST, "*", {}) is None
    assert opened.read(narrow).refusal(INVOKE, "*", {}) == silent(INVOKE, "session policy")
    assert not desk.mandates.limited(replace(session(""), parent="AKIA"))
