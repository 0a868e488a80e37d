"""The event that a function gets for a request to its URL: AWS's payload format 2.0. Pure.

Source: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads
"""

from __future__ import annotations

import base64
import os
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import orjson

from lamella.model.url import FunctionUrl

HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers of one connection, which say nothing to who is behind it (RFC 9110, 7.6.1)."""

_TEXT = re.compile(r"text/.*|application/(json|xml|javascript|ecmascript|graphql|.+\+json|.+\+xml)")
_ROOT = re.compile(r"(?:^|;)\s*Root=(1-[0-9a-f]{8}-[0-9a-f]{24})\s*(?:;|$)", re.IGNORECASE)
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request to a URL.

    ``path`` and ``query`` are as they came over the wire; ``headers`` may hold a name several
    times; ``source`` is the client's address, ``scheme`` and ``port`` where it was asked.
    """

    method: str
    path: str
    query: str
    headers: Sequence[tuple[str, str]]
    protocol: str
    source: str
    scheme: str
    port: int
    request_id: str
    trace_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signed a request, where the URL asks for a signature."""

    account: str
    arn: str
    access_key: str


def domain_name(url: FunctionUrl) -> str:
    """The name that the URL would have on AWS."""
    return f"{url.id}.lambda-url.{url.region}.on.aws"


def event(url: FunctionUrl, asked: Asked, body: bytes, signer: Signer | None) -> bytes:
    """The event, as JSON."""
    headers = joined(asked)
    made: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": asked.path,
        "rawQueryString": asked.query,
    }
    cookies = [each.strip() for each in headers.get("cookie", "").split(";") if each.strip()]
    if cookies:
        made["cookies"] = cookies
    made["headers"] = headers
    if asked.query:
        made["queryStringParameters"] = _query(asked.query)
    made["requestContext"] = _context(url, asked, headers, signer)
    if body:
        text = as_text(body, headers.get("content-type", ""))
        made["body"] = base64.b64encode(body).decode() if text is None else text
        made["isBase64Encoded"] = text is None
    else:
        made["isBase64Encoded"] = False
    return orjson.dumps(made)


def joined(asked: Asked) -> dict[str, str]:
    """Headers by lower-case name, the values of one name joined by commas.

    What says where a request came from is the server's word, not the client's.
    """
    kept = ((name, value) for name, value in asked.headers if name not in HOP_BY_HOP)
    found = {
        name: ("; " if name == "cookie" else ",").join(values)
        for name, values in _grouped(kept).items()
    }
    found["x-amzn-trace-id"] = asked.trace_id
    found["x-forwarded-for"] = asked.source
    found["x-forwarded-proto"] = asked.scheme
    found["x-forwarded-port"] = str(asked.port)
    return found


def _query(query: str) -> dict[str, str]:
    pairs = parse_qsl(query, keep_blank_values=True, errors="replace")
    return {name: ",".join(values) for name, values in _grouped(pairs).items()}


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def _context(
    url: FunctionUrl, asked: Asked, headers: dict[str, str], signer: Signer | None
) -> dict[str, Any]:
    at = asked.at.astimezone(UTC)
    context: dict[str, Any] = {
        "accountId": "anonymous" if signer is None else signer.account,
        "apiId": url.id,
        "domainName": domain_name(url),
        "domainPrefix": url.id,
        "http": {
            "method": asked.method,
            "path": asked.path,
            "protocol": asked.protocol,
            "sourceIp": asked.source,
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": asked.request_id,
        "routeKey": "$default",
        "stage": "$default",
        "time": f"{at:%d}/{_MONTHS[at.month - 1]}/{at:%Y:%H:%M:%S} +0000",
        "timeEpoch": int(at.timestamp() * 1000),
    }
    if signer is not None:
        context["authorizer"] = {"iam": _iam(signer)}
    return context


def _iam(signer: Signer) -> dict[str, Any]:
    return {
        "accessKey": signer.access_key,
        "accountId": signer.account,
        "callerId": signer.access_key,
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": signer.arn,
        "userId": signer.access_key,
    }


def as_text(body: bytes, content_type: str) -> str | None:
    """A body that is text by its type and by its bytes; None: it travels in base64."""
    if _TEXT.fullmatch(content_type.partition(";")[0].strip().lower()) is None:
        return None
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


@dataclass(frozen=True, slots=True)
class Trace:
    """``root`` names a request to its client (``Root=1-…``); ``header`` is what its invocation gets."""

    root: str
    header: str


def trace(sent: str) -> Trace:
    """The trace of a request that brings this ``X-Amzn-Trace-Id``, or none ("")."""
    found = _ROOT.search(sent)
    if found is not None:
        return Trace(f"Root={found[1]}", sent)
    root = f"Root=1-{int(time.time()):08x}-{os.urandom(12).hex()}"
    return Trace(root, f"{root};{sent}" if sent else root)
