"""Region and account come from what a request says of its credentials."""

from __future__ import annotations

import pytest

from lamella.api.auth import Identity, NoAuth, Request

HEADER = (
    b"AWS4-HMAC-SHA256 Credential=%s/20260101/%s/lambda/aws4_request, "
    b"SignedHeaders=host;x-amz-date, Signature=00"
)


def identified(header: bytes = b"", query: dict[str, list[str]] | None = None) -> Identity:
    headers = {b"authorization": header} if header else {}
    return NoAuth().identify(Request("GET", b"/", b"", query or {}, headers))


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
