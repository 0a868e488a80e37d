"""Whose request it is. `NoAuth` believes what the request says; `SigV4Auth` checks its signature.

The region comes from the credential scope of the ``Authorization`` header or of the
``X-Amz-Credential`` query part: https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from lamella.accounts.keyring import Keyring
from lamella.accounts.keys import AccessKey, is_id
from lamella.accounts.limits import Limits
from lamella.accounts.mandates import Mandates
from lamella.accounts.sessions import Session, Sessions
from lamella.api import sigv4
from lamella.api.sigv4 import Request, Stated
from lamella.errors import ExpiredToken, InvalidSignature, UnrecognizedClient

ACCOUNT = "000000000000"
REGION = "us-east-1"
MOST_ON_LOOP = 131_072
"""Bytes of a body that are hashed on the event loop; more of them are hashed in a thread."""

_SCOPE = re.compile(r"([^/]+)/\d{8}/([a-z0-9-]+)/[a-z0-9-]+/aws4_request")
_CREDENTIAL = b"Credential="


@dataclass(frozen=True, slots=True)
class Identity:
    """``access_key`` is the id of the key that vouches for the caller, "" where none does;
    ``limits`` are the policies that limit what it may do."""

    account: str
    region: str
    principal_arn: str
    access_key: str = ""
    limits: Limits | None = None


class Auth(Protocol):
    async def identify(self, request: Request, body: bytes) -> Identity:
        """The caller of a request whose body, as it was sent, is ``body``.

        It runs on the event loop for every request, and suspends only for what it has not met
        before. Raises what AWS answers to a signature that is missing, broken or wrong.
        """
        ...

    async def admit(self, request: Request) -> None:
        """Raise what `identify` would, as far as that can be told without the body."""
        ...


class NoAuth:
    """Everybody is let in, as the root of account 000000000000.

    An access key of twelve digits is taken as the account, so that a test can play two accounts;
    and who has the token of a session is taken as what it says.
    """

    def __init__(self, sessions: Sessions | None = None, mandates: Mandates | None = None) -> None:
        self._sessions = sessions
        self._mandates = mandates

    async def identify(self, request: Request, body: bytes) -> Identity:
        stated = _identity(credential(request))
        session = self._session(request)
        if session is None:
            return stated
        limits = await _limits(self._mandates, session) if self._mandates else None
        return Identity(
            session.account, stated.region, session.principal_arn, session.parent, limits
        )

    async def admit(self, request: Request) -> None:
        pass

    def _session(self, request: Request) -> Session | None:
        """The session that the request says it belongs to, if this server issued it."""
        token = session_token(request)
        return self._sessions.open(token) if token and self._sessions else None


class SigV4Auth:
    """Those are let in whose signature is that of an access key or a session; ``now`` gives Unix
    time."""

    def __init__(
        self, keyring: Keyring, sessions: Sessions, mandates: Mandates, now: Callable[[], float]
    ) -> None:
        self._keyring = keyring
        self._sessions = sessions
        self._mandates = mandates
        self._now = now

    async def identify(self, request: Request, body: bytes) -> Identity:
        stated = sigv4.read(request, self._now())
        secret, identity = await self._claimed(stated)
        arguments = (request, body, stated, secret)
        if len(body) <= MOST_ON_LOOP:
            good = sigv4.matches(*arguments)
        else:
            good = await asyncio.to_thread(sigv4.matches, *arguments)
        if not good:
            raise InvalidSignature(sigv4.MISMATCH)
        return identity

    async def admit(self, request: Request) -> None:
        await self._claimed(sigv4.read(request, self._now()))

    async def _claimed(self, stated: Stated) -> tuple[str, Identity]:
        """Who the request says it is from, and the secret that would prove it."""
        region, session = stated.scope.region, self._session(stated)
        if session is None:
            key = await self._key(stated.scope.key_id)
            return key.secret, Identity(key.account, region, key.principal_arn, key.id, key.limits)
        if session.parent:
            limits = (await self._key(session.parent)).limits
        else:
            limits = await _limits(self._mandates, session)
        return session.secret, Identity(
            session.account, region, session.principal_arn, session.parent, limits
        )

    def _session(self, stated: Stated) -> Session | None:
        """The session of a request with a token. UnrecognizedClient, ExpiredToken."""
        if not stated.token:
            return None
        session = self._sessions.open(stated.token)
        if session is None or session.access_key_id != stated.scope.key_id:
            raise UnrecognizedClient
        if session.expires <= self._now():
            raise ExpiredToken
        return session

    async def _key(self, key_id: str) -> AccessKey:
        """A good key; one that is not in memory may be new."""
        key = self._keyring.known(key_id)
        if key is None and is_id(key_id):
            key = await asyncio.to_thread(self._keyring.read, key_id)
        if key is None:
            raise UnrecognizedClient
        return key


async def _limits(mandates: Mandates, session: Session) -> Limits | None:
    """What limits a session; what is not in memory is read in a thread."""
    if not mandates.limited(session):
        return None
    return mandates.known(session) or await asyncio.to_thread(mandates.read, session)


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
