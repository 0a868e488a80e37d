"""Bodies sent as ``aws-chunked``: taken apart, and each chunk's signature checked.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and, with trailing headers,
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass

from lamella.errors import SerializationFailed

SIGNED = b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = b"STREAMING-UNSIGNED-PAYLOAD-TRAILER"
_FORMS = (SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER)
_HEAD = re.compile(rb"([0-9a-fA-F]{1,8})(?:;chunk-signature=([0-9a-f]{64}))?")
_HEAD_BYTES = 128
_TRAILER_BYTES = 8192
_TRAILER_SIGNATURE = b"x-amz-trailer-signature"
_NOTHING = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of the body; ``signature`` is empty where it has none. The last is empty itself."""

    data: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Signer:
    """What chunks are signed with: the key, the moment, the scope and the signature before."""

    key: bytes
    moment: str
    scope: str
    seed: str

    def chunk(self, before: str, data: bytes) -> str:
        return self._signed(
            "AWS4-HMAC-SHA256-PAYLOAD", before, _NOTHING, hashlib.sha256(data).hexdigest()
        )

    def trailer(self, before: str, lines: bytes) -> str:
        return self._signed("AWS4-HMAC-SHA256-TRAILER", before, hashlib.sha256(lines).hexdigest())

    def _signed(self, algorithm: str, *rest: str) -> str:
        text = "\n".join((algorithm, self.moment, self.scope, *rest))
        return hmac.digest(self.key, text.encode(), "sha256").hex()


def is_chunked(payload: bytes) -> bool:
    """Whether an ``x-amz-content-sha256`` says that the body is in chunks."""
    return payload in _FORMS


def decoded(headers: Mapping[bytes, bytes], body: bytes) -> bytes:
    """The body that the chunks hold, or the body itself. Raises SerializationFailed."""
    if headers.get(b"x-amz-content-sha256") not in _FORMS:
        return body
    chunks, _ = taken_apart(body)
    content = b"".join(chunk.data for chunk in chunks)
    length = headers.get(b"x-amz-decoded-content-length")
    if length is not None and length != b"%d" % len(content):
        raise SerializationFailed("x-amz-decoded-content-length is not the length of the chunks.")
    return content


def verified(payload: bytes, body: bytes, signer: Signer) -> bool:
    """Whether every chunk, and the trailer if there is to be one, is signed after what came before.

    Raises SerializationFailed for a body that is not in chunks.
    """
    chunks, trailer = taken_apart(body)
    if payload == UNSIGNED_TRAILER:
        return True
    before = signer.seed
    for chunk in chunks:
        before = signer.chunk(before, chunk.data)
        if not hmac.compare_digest(before.encode(), chunk.signature):
            return False
    if payload == SIGNED:
        return not trailer
    stated = trailer.pop(_TRAILER_SIGNATURE, b"")
    lines = b"".join(b"%b:%b\n" % each for each in trailer.items())
    return hmac.compare_digest(signer.trailer(before, lines).encode(), stated)


def taken_apart(body: bytes) -> tuple[list[Chunk], dict[bytes, bytes]]:
    """The chunks, the empty last one included, and the trailing headers. SerializationFailed."""
    chunks: list[Chunk] = []
    at = 0
    while not chunks or chunks[-1].data:
        end = body.find(b"\r\n", at, at + _HEAD_BYTES)
        head = _HEAD.fullmatch(body, at, end) if end >= 0 else None
        if head is None:
            raise _broken()
        size, start = int(head[1], 16), end + 2
        data = body[start : start + size]
        at = start + size
        if size:
            if body[at : at + 2] != b"\r\n":
                raise _broken()
            at += 2
        chunks.append(Chunk(data, head[2] or b""))
    return chunks, _trailer(body[at:])


def _trailer(rest: bytes) -> dict[bytes, bytes]:
    if len(rest) > _TRAILER_BYTES:
        raise _broken()
    headers: dict[bytes, bytes] = {}
    for line in rest.replace(b"\r\n", b"\n").split(b"\n"):
        if line:
            name, colon, value = line.partition(b":")
            if not colon or name in headers:
                raise _broken()
            headers[name.strip().lower()] = value.strip()
    return headers


def _broken() -> SerializationFailed:
    return SerializationFailed("The body is not in the chunks that x-amz-content-sha256 says.")
