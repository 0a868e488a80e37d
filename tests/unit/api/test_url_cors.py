"""The Cors configuration of a URL as headers, case by case."""

from __future__ import annotations

from typing import Any

import pytest

from lamella.api.url_cors import answer_headers, is_allowed, is_preflight, preflight

A = b"https://a.example"
ALLOWED, ORIGIN = b"access-control-allow-origin", (b"vary", b"Origin")


@pytest.mark.parametrize(
    ("allowed", "origin", "expected"),
    [
        (["*"], "https://a.example", True),
        (["https://a.example"], "https://a.example", True),
        (["https://A.example"], "https://a.example", True),
        (["https://a.example"], "https://a.example.evil", False),
        (["https://a.example"], "http://a.example", False),
        (["https://*.example"], "https://b.a.example", True),
        (["https://*.example"], "https://.example", True),
        (["https://*.example"], "https://example", False),
        (["http://localhost:*"], "http://localhost:8080", True),
        (["aXX*XXb"], "aXXXb", False),
        (["*a*b*"], "xbxaxbx", True),
        (["*a*b*"], "xbxax", False),
        ([], "https://a.example", False),
    ],
)
def test_origins(allowed: list[str], origin: str, expected: bool) -> None:
    assert is_allowed(allowed, origin) is expected


@pytest.mark.parametrize(
    ("cors", "origin", "expected"),
    [
        ({"AllowOrigins": ["*"]}, A, {ALLOWED: b"*"}),
        ({"AllowOrigins": ["*"]}, None, {}),
        ({"AllowOrigins": [A.decode()]}, A, {ALLOWED: A, b"vary": b"Origin"}),
        ({"AllowOrigins": [A.decode()]}, b"https://b.example", {}),
        ({}, A, {}),
        (
            {"AllowOrigins": ["*"], "AllowCredentials": True, "ExposeHeaders": ["x-a", "x-b"]},
            A,
            {
                ALLOWED: A,
                b"vary": b"Origin",
                b"access-control-allow-credentials": b"true",
                b"access-control-expose-headers": b"x-a,x-b",
            },
        ),
    ],
)
def test_answers(cors: dict[str, Any], origin: bytes | None, expected: dict[bytes, bytes]) -> None:
    assert dict(answer_headers(cors, origin)) == expected


def asked(method: bytes = b"PUT", wanted: bytes = b"") -> dict[bytes, bytes]:
    headers = {b"origin": A, b"access-control-request-method": method}
    return {**headers, b"access-control-request-headers": wanted} if wanted else headers


def test_what_a_preflight_request_is() -> None:
    assert is_preflight("OPTIONS", asked())
    assert not is_preflight("GET", asked())
    assert not is_preflight("OPTIONS", {b"origin": A})


@pytest.mark.parametrize(
    ("cors", "headers", "expected"),
    [
        ({"AllowMethods": ["GET"]}, asked(b"PUT"), {}),
        ({}, asked(), {}),
        ({"AllowMethods": ["*"]}, asked(), {b"access-control-allow-methods": b"PUT"}),
        (
            {"AllowMethods": ["GET", "PUT"], "AllowHeaders": ["x-a"], "MaxAge": 0},
            asked(b"PUT", b"x-b"),
            {
                b"access-control-allow-methods": b"GET,PUT",
                b"access-control-allow-headers": b"x-a",
                b"access-control-max-age": b"0",
            },
        ),
        (
            {"AllowMethods": ["*"], "AllowHeaders": ["*"]},
            asked(b"PUT", b"x-b,x-c"),
            {
                b"access-control-allow-methods": b"PUT",
                b"access-control-allow-headers": b"x-b,x-c",
            },
        ),
    ],
)
def test_preflights(
    cors: dict[str, Any], headers: dict[bytes, bytes], expected: dict[bytes, bytes]
) -> None:
    sent = dict(preflight({"AllowOrigins": ["*"], **cors}, headers))
    assert sent == ({ALLOWED: b"*", **expected} if expected else {})
