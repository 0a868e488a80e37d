"""Temporary credentials: what was issued opens, and nothing else does."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.accounts.sessions import TOKEN_CHARACTERS, Session, Sessions, role_named
from lamella.errors import PackedPolicyTooLarge

ACCOUNT = "111122223333"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/team/builder"
NOW = 1_800_000_000.5


def sessions(key: bytes = b"k" * 32) -> Sessions:
    return Sessions(key, lambda: NOW)


def test_a_role_gives_credentials_in_the_form_of_aws() -> None:
    made = sessions().issue(ACCOUNT, ROLE, "deploy", 900)
    assert made.access_key_id.startswith("ASIA")
    assert len(made.access_key_id) == 20
    assert len(made.secret) == 40
    assert made.expires == datetime.fromtimestamp(1_800_000_900, UTC)


def test_the_token_says_whose_session_it_is_without_anything_kept() -> None:
    made = sessions().issue(ACCOUNT, ROLE, "deploy", 900)
    assert sessions().open(made.session_token) == Session(
        made.access_key_id,
        made.secret,
        ACCOUNT,
        f"arn:aws:sts::{ACCOUNT}:assumed-role/builder/deploy",
        1_800_000_900,
        role=ROLE,
    )


def test_the_policies_for_one_session_travel_in_its_token() -> None:
    arns = ("arn:aws:iam::aws:policy/ReadOnlyAccess",)
    made = sessions().issue(ACCOUNT, ROLE, "s", 900, policy='{"Statement": 1}', policy_arns=arns)
    opened = sessions().open(made.session_token)
    assert opened is not None
    assert (opened.policy, opened.policy_arns) == ('{"Statement": 1}', arns)
    with pytest.raises(PackedPolicyTooLarge):
        sessions().issue(ACCOUNT, ROLE, "s", 900, policy='"' * 2000)


@pytest.mark.parametrize(
    "role", ["", "r", "arn:aws:iam::111122223333:roler", f"{ROLE}/", ROLE + "x" * 2048]
)
def test_what_is_no_roles_arn_stands_for_a_role_that_is_not_there(role: str) -> None:
    opened = sessions().open(sessions().issue(ACCOUNT, role, "s", 900).session_token)
    assert opened is not None
    assert opened.principal_arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/-/s"
    assert (opened.role, role_named(opened.role)) == ("-", None)


def test_a_principals_own_session_names_the_key_it_came_from() -> None:
    ann = f"arn:aws:iam::{ACCOUNT}:user/ann"
    made = sessions().issue_to(ACCOUNT, ann, 900, parent="AKIAEXAMPLE")
    opened = sessions().open(made.session_token)
    assert opened is not None
    assert (opened.principal_arn, opened.parent) == (ann, "AKIAEXAMPLE")


def test_no_two_credentials_are_the_same() -> None:
    made = [sessions().issue(ACCOUNT, ROLE, "s", 900) for _ in range(50)]
    assert len({each.secret for each in made}) == 50


def test_another_servers_token_does_not_open() -> None:
    made = sessions(b"a" * 32).issue(ACCOUNT, ROLE, "s", 900)
    assert sessions(b"b" * 32).open(made.session_token) is None


@given(at=st.integers(0), bit=st.integers(0, 7))
def test_a_token_with_any_bit_changed_does_not_open(at: int, bit: int) -> None:
    issued = sessions().issue(ACCOUNT, ROLE, "s", 900)
    sealed = bytearray(base64.urlsafe_b64decode(issued.session_token))
    sealed[at % len(sealed)] ^= 1 << bit
    assert sessions().open(base64.urlsafe_b64encode(bytes(sealed)).decode()) is None


@given(st.text())
def test_no_text_is_a_token(text: str) -> None:
    assert sessions().open(text) is None


@pytest.mark.parametrize("token", ["", "A", "AAAA", "A" * (TOKEN_CHARACTERS + 1)])
def test_what_is_no_token_does_not_open(token: str) -> None:
    assert sessions().open(token) is None
