"""The HTTP answer that the result of a function stands for, when its URL was asked. Pure.

A result with a ``statusCode`` is an answer written out; any other JSON is the body of one. A
streamed response may begin with a prelude: status, headers and cookies as JSON, then eight NULs.

Source: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from lamella.errors import LamellaError
from lamella.invoke.url_event import HOP_BY_HOP

PRELUDE_TYPE = "application/vnd.awslambda.http-integration-response"
PRELUDE_END = bytes(8)
PRELUDE_BYTES = 65_536

Header = tuple[bytes, bytes]

# The server says these itself; AWS passes on under another name what a function says of them.
_REMAPPED = HOP_BY_HOP | {
    "date",
    "server",
    "www-authenticate",
    "x-amzn-requestid",
    "x-amzn-trace-id",
}
_DROPPED = frozenset({"content-length", "transfer-encoding", "trailer", "te", "upgrade"})
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_NOT_IN_VALUES = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class Malformed(LamellaError):
    """A result that is no answer: the client gets 502."""


@dataclass(frozen=True, slots=True)
class UrlAnswer:
    """Status, headers (lower case) and body of an answer; ``body`` is empty for a prelude's."""

    status: int
    headers: list[Header]
    body: bytes = b""


def read(payload: bytes) -> UrlAnswer:
    """The answer that a function's whole result stands for. Raises Malformed."""
    result = _json(payload)
    if not isinstance(result, dict) or "statusCode" not in result:
        return UrlAnswer(200, [(b"content-type", b"application/json")], payload)
    status, headers = _head(result, "application/json")
    return UrlAnswer(status, headers, _body(result) if _has_body(status) else b"")


def prelude(data: bytes) -> UrlAnswer:
    """The answer's head that stands in front of a streamed body. Raises Malformed."""
    result = _json(data)
    if not isinstance(result, dict):
        raise Malformed("The prelude is not an object.")
    return UrlAnswer(*_head({"statusCode": 200, **result}, "application/octet-stream"))


def _has_body(status: int) -> bool:
    return status not in (204, 304)


def _json(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Malformed("The result is not JSON.") from error


def _head(result: Mapping[str, Any], default_type: str) -> tuple[int, list[Header]]:
    headers = result.get("headers")
    if headers is None:
        headers = {}
    cookies = result.get("cookies")
    if not isinstance(headers, dict) or not isinstance(cookies, list | None):
        raise Malformed("Headers are an object, and cookies a list.")
    sent = [header(name, value) for name, value in headers.items() if name.lower() not in _DROPPED]
    sent += [header("set-cookie", cookie) for cookie in cookies or ()]
    if not any(name == b"content-type" for name, _ in sent):
        sent.append((b"content-type", default_type.encode()))
    return _status(result["statusCode"]), sent


def _status(value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 200 <= value <= 599:
        raise Malformed(f"{value!r} is no status.")
    return value


def header(name: str, value: Any) -> Header:
    """A header that can be sent, under the name it is sent by. Raises Malformed."""
    if isinstance(value, bool):
        value = "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise Malformed(f"{name} has no value that a header can have.")
    text = str(value)
    if _NAME.fullmatch(name) is None or _NOT_IN_VALUES.search(text):
        raise Malformed(f"{name!r} cannot be a header.")
    lower = name.lower()
    if lower in _REMAPPED:
        lower = f"x-amzn-remapped-{lower}"
    return lower.encode(), text.encode()


def _body(result: Mapping[str, Any]) -> bytes:
    body = result.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        return orjson.dumps(body)
    if result.get("isBase64Encoded") is not True:
        return body.encode()
    try:
        return base64.b64decode(body, validate=True)
    except ValueError as error:
        raise Malformed("The body is not base64.") from error
