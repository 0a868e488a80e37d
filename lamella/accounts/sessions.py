"""Temporary credentials: an access key, a secret and a token that carries all there is to know.

A token holds whose session it is and until when, sealed with a key of the server's, and the secret
is derived from it; so nothing is kept for a session, and it outlives a restart. Source of the form:
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp.html
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson

from lamella.errors import PackedPolicyTooLarge

PREFIX = "ASIA"
TOKEN_CHARACTERS = 4096
VALUES = 8
NO_ROLE = "-"
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_MAC_BYTES = 32
_ROLE = re.compile(
    r"arn:aws[a-z-]*:iam::(?P<account>\d{12}):role/(?:[!-~]+/)?(?P<name>[\w+=,.@-]{1,64})",
    re.ASCII,
)
ROLE_CHARACTERS = 2048


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client signs with; ``expires`` is in UTC, to the second."""

    access_key_id: str
    secret: str = field(repr=False)
    session_token: str = field(repr=False)
    expires: datetime


@dataclass(frozen=True, slots=True)
class Session:
    """What a token says.

    ``expires`` is Unix time; ``parent`` the access key whose policy and whose end are the session's
    too, or ``""``. ``role`` is the ARN of the role whose session it is, or ``""``; ``policy`` and
    ``policy_arns`` are the policy document, and the managed policies, for this session alone.
    """

    access_key_id: str
    secret: str = field(repr=False)
    account: str
    principal_arn: str
    expires: int
    parent: str = ""
    role: str = ""
    policy: str = ""
    policy_arns: tuple[str, ...] = ()


def role_named(arn: str) -> tuple[str, str] | None:
    """The account and name in a role's ARN; None for what is none."""
    found = _ROLE.fullmatch(arn) if len(arn) <= ROLE_CHARACTERS else None
    return None if found is None else (found["account"], found["name"])


class Sessions:
    """Issues credentials and opens their tokens. ``key`` is secret, ``now`` gives Unix time."""

    def __init__(self, key: bytes, now: Callable[[], float]) -> None:
        self._key = key
        self._now = now
        self._opened = lru_cache(maxsize=4096)(self._open)

    def issue(
        self,
        account: str,
        role_arn: str,
        session_name: str,
        seconds: int,
        *,
        policy: str = "",
        policy_arns: Sequence[str] = (),
    ) -> Credentials:
        """Credentials of a role, good in ``account``; ``policy`` and ``policy_arns`` narrow them.

        What is no role's ARN stands for a role that is not there. PackedPolicyTooLarge.
        """
        named = role_named(role_arn)
        role = role_arn if named else NO_ROLE
        name = named[1] if named else NO_ROLE
        principal = f"arn:aws:sts::{account}:assumed-role/{name}/{session_name}"
        return self._sealed(account, principal, seconds, "", role, policy, [*policy_arns])

    def issue_to(
        self, account: str, principal_arn: str, seconds: int, *, parent: str
    ) -> Credentials:
        """Credentials of a principal itself (GetSessionToken), no more able than its access key
        ``parent`` and at an end when that is revoked."""
        return self._sealed(account, principal_arn, seconds, parent, "", "", [])

    def open(self, token: str) -> Session | None:
        """What a token says, whether it is over or not; None if it was not issued here."""
        return self._opened(token) if len(token) <= TOKEN_CHARACTERS else None

    def _sealed(self, account: str, principal: str, seconds: int, *more: Any) -> Credentials:
        key_id = PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(16))
        expires = int(self._now()) + seconds
        said = orjson.dumps([key_id, account, principal, expires, *more])
        token = base64.urlsafe_b64encode(said + self._mac(b"token", said)).decode()
        if len(token) > TOKEN_CHARACTERS:
            raise PackedPolicyTooLarge("Serialized token too large for session")
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
        if len(values) != VALUES:  # an older server of the same key issued it
            return None
        key_id, account, principal, expires, parent, role, policy, arns = values
        return Session(
            key_id,
            self._secret(said),
            account,
            principal,
            expires,
            parent,
            role,
            policy,
            tuple(arns),
        )

    def _secret(self, said: bytes) -> str:
        return base64.b64encode(self._mac(b"secret", said)[:30]).decode()

    def _mac(self, purpose: bytes, said: bytes) -> bytes:
        return hmac.digest(self._key, purpose + b"\0" + said, "sha256")
