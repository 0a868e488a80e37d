"""Region and account come from what a request says of its credentials."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lamella.accounts.managed import ManagedPolicies
from lamella.accounts.mandates import Mandates
from lamella.accounts.roles import Roles
from lamella.accounts.sessions import Sessions
from lamella.api.auth import Identity, NoAuth
from lamella.api.sigv4 import Request
from lamella.records.sqlite import open_records

TOKEN = b"x-amz-security-token"
SESSIONS = Sessions(b"k" * 32, lambda: 0)
HEADER = (
    b"AWS4-HMAC-SHA256 Credential=%s/20260101/%s/lambda/aws4_request, "
    b"SignedHeaders=host;x-amz-date, Signature=00"
)


def identified(header: bytes = b"", query: dict[str, list[str]] | None = None) -> Identity:
    headers = {b"authorization": header} if header else {}
    return asyncio.run(NoAuth(SESSIONS).identify(Request("GET", b"/", query or {}, headers), b""))


def test_the_region_is_that_of_the_credential_scope() -> None:
    assert identified(HEADER % (b"AKIA", b"eu-central-1")) == Identity(
        "000000000000", "eu-central-1", "arn:aws:iam::000000000000:root"
    )


def test_the_scope_may_stand_in_the_query() -> None:
    query = {"X-Amz-Credential": ["AKIA/20260101/ap-south-1/lambda/aws4_request"]}
    assert identified(query=query).region == "ap-south-1"


def test_an_access_key_of_twelve_digits_is_the_account() -> None:
    assert identified(HEADER % (b"123456789012", b"us-east-1")) == Identity(
        "123456789012", "us-east-1", "arn:aws:iam::123456789012:root"
    )


@pytest.mark.parametrize("header", [b"", b"Bearer x", b"Credential=", HEADER % (b"A", b"EU/../x")])
def test_without_a_scope_the_region_is_the_default(header: bytes) -> None:
    assert identified(header).region == "us-east-1"


def test_a_session_is_believed_in_header_and_query() -> None:
    role = "arn:aws:iam::123456789012:role/r"
    token = SESSIONS.issue("123456789012", role, "s", 900).session_token
    header = HEADER % (b"ASIA", b"eu-west-1")
    request = Request("GET", b"/", {}, {b"authorization": header, TOKEN: token.encode()})
    expected = Identity("123456789012", "eu-west-1", "arn:aws:sts::123456789012:assumed-role/r/s")
    assert asyncio.run(NoAuth(SESSIONS).identify(request, b"")) == expected
    query = {
        "X-Amz-Credential": ["ASIA/20260101/eu-west-1/lambda/aws4_request"],
        "X-Amz-Security-Token": [token],
    }
    assert identified(query=query) == expected


def test_roles_limit_their_sessions_where_they_are_enforced(tmp_path: Path) -> None:
    records = open_records(tmp_path / "records.sqlite")
    roles = Roles(records, lambda: datetime.now(UTC))
    managed = ManagedPolicies(records, roles, lambda: datetime.now(UTC))
    token = SESSIONS.issue("123456789012", "arn:aws:iam::123456789012:role/r", "s", 900)
    request = Request("GET", b"/", {}, {TOKEN: token.session_token.encode()})
    for enforced in (True, False):
        auth = NoAuth(SESSIONS, Mandates(roles, managed, enforced=enforced))
        limits = asyncio.run(auth.identify(request, b"")).limits
        assert (limits is not None) is enforced
        assert asyncio.run(auth.identify(Request("GET", b"/", {}, {}), b"")).limits is None
    records.close()


def test_a_token_that_was_not_issued_here_changes_nothing() -> None:
    request = Request("GET", b"/", {}, {TOKEN: b"FwoGZXIvYXdzE"})
    assert asyncio.run(NoAuth(SESSIONS).identify(request, b"")).account == "000000000000"
