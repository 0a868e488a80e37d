"""What results stand for: whatever a function returns is an answer that can be sent, or none."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.invoke import url_answer
from lamella.invoke.url_answer import Malformed, UrlAnswer
from lamella.invoke.url_event import trace

TEXT = st.text(max_size=10)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
RESULTS = st.fixed_dictionaries(
    {},
    optional={
        "statusCode": st.integers(100, 700) | st.just("200") | VALUES,
        "headers": st.dictionaries(TEXT | st.just("Content-Type"), VALUES, max_size=3) | VALUES,
        "cookies": st.lists(TEXT, max_size=3) | VALUES,
        "body": VALUES,
        "isBase64Encoded": VALUES,
    },
)


def sendable(answer: UrlAnswer) -> None:
    assert 200 <= answer.status <= 599
    for name, value in answer.headers:
        assert re.fullmatch(rb"[!#$%&'*+.^_`|~0-9a-z-]+", name)
        assert not re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", value)
        assert name not in (b"content-length", b"transfer-encoding", b"connection")


@given(RESULTS | VALUES)
def test_whatever_comes_can_be_sent_or_is_malformed(result: Any) -> None:
    for read in (url_answer.read, url_answer.prelude):
        try:
            sendable(read(orjson.dumps(result)))
        except Malformed:
            pass


@given(st.binary(max_size=50))
def test_bytes_that_are_no_json_are_malformed_or_the_body(payload: bytes) -> None:
    try:
        assert url_answer.read(payload).body in (payload, b"")
    except Malformed:
        pass


def test_a_prelude_has_defaults() -> None:
    answer = url_answer.prelude(b'{"cookies": ["a=1"]}')
    assert answer == UrlAnswer(
        200, [(b"set-cookie", b"a=1"), (b"content-type", b"application/octet-stream")]
    )


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body(status: int) -> None:
    sent = orjson.dumps({"statusCode": status, "body": "x"})
    assert url_answer.read(sent).body == b""


def test_a_body_that_is_no_text_is_json() -> None:
    assert url_answer.read(b'{"statusCode": "200", "body": {"a": 1}}').body == b'{"a":1}'


ROOT = "Root=1-5759e988-bd862e3fe1be46a994272793"


@pytest.mark.parametrize(
    ("sent", "root", "header"),
    [
        (f"{ROOT};Sampled=1", ROOT, f"{ROOT};Sampled=1"),
        (f"Self=x;{ROOT}", ROOT, f"Self=x;{ROOT}"),
        ("", None, ""),
        ("Lineage=aaaaaaaa:3", None, ";Lineage=aaaaaaaa:3"),
    ],
)
def test_traces(sent: str, root: str | None, header: str) -> None:
    found = trace(sent)
    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}", found.root)
    if root is None:
        assert found.header == found.root + header
    else:
        assert (found.root, found.header) == (root, header)
