"""Signature version 4: what a request states of its signature, and whether that is the right one.

Pure: whose key it is, and what time it is, is given. The words are AWS's. Source:
https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
"""

from __future__ import annotations

import base64
import calendar
import hashlib
import hmac
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import lru_cache
from urllib.parse import quote, quote_from_bytes

from lamella.api import aws_chunked
from lamella.errors import IncompleteSignature, InvalidSignature, MissingAuthenticationToken

ALGORITHM = "AWS4-HMAC-SHA256"
TERMINATOR = "aws4_request"
SKEW_SECONDS = 900
MOST_EXPIRES = 604_800
MOST_STATED = 8192
UNSIGNED = b"UNSIGNED-PAYLOAD"
MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your "
    "AWS Secret Access Key and signing method. Consult the service documentation for details."
)

_HEADER = re.compile(
    rb"AWS4-HMAC-SHA256 Credential=([!-+\--.0-~]+/[!-+\--~]+), ?"
    rb"SignedHeaders=([!-+\--~]+), ?Signature=([0-9a-f]{64})"
)
_MOMENT = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_FORMAT = "%Y%m%dT%H%M%SZ"
_REGION = re.compile(r"[a-z]{2,}(?:-[a-z]+)+-[0-9]")
_PARAMETERS = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders")


@dataclass(frozen=True, slots=True)
class Request:
    """What a signature covers, but for the body; header names are lower case.

    ``headers`` has one value of each name, ``raw_headers`` all of them as they came. ``service`` is
    the one it has come to, "" where any will do.
    """

    method: str
    raw_path: bytes
    query: Mapping[str, list[str]]
    headers: Mapping[bytes, bytes]
    raw_headers: Sequence[tuple[bytes, bytes]] = ()
    service: str = ""


@dataclass(frozen=True, slots=True)
class Scope:
    """A credential in its parts: ``KEY/DATE/REGION/SERVICE/aws4_request``."""

    key_id: str
    date: str
    region: str
    service: str
    terminator: str

    def __str__(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/{self.terminator}"


@dataclass(frozen=True, slots=True)
class Stated:
    """What a request says of its signature. ``moment`` is ``20260101T000000Z``; ``seconds`` is how
    long a presigned request is good, None where the headers are signed."""

    scope: Scope
    signed: bytes
    signature: bytes
    moment: str
    token: str
    seconds: int | None = None


def read(request: Request, now: float) -> Stated:
    """What the request states, found good but for its signature at Unix time ``now``.

    Raises MissingAuthenticationToken, IncompleteSignature and InvalidSignature.
    """
    header = request.headers.get(b"authorization")
    if header is not None:
        stated = _from_header(request, header)
    elif request.query and "X-Amz-Algorithm" in request.query:
        stated = _from_query(request.query)
    else:
        raise MissingAuthenticationToken
    _check_scope(stated, request.service)
    _check_signed_headers(request, stated)
    _check_clock(stated, now)
    return stated


def matches(request: Request, body: bytes, stated: Stated, secret: str) -> bool:
    """Whether the signature is the one that ``secret`` gives for this request and its body as it
    was sent. Raises SerializationFailed for a body in chunks that cannot be read."""
    scope = stated.scope
    key = signing_key(secret, scope.date, scope.region, scope.service)
    payload = _payload(request)
    chunked = aws_chunked.is_chunked(payload)
    if not chunked and payload != UNSIGNED:
        payload = hashlib.sha256(body).hexdigest().encode()
    digest = hashlib.sha256(canonical(request, stated, payload)).hexdigest()
    head = f"{ALGORITHM}\n{stated.moment}\n{scope}\n{digest}"
    expected = hmac.digest(key, head.encode(), "sha256").hex().encode()
    if not hmac.compare_digest(expected, stated.signature):
        return False
    if not chunked:
        return True
    signer = aws_chunked.Signer(key, stated.moment, str(scope), expected.decode())
    return aws_chunked.verified(payload, body, signer)


def canonical(request: Request, stated: Stated, payload: bytes) -> bytes:
    """The canonical request; ``payload`` is the body's digest or what stands for it."""
    query = _canonical_query(request.query) if request.query else ""
    parts = [request.method.encode(), _canonical_path(request.raw_path), query.encode()]
    parts += _canonical_headers(request, stated.signed)
    parts += [b"", stated.signed, payload]
    return b"\n".join(parts)


@lru_cache(maxsize=1024)
def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, TERMINATOR):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _from_header(request: Request, header: bytes) -> Stated:
    date = request.headers.get(b"x-amz-date") or request.headers.get(b"date")
    _check_length(header)
    found = _HEADER.fullmatch(header)
    if found is not None:
        credential, signed, signature = found.groups()
    else:
        credential, signed, signature = _pairs(header, dated=date is not None)
    if date is None:
        _pairs(header, dated=False)
        raise AssertionError("a header without a date is refused")
    return Stated(
        _scope(credential),
        signed,
        signature,
        _moment(date),
        request.headers.get(b"x-amz-security-token", b"").decode("latin-1"),
    )


