"""Temporary credentials: an access key, a secret and a token that carries all there is to know.

A token holds whose session it is and until when, sealed with a key of the server's, and the secret
is derived from it; so nothing is kept for a session, and it outlives a restart. Source of the form:
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp.html
"""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson

PREFIX = "ASIA"
TOKEN_CHARACTERS = 4096
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_MAC_BYTES = 32


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client signs with; ``expires`` is in UTC, to the second."""

    access_key_id: str
    secret: str = field(repr=False)
    session_token: str = field(repr=False)
    expires: datetime


@dataclass(frozen=True, slots=True)
class Session:
    """What a token says. ``expires`` is Unix time; ``parent`` the access key whose policy and
    whose end are the session's too, or ``""``."""

    access_key_id: str
    secret: str = field(repr=False)
    account: str
    principal_arn: str
    expires: int
    parent: str = ""


class Sessions:
    """Issues credentials and opens their tokens. ``key`` is secret, ``now`` gives Unix time."""

    def __init__(self, key: bytes, now: Callable[[], float]) -> None:
        self._key = key
        self._now = now
        self._opened = lru_cache(maxsize=4096)(self._open)

    def issue(self, account: str, role_arn: str, session_name: str, seconds: int) -> Credentials:
        """Credentials of a role: ``account`` is the role's, and all of it is open to them."""
        role = role_arn.rpartition("/")[2]
        principal = f"arn:aws:sts::{account}:assumed-role/{role}/{session_name}"
        return self._sealed(account, principal, seconds, "")

    def issue_to(
        self, account: str, principal_arn: str, seconds: int, *, parent: str
    ) -> Credentials:
        """Credentials of a principal itself (GetSessionToken), no more able than its access key
        ``parent`` and at an end when that is revoked."""
        return self._sealed(account, principal_arn, seconds, parent)

    def open(self, token: str) -> Session | None:
        """What a token says, whether it is over or not; None if it was not issued here."""
        return self._opened(token) if len(token) <= TOKEN_CHARACTERS else None

    def _sealed(self, account: str, principal: str, seconds: int, parent: str) -> Credentials:
        key_id = PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(16))
        expires = int(self._now()) + seconds
        said = orjson.dumps([key_id, account, principal, expires, parent])
        token = base64.urlsafe_b64encode(said + self._mac(b"token", said)).decode()
        moment = datetime.fromtimestamp(expires, UTC)
        return Credentials(key_id, self._secret(said), token, moment)

    def _open(self, token: str) -> Session | None:
        try:
            sealed = base64.urlsafe_b64decode(token.encode())
        except ValueError:
            return None
        said, mac = sealed[:-_MAC_BYTES], sealed[-_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(b"token", said)):
            return None
        values: list[Any] = orjson.loads(said)
        key_id, account, principal, expires, parent = values
        return Session(key_id, self._secret(said), account, principal, expires, parent)

    def _secret(self, said: bytes) -> str:
        return base64.b64encode(self._mac(b"secret", said)[:30]).decode()

    def _mac(self, purpose: bytes, said: bytes) -> bytes:
        return hmac.digest(self._key, purpose + b"\0" + said, "sha256")
