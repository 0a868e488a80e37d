"""Access keys: made, listed, revoked. A key belongs to an account, and may be limited by a policy.

Signatures are HMACs, so the secret itself is kept; the data directory is its owner's alone.
Source of the form: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys.html
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from lamella.accounts.limits import Limits
from lamella.accounts.policy import read as read_policy
from lamella.errors import Refused
from lamella.model.document import GLOBAL, DocumentKey, Kind
from lamella.records.base import Records

PREFIX = "AKIA"
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_ID = re.compile(r"AKIA[A-Z2-7]{16}")
_ACCOUNT = re.compile(r"[0-9]{12}")
_NAME = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)


@dataclass(frozen=True)
class AccessKey:
    """A key. ``name`` is the user's, "" for the account's root; ``policy`` limits it to what that
    allows, None to nothing; ``revoked`` is when it was, None while it is good. Times in UTC."""

    id: str
    secret: str = field(repr=False)
    account: str
    name: str
    created: datetime
    revoked: datetime | None = None
    policy: Mapping[str, Any] | None = None

    @property
    def principal_arn(self) -> str:
        return f"arn:aws:iam::{self.account}:{f'user/{self.name}' if self.name else 'root'}"

    @cached_property
    def limits(self) -> Limits | None:
        """The policy, read; a stored one was read before it was stored."""
        return None if self.policy is None else Limits.of_key(read_policy(self.policy))


def is_id(text: str) -> bool:
    """Whether a text has the form of an access key's id."""
    return _ID.fullmatch(text) is not None


def create(
    records: Records,
    account: str,
    name: str,
    limits: Mapping[str, Any] | None,
    now: datetime,
) -> AccessKey:
    """A new key, kept for good. Raises Refused with every fault of what was asked for."""
    faults = check_account(account)
    if name and not _NAME.fullmatch(name):
        faults.append(f"The name {name!r} must be 1 to 64 letters, digits or any of +=,.@_-.")
    if limits is not None:
        faults += _faults(limits)
        if not name:
            faults.append("A key with a policy needs a name: no policy limits an account's root.")
    if faults:
        raise Refused(*faults)
    key = AccessKey(
        id=PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(16)),
        secret=base64.b64encode(secrets.token_bytes(30)).decode(),
        account=account,
        name=name,
        created=now.replace(microsecond=0),
        policy=limits,
    )
    at = DocumentKey(Kind.ACCESS_KEY, account, GLOBAL, key.id)
    records.change_document(at, lambda before: _to_value(key), handle=key.id)
    return key


def listed(records: Records) -> list[AccessKey]:
    """All keys, revoked ones too, by account and age."""
    keys = [_from_value(each.value) for each in records.all_documents(Kind.ACCESS_KEY)]
    return sorted(keys, key=lambda key: (key.account, key.created, key.id))


def find(records: Records, key_id: str) -> AccessKey | None:
    found = records.document_by_handle(Kind.ACCESS_KEY, key_id)
    return None if found is None else _from_value(found.value)


def revoke(records: Records, key_id: str, now: datetime) -> AccessKey:
    """End a key for good; one that is revoked stays as it is. Raises Refused for none."""
    found = records.document_by_handle(Kind.ACCESS_KEY, key_id)
    if found is None:
        raise Refused(f"There is no access key {key_id}.")

    def change(value: Mapping[str, Any] | None) -> dict[str, Any]:
        kept = dict(value or found.value)
        return kept if kept["revoked"] else {**kept, "revoked": _written(now)}

    value = records.change_document(found.at, change)
    assert value is not None
    return _from_value(value)


def check_account(account: str) -> list[str]:
    """The fault of an account's number, if it has one."""
    if _ACCOUNT.fullmatch(account):
        return []
    return [f"The account {account!r} must be 12 digits, for example 111122223333."]


def _faults(limits: Mapping[str, Any]) -> list[str]:
    try:
        read_policy(limits)
    except Refused as refused:
        return list(refused.faults)
    return []


def _to_value(key: AccessKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "secret": key.secret,
        "account": key.account,
        "name": key.name,
        "created": _written(key.created),
        "revoked": key.revoked and _written(key.revoked),
        "policy": key.policy,
    }


def _from_value(value: Mapping[str, Any]) -> AccessKey:
    revoked = value["revoked"]
    return AccessKey(
        **{
            **value,
            "created": datetime.fromisoformat(value["created"]),
            "revoked": revoked and datetime.fromisoformat(revoked),
        }
    )


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(microsecond=0).isoformat()
