"""Bodies in chunks: each chunk is signed after the one before, and none can be changed or left out."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.api import aws_chunked
from lamella.api.sigv4 import signing_key
from lamella.errors import SerializationFailed
from tests.unit.api.signing import ACCOUNT, Desk, Sent, invalid

NOTHING = hashlib.sha256(b"").hexdigest()
SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
PARTS = [b"a" * 70_000, b"\r\n0\r\n", b"end"]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    desk = Desk(tmp_path_factory.mktemp("desk"))
    yield desk
    desk.close()


def sent(desk: Desk, form: str, parts: list[bytes], trailer: dict[str, str] | None = None) -> Sent:
    """A request as a client of S3 streams it: botocore signs the head, the chunks are signed here."""
    head = desk.signed(
        body=b"",
        headers={
            "X-Amz-Content-SHA256": form,
            "X-Amz-Decoded-Content-Length": str(len(b"".join(parts))),
            "Content-Encoding": "aws-chunked",
        },
    )
    moment = head.request.headers[b"x-amz-date"].decode()
    scope = f"{moment[:8]}/eu-west-1/lambda/aws4_request"
    key = signing_key(desk.key.secret, moment[:8], "eu-west-1", "lambda")
    before = head.request.headers[b"authorization"].decode().rpartition("Signature=")[2]

    def signature(kind: str, *rest: str) -> str:
        text = "\n".join((f"AWS4-HMAC-SHA256-{kind}", moment, scope, *rest))
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()

    body = b""
    for part in [*parts, b""]:
        before = signature("PAYLOAD", before, NOTHING, hashlib.sha256(part).hexdigest())
        signed = "" if form == UNSIGNED else f";chunk-signature={before}"
        body += f"{len(part):x}{signed}\r\n".encode() + part + (b"\r\n" if part else b"")
    for name, value in (trailer or {}).items():
        body += f"{name}:{value}\r\n".encode()
    if form == TRAILER:
        lines = "".join(f"{name}:{value}\n" for name, value in (trailer or {}).items())
        digest = hashlib.sha256(lines.encode()).hexdigest()
        body += f"x-amz-trailer-signature:{signature('TRAILER', before, digest)}\r\n".encode()
    return head.but(body=body + b"\r\n")


@pytest.mark.parametrize(
    ("form", "trailer"),
    [(SIGNED, None), (TRAILER, {"x-amz-checksum-crc32c": "sOO8/Q=="}), (UNSIGNED, {"a": "b"})],
)
def test_chunks_are_checked_and_taken_off(
    desk: Desk, form: str, trailer: dict[str, str] | None
) -> None:
    for parts in (PARTS, [], [b"x"]):
        whole = sent(desk, form, parts, trailer)
        assert desk.identity(whole).account == ACCOUNT
        assert aws_chunked.decoded(whole.request.headers, whole.body) == b"".join(parts)


def test_a_chunk_that_was_changed_moved_or_left_out_is_refused(desk: Desk) -> None:
    whole = sent(desk, SIGNED, [b"one", b"two"])
    lines = whole.body.split(b"\r\n")
    changed = whole.body.replace(b"two", b"TWO")
    swapped = b"\r\n".join([*lines[2:4], *lines[:2], *lines[4:]])
    shortened = b"\r\n".join([*lines[:2], *lines[4:]])
    unsigned = b"3\r\none\r\n0\r\n\r\n"
    for body in (changed, swapped, shortened, unsigned):
        assert desk.refusal(whole.but(body=body)) == invalid()


def test_a_trailer_that_was_changed_added_or_left_out_is_refused(desk: Desk) -> None:
    whole = sent(desk, TRAILER, [b"one"], {"x-amz-checksum-crc32": "AAAAAA=="})
    changed = whole.body.replace(b"AAAAAA==", b"BAAAAA==")
    added = whole.body.replace(b"x-amz-trailer", b"x-amz-more:1\r\nx-amz-trailer")
    without = whole.body.replace(b"x-amz-checksum-crc32:AAAAAA==\r\n", b"")
    for body in (changed, added, without):
        assert desk.refusal(whole.but(body=body)) == invalid()
    plain = sent(desk, SIGNED, [b"one"])
    assert desk.refusal(plain.but(body=plain.body + b"a:b\r\n")) == invalid()


def test_a_body_of_no_chunks_and_a_wrong_length_are_refused(desk: Desk) -> None:
    whole = sent(desk, SIGNED, [b"one"])
    for body in (b"", b"{}", b"5\r\nab\r\n", b"3;chunk-signature=0\r\none\r\n", whole.body[:-80]):
        assert desk.refusal(whole.but(body=body))[:2] == (400, "SerializationException")
    headers = {**whole.request.headers, b"x-amz-decoded-content-length": b"4"}
    with pytest.raises(SerializationFailed, match="is not the length of the chunks"):
        aws_chunked.decoded(headers, whole.body)


def test_a_body_that_is_not_in_chunks_is_left_alone() -> None:
    assert aws_chunked.decoded({}, b"3\r\none\r\n0\r\n\r\n") == b"3\r\none\r\n0\r\n\r\n"


@given(
    st.lists(
        st.sampled_from([b"0", b"3", b"abc", b"\r\n", b";chunk-signature=", b"a:b"]) | st.binary()
    )
)
def test_any_bytes_are_chunks_or_refused(parts: list[bytes]) -> None:
    try:
        chunks, _ = aws_chunked.taken_apart(b"".join(parts))
    except SerializationFailed:
        return
    assert chunks[-1].data == b""
