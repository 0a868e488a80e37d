"""Roles and policies where several change them at once, and names as AWS gives them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lamella.accounts.identity import user_id
from lamella.accounts.managed import ManagedPolicies
from lamella.accounts.roles import Roles
from lamella.errors import ApiError, NoSuchEntity
from lamella.records.sqlite import open_records

ACCOUNT = "111122223333"
TRUST = '{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}}'
TEXT = '{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'


@pytest.fixture
def iam(tmp_path: Path) -> Iterator[tuple[Roles, ManagedPolicies]]:
    records = open_records(tmp_path / "records.sqlite")
    roles = Roles(records, lambda: datetime.now(UTC))
    yield roles, ManagedPolicies(records, roles, lambda: datetime.now(UTC))
    records.close()


def test_a_role_is_made_once_by_those_who_try_at_once(
    iam: tuple[Roles, ManagedPolicies],
) -> None:
    made: list[str] = []

    def create() -> None:
        try:
            made.append(iam[0].create(ACCOUNT, "r", TRUST).id)
        except ApiError as error:
            assert error.code == "EntityAlreadyExists"

    threads = [threading.Thread(target=create) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert made == [iam[0].get(ACCOUNT, "r").id]


def test_no_role_keeps_a_policy_that_is_gone(iam: tuple[Roles, ManagedPolicies]) -> None:
    roles, managed = iam
    roles.create(ACCOUNT, "r", TRUST)
    for _ in range(10):
        arn = managed.create(ACCOUNT, "p", TEXT).arn
        outcomes: list[str] = []

        def attempt(what: str, arn: str, outcomes: list[str] = outcomes) -> None:
            try:
                if what == "attach":
                    managed.attach(ACCOUNT, "r", arn)
                else:
                    managed.delete(ACCOUNT, arn)
                outcomes.append(what)
            except ApiError:
                pass

        threads = [threading.Thread(target=attempt, args=(w, arn)) for w in ("attach", "delete")]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert len(outcomes) == 1
        if outcomes == ["attach"]:
            managed.detach(ACCOUNT, "r", arn)
            managed.delete(ACCOUNT, arn)
        assert managed.uses(ACCOUNT) == {}


def test_a_role_is_named_with_its_case(iam: tuple[Roles, ManagedPolicies]) -> None:
    iam[0].create(ACCOUNT, "Role", TRUST)
    assert iam[0].find(ACCOUNT, "role") is None
    with pytest.raises(NoSuchEntity):
        iam[0].delete(ACCOUNT, "role")
    assert iam[0].get(ACCOUNT, "Role").name == "Role"


@pytest.mark.parametrize(
    ("arn", "role_id", "expected"),
    [
        (f"arn:aws:iam::{ACCOUNT}:root", None, ACCOUNT),
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/r/me", "AROAX", "AROAX:me"),
    ],
)
def test_a_caller_has_the_id_that_aws_gives(arn: str, role_id: str | None, expected: str) -> None:
    assert user_id(ACCOUNT, arn, role_id) == expected


def test_an_id_of_what_is_not_kept_is_always_the_same() -> None:
    user = user_id(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/alice")
    session = user_id(ACCOUNT, f"arn:aws:sts::{ACCOUNT}:assumed-role/r/me")
    assert user == user_id(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/alice")
    assert (user[:4], len(user)) == ("AIDA", 21)
    assert (session[:4], len(session), session[-3:]) == ("AROA", 24, ":me")
