"""Whose request it is. `NoAuth` believes what the request says; a checker of signatures has the
same port and refuses with `lamella.errors.AccessDenied`.

The region comes from the credential scope of the ``Authorization`` header or of the
``X-Amz-Credential`` query part: https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

ACCOUNT = "000000000000"
REGION = "us-east-1"

_SCOPE = re.compile(r"([^/]+)/\d{8}/([a-z0-9-]+)/[a-z0-9-]+/aws4_request")
_CREDENTIAL = b"Credential="


@dataclass(frozen=True, slots=True)
class Request:
    """What a signature covers, but for the body; header names are lower case."""

    method: str
    raw_path: bytes
    raw_query: bytes
    query: Mapping[str, list[str]]
    headers: Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Identity:
    account: str
    region: str
    principal_arn: str


class Auth(Protocol):
    def identify(self, request: Request) -> Identity:
        """The caller of a request, or AccessDenied."""
        ...


class NoAuth:
    """Everybody is let in, as the root of account 000000000000.

    An access key of twelve digits is taken as the account, so that a test can play two accounts.
    """

    def identify(self, request: Request) -> Identity:
        return _identity(credential(request))


def credential(request: Request) -> str:
    """``KEY/DATE/REGION/lambda/aws4_request`` as the request states it, or ``""``."""
    header = request.headers.get(b"authorization", b"")
    start = header.find(_CREDENTIAL)
    if start >= 0:
        return header[start + len(_CREDENTIAL) :].split(b",", 1)[0].strip().decode("latin-1")
    return request.query.get("X-Amz-Credential", [""])[0]


@lru_cache(maxsize=1024)
def _identity(stated: str) -> Identity:
    scope = _SCOPE.fullmatch(stated)
    key, region = scope.groups() if scope else ("", REGION)
    account = key if len(key) == 12 and key.isascii() and key.isdigit() else ACCOUNT
    return Identity(account, region, f"arn:aws:iam::{account}:root")