def _pairs(header: bytes, *, dated: bool) -> tuple[bytes, bytes, bytes]:
    """The three values of an Authorization header in whatever order, or what is wrong with it."""
    algorithm, _, rest = header.partition(b" ")
    if algorithm.startswith(b"AWS4-") and algorithm != ALGORITHM.encode():
        raise IncompleteSignature(f"Unsupported AWS 'algorithm': '{algorithm.decode('latin-1')}'.")
    hashed = base64.b64encode(hashlib.sha256(header).digest()).decode()
    values: dict[bytes, bytes] = {}
    for pair in (rest if algorithm == ALGORITHM.encode() else header).split(b","):
        name, equals, value = pair.strip().partition(b"=")
        if (pair.strip() and not equals) or name in values:
            raise IncompleteSignature(
                "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with "
                f"SHA-256 and encoded with Base64): '{hashed}'."
            )
        values[name] = value
    names = (b"Credential", b"SignedHeaders", b"Signature")
    missing = [name.decode() for name in names if not values.get(name)]
    faults = [f"Authorization header requires '{name}' parameter." for name in missing]
    if not dated:
        faults.append(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
        )
    if not faults and algorithm != ALGORITHM.encode():
        faults.append(f"Authorization header requires the algorithm '{ALGORITHM}'.")
    if faults:
        faults.append(f"(Hashed with SHA-256 and encoded with Base64) Authorization={hashed}")
        raise IncompleteSignature(" ".join(faults))
    return values[b"Credential"], values[b"SignedHeaders"], values[b"Signature"]


def _from_query(query: Mapping[str, list[str]]) -> Stated:
    missing = [name for name in (*_PARAMETERS, "X-Amz-Signature") if not query.get(name, [""])[0]]
    if missing:
        listed = " ".join(f"AWS query-string parameters must include '{name}'." for name in missing)
        raise IncompleteSignature(f"{listed} Re-examine the query-string parameters.")
    algorithm, credential, date, signed = (query[name][0] for name in _PARAMETERS)
    _check_length(credential.encode())
    _check_length(signed.encode())
    if algorithm != ALGORITHM:
        raise IncompleteSignature(f"Unsupported AWS 'algorithm': '{algorithm}'.")
    return Stated(
        _scope(credential.encode()),
        signed.encode(),
        query["X-Amz-Signature"][0].encode(),
        _moment(date.encode()),
        query.get("X-Amz-Security-Token", [""])[0],
        _expires(query.get("X-Amz-Expires", [str(SKEW_SECONDS)])[0]),
    )


def _check_length(stated: bytes) -> None:
    """What is longer would only fill the caches."""
    if len(stated) > MOST_STATED:
        raise IncompleteSignature(
            f"A signature takes no more than {MOST_STATED} characters to state."
        )


def _expires(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,7}", text, re.ASCII) or not 0 < int(text) <= MOST_EXPIRES:
        raise IncompleteSignature(
            f"X-Amz-Expires must be a number of seconds from 1 to {MOST_EXPIRES}, which is a week."
        )
    return int(text)


@lru_cache(maxsize=256)
def _scope(credential: bytes) -> Scope:
    text = credential.decode("utf-8", "replace")
    parts = text.split("/")
    if len(parts) != 5:
        raise IncompleteSignature(
            "Credential must have exactly 5 slash-delimited elements, "
            f"e.g. keyid/date/region/service/term, got '{text}'"
        )
    return Scope(*parts)


@lru_cache(maxsize=256)
def _moment(date: bytes) -> str:
    """A date of a header as ``20260101T000000Z``."""
    text = date.decode("latin-1").strip()
    try:
        moment = text
        if not _MOMENT.fullmatch(text):
            moment = time.strftime(_FORMAT, parsedate_to_datetime(text[:64]).utctimetuple())
        _unix(moment)
        return moment
    except (ValueError, OverflowError):
        raise IncompleteSignature(
            f"Date must be in ISO-8601 'basic format'. Got '{text}'. "
            "See http://en.wikipedia.org/wiki/ISO_8601"
        ) from None


