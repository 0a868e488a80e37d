"""What a function URL tells browsers of other origins: its Cors configuration as headers. Pure.

Sources: https://docs.aws.amazon.com/lambda/latest/dg/urls-configuration.html#urls-cors,
https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lamella.api.serialise import Header

OWN = frozenset(
    {
        b"access-control-allow-origin",
        b"access-control-allow-credentials",
        b"access-control-allow-methods",
        b"access-control-allow-headers",
        b"access-control-expose-headers",
        b"access-control-max-age",
    }
)
"""Headers that the configuration decides; where there is one, the function's own are dropped."""

Cors = Mapping[str, Any]


def is_preflight(method: str, headers: Mapping[bytes, bytes]) -> bool:
    return (
        method == "OPTIONS" and b"origin" in headers and b"access-control-request-method" in headers
    )


def preflight(cors: Cors, headers: Mapping[bytes, bytes]) -> list[Header]:
    """The headers that answer a browser's question before its request; none: it may not ask."""
    sent = origin_headers(cors, headers.get(b"origin"))
    method = headers[b"access-control-request-method"]
    methods = [each.upper().encode() for each in cors.get("AllowMethods") or ()]
    if not sent or not ({b"*", method.upper()} & set(methods)):
        return []
    sent.append(
        (b"access-control-allow-methods", method if b"*" in methods else b",".join(methods))
    )
    wanted = headers.get(b"access-control-request-headers", b"")
    allowed = cors.get("AllowHeaders") or ()
    if "*" in allowed and wanted:
        sent.append((b"access-control-allow-headers", wanted))
    elif allowed:
        sent.append((b"access-control-allow-headers", ",".join(allowed).encode()))
    if "MaxAge" in cors:
        sent.append((b"access-control-max-age", b"%d" % cors["MaxAge"]))
    return sent


def answer_headers(cors: Cors, origin: bytes | None) -> list[Header]:
    """The headers of an answer to a request with this ``Origin``."""
    sent = origin_headers(cors, origin)
    exposed = cors.get("ExposeHeaders")
    if sent and exposed:
        sent.append((b"access-control-expose-headers", ",".join(exposed).encode()))
    return sent


def origin_headers(cors: Cors, origin: bytes | None) -> list[Header]:
    """Who may read, none if ``origin`` may not.

    A browser takes no ``*`` together with credentials, so that origin itself is named then.
    """
    allowed = tuple(cors.get("AllowOrigins") or ())
    if origin is None or not is_allowed(allowed, origin.decode("latin-1")):
        return []
    with_credentials = cors.get("AllowCredentials") is True
    if "*" in allowed and not with_credentials:
        return [(b"access-control-allow-origin", b"*")]
    sent = [(b"access-control-allow-origin", origin), (b"vary", b"Origin")]
    if with_credentials:
        sent.append((b"access-control-allow-credentials", b"true"))
    return sent


def is_allowed(allowed: Sequence[str], origin: str) -> bool:
    """Whether one of the origins, in which ``*`` stands for any characters, is ``origin``."""
    return any(_matches(each.lower(), origin.lower()) for each in allowed)


def _matches(pattern: str, text: str) -> bool:
    """Without a regular expression, whose time a pattern of many stars would make explode."""
    first, *middle = pattern.split("*")
    if not middle:
        return text == pattern
    last = middle.pop()
    end = len(text) - len(last)
    if not (text.startswith(first) and text.endswith(last) and len(first) <= end):
        return False
    position = len(first)
    for part in middle:
        position = text.find(part, position, end)
        if position < 0:
            return False
        position += len(part)
    return True
