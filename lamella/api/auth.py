"""Whose request it is. `NoAuth` believes what the request says; a checker of signatures has the
same port and refuses what it does not believe.

The region comes from the credential scope of the ``Authorization`` header or of the
``X-Amz-Credential`` query part: https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from lamella.accounts.sessions import Session, Sessions

ACCOUNT = "000000000000"
REGION = "us-east-1"

_SCOPE = re.compile(r"([^/]+)/\d{8}/([a-z0-9-]+)/[a-z0-9-]+/aws4_request")
_CREDENTIAL = b"Credential="


@dataclass(frozen=True, slots=True)
class Request:
    """What a signature covers, but for the body; header names are lower case.

    ``headers`` has one value of each name, ``raw_headers`` all of them as they came.
    """

    method: str
    raw_path: bytes
    raw_query: bytes
    query: Mapping[str, list[str]]
    headers: Mapping[bytes, bytes]
    raw_headers: Sequence[tuple[bytes, bytes]] = ()


@dataclass(frozen=True, slots=True)
class Identity:
    """``access_key`` is the id of the key that vouches for the caller, "" where none does."""

    account: str
    region: str
    principal_arn: str
    access_key: str = ""


class Auth(Protocol):
    async def identify(self, request: Request, body: bytes) -> Identity:
        """The caller of a request whose body, as it was sent, is ``body``.

        It runs on the event loop for every request, and suspends only for what it has not met
        before. Raises what AWS answers to a signature that is missing, broken or wrong.
        """
        ...


class NoAuth:
    """Everybody is let in, as the root of account 000000000000.

    An access key of twelve digits is taken as the account, so that a test can play two accounts;
    and who has the token of a session is taken as what it says.
    """

    def __init__(self, sessions: Sessions | None = None) -> None:
        self._sessions = sessions

    async def identify(self, request: Request, body: bytes) -> Identity:
        stated = _identity(credential(request))
        session = self._session(request)
        if session is None:
            return stated
        return Identity(session.account, stated.region, session.principal_arn, session.parent)

    def _session(self, request: Request) -> Session | None:
        """The session that the request says it belongs to, if this server issued it."""
        token = session_token(request)
        return self._sessions.open(token) if token and self._sessions else None


def credential(request: Request) -> str:
    """``KEY/DATE/REGION/lambda/aws4_request`` as the request states it, or ``""``."""
    header = request.headers.get(b"authorization", b"")
    start = header.find(_CREDENTIAL)
    if start >= 0:
        return header[start + len(_CREDENTIAL) :].split(b",", 1)[0].strip().decode("latin-1")
    return request.query.get("X-Amz-Credential", [""])[0]


def session_token(request: Request) -> str:
    """The session token as the request states it, or ``""``."""
    header = request.headers.get(b"x-amz-security-token")
    if header is not None:
        return header.decode("latin-1")
    return request.query.get("X-Amz-Security-Token", [""])[0] if request.query else ""


@lru_cache(maxsize=1024)
def _identity(stated: str) -> Identity:
    scope = _SCOPE.fullmatch(stated)
    key, region = scope.groups() if scope else ("", REGION)
    account = key if len(key) == 12 and key.isascii() and key.isdigit() else ACCOUNT
    return Identity(account, region, f"arn:aws:iam::{account}:root")