@lru_cache(maxsize=256)
def _unix(moment: str) -> int:
    return calendar.timegm(time.strptime(moment, _FORMAT))


def _check_scope(stated: Stated, service: str) -> None:
    scope = stated.scope
    faults = []
    if not _REGION.fullmatch(scope.region):
        faults.append("Credential should be scoped to a valid region.")
    if service and scope.service != service:
        faults.append(f"Credential should be scoped to correct service: '{service}'.")
    if scope.terminator != TERMINATOR:
        faults.append(
            f"Credential should be scoped with a valid terminator: '{TERMINATOR}', "
            f"not '{scope.terminator}'."
        )
    if scope.date != stated.moment[:8]:
        faults.append(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from "
            f"HTTP: '{scope.date}' != '{stated.moment[:8]}', from '{stated.moment}'."
        )
    if faults:
        raise InvalidSignature(" ".join(faults))


def _check_signed_headers(request: Request, stated: Stated) -> None:
    """The host, the date and all of AWS's own headers must be covered by the signature."""
    signed = _split(stated.signed)
    needed = [b"host"]
    if stated.seconds is None and b"x-amz-date" not in request.headers:
        needed.append(b"date")
    needed += [name for name in request.headers if name.startswith(b"x-amz-")]
    for name in needed:
        if name not in signed:
            shown = name.decode("latin-1").title() if name != b"host" else "Host' or ':authority"
            raise InvalidSignature(f"'{shown}' must be a 'SignedHeader' in the AWS Authorization.")


def _check_clock(stated: Stated, now: float) -> None:
    at, current = _unix(stated.moment), int(now)
    seconds = SKEW_SECONDS if stated.seconds is None else stated.seconds
    if at < current - seconds:
        raise InvalidSignature(
            f"Signature expired: {stated.moment} is now earlier than {_text(current - seconds)} "
            f"({_text(current)} - {_minutes(seconds)})"
        )
    if at > current + SKEW_SECONDS:
        raise InvalidSignature(
            f"Signature not yet current: {stated.moment} is still later than "
            f"{_text(current + SKEW_SECONDS)} ({_text(current)} + {_minutes(SKEW_SECONDS)})"
        )


def _text(unix: int) -> str:
    return time.strftime(_FORMAT, time.gmtime(unix))


def _minutes(seconds: int) -> str:
    return f"{seconds // 60} min." if seconds % 60 == 0 else f"{seconds} sec."


def _payload(request: Request) -> bytes:
    """What the request states of its payload; only what is no digest of it is believed."""
    stated = request.headers.get(b"x-amz-content-sha256")
    if stated is None and request.query:
        unsigned = request.query.get("X-Amz-Content-Sha256") == [UNSIGNED.decode()]
        return UNSIGNED if unsigned else b""
    return stated or b""


@lru_cache(maxsize=256)
def _split(signed: bytes) -> Mapping[bytes, None]:
    return dict.fromkeys(signed.split(b";"))


def _canonical_headers(request: Request, signed: bytes) -> list[bytes]:
    headers: Mapping[bytes, bytes] = request.headers
    if len(headers) < len(request.raw_headers):  # some came more than once
        joined: dict[bytes, bytes] = {}
        for name, value in request.raw_headers:
            joined[name] = joined[name] + b"," + value.strip() if name in joined else value
        headers = joined
    lines = []
    for name in _split(signed):
        value = headers.get(name, b"").strip()
        if b"  " in value:
            value = b" ".join(value.split())
        lines.append(name + b":" + value)
    return lines


def _canonical_path(path: bytes) -> bytes:
    """The path as it came, encoded once more; ``.``, ``..`` and empty segments are worked out, as
    AWS's own clients do it: a dot at the end leaves no slash behind."""
    if b"/." in path or b"//" in path:
        kept: list[bytes] = []
        for segment in path.split(b"/"):
            if segment == b".." and kept:
                kept.pop()
            elif segment not in (b"", b".", b".."):
                kept.append(segment)
        trailing = b"/" if kept and path.endswith(b"/") else b""
        path = b"/" + b"/".join(kept) + trailing
    return quote_from_bytes(path, safe="/~").encode()


def _canonical_query(query: Mapping[str, list[str]]) -> str:
    pairs = [
        (quote(name, safe="-_.~"), quote(value, safe="-_.~"))
        for name, values in query.items()
        if name != "X-Amz-Signature"
        for value in values
    ]
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))
