"""Roles: who may assume them, and what is attached to them. Kept and shown; what their policies
allow is decided by `lamella.accounts.mandates`.

A role is one document: its inline policies, tags and attachments change with it, in one transaction.
IAM is the same in every region, so its documents are kept under a region of their own.
https://docs.aws.amazon.com/IAM/latest/APIReference/API_Role.html
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from lamella.accounts import documents, tags
from lamella.errors import (
    DeleteConflict,
    EntityAlreadyExists,
    LimitExceeded,
    NoSuchEntity,
)
from lamella.model.document import DocumentKey, Kind
from lamella.records.base import Page, Records

REGION = "aws-global"
ROLES = 1000
ATTACHED = 10
SESSION_SECONDS = 3600

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_BATCH = 200


@dataclass(frozen=True, slots=True)
class Role:
    """A role. ``trust`` and the values of ``inline`` (by name) are policy documents as they came;
    ``attached`` are ARNs of managed policies; ``max_session`` is in seconds."""

    account: str
    name: str
    id: str
    created: datetime
    trust: str
    path: str = "/"
    description: str | None = None
    max_session: int = SESSION_SECONDS
    boundary: str | None = None
    tags: Mapping[str, str] | None = None
    inline: Mapping[str, str] | None = None
    attached: tuple[str, ...] = ()

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:role{self.path}{self.name}"


def unique_id(prefix: str) -> str:
    """IAM's own name of an entity: ``AROA…``, never given twice."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(17))


class Roles:
    """The roles of all accounts. ``changed`` is told after each change, before it is answered."""

    def __init__(
        self,
        records: Records,
        now: Callable[[], datetime],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._records = records
        self._now = now
        self._changed = changed

    def create(self, account: str, name: str, trust: str, **more: Any) -> Role:
        """Make a role; ``more`` are further fields of `Role`.

        EntityAlreadyExists, LimitExceeded, MalformedPolicyDocument.
        """
        documents.check_trust(trust)
        role = Role(account, name, unique_id("AROA"), self._now(), trust, **more)

        def add(before: Mapping[str, Any] | None) -> Mapping[str, Any]:
            if before is not None:
                raise EntityAlreadyExists(f"Role with name {name} already exists.")
            return _to_value(role)

        if self._records.document(_key(account, name)) is None:
            page = self._records.documents(Kind.ROLE, account, REGION, after=None, limit=ROLES)
            if len(page.rows) >= ROLES:
                raise LimitExceeded(f"Cannot exceed quota for RolesPerAccount: {ROLES}")
        self._records.change_document(_key(account, name), add)
        self._changed()
        return role

    def find(self, account: str, name: str) -> Role | None:
        value = self._records.document(_key(account, name))
        return _from_value(account, value) if value and value["name"] == name else None

    def arn_of(self, account: str, name: str) -> str | None:
        role = self.find(account, name)
        return None if role is None else role.arn

    def get(self, account: str, name: str) -> Role:
        """NoSuchEntity if there is no such role."""
        role = self.find(account, name)
        if role is None:
            raise _missing(name)
        return role

    def listed(self, account: str, prefix: str, *, after: str | None, limit: int) -> Page[Role]:
        """Roles by name, of the paths that begin with ``prefix``."""
        found: list[Role] = []
        while True:
            page = self._records.documents(
                Kind.ROLE, account, REGION, after=after, limit=min(limit - len(found), _BATCH)
            )
            roles = [_from_value(account, row.value) for row in page.rows]
            found += [role for role in roles if role.path.startswith(prefix)]
            after = page.next
            if after is None or len(found) >= limit:
                return Page(tuple(found), after)

    def everyone(self, account: str) -> list[Role]:
        return list(self.listed(account, "/", after=None, limit=ROLES).rows)

    def change(self, account: str, name: str, change: Callable[[Role], Role]) -> Role:
        """Replace a role by ``change(role)``, alone. NoSuchEntity, and what ``change`` raises."""

        def renew(before: Mapping[str, Any] | None) -> Mapping[str, Any]:
            return _to_value(change(_present(account, name, before)))

        value = self._records.change_document(_key(account, name), renew)
        self._changed()
        return _present(account, name, value)

    def delete(self, account: str, name: str) -> None:
        """NoSuchEntity; DeleteConflict while the role has policies."""

        def remove(before: Mapping[str, Any] | None) -> None:
            role = _present(account, name, before)
            if role.attached:
                raise DeleteConflict("Cannot delete entity, must detach all policies first.")
            if role.inline:
                raise DeleteConflict("Cannot delete entity, must delete policies first.")

        self._records.change_document(_key(account, name), remove)
        self._changed()


def updated(role: Role, *, description: str | None, max_session: int | None) -> Role:
    """The role with what is given; None leaves it as it is."""
    return replace(
        role,
        description=role.description if description is None else description,
        max_session=max_session or role.max_session,
    )


def with_trust(role: Role, trust: str) -> Role:
    """MalformedPolicyDocument, LimitExceeded."""
    documents.check_trust(trust)
    return replace(role, trust=trust)


def with_policy(role: Role, name: str, text: str) -> Role:
    """The role with an inline policy. MalformedPolicyDocument; LimitExceeded for all together."""
    documents.check_identity(text)
    inline = {**(role.inline or {}), name: text}
    if sum(map(documents.length, inline.values())) > documents.INLINE_CHARACTERS:
        raise LimitExceeded(
            f"Maximum policy size of {documents.INLINE_CHARACTERS} bytes exceeded for role "
            f"{role.name}"
        )
    return replace(role, inline=inline)


def policy(role: Role, name: str) -> str:
    """The text of an inline policy. NoSuchEntity."""
    text = (role.inline or {}).get(name)
    if text is None:
        raise NoSuchEntity(f"The role policy with name {name} cannot be found.")
    return text


def without_policy(role: Role, name: str) -> Role:
    """NoSuchEntity if the role has no such inline policy."""
    policy(role, name)
    left = {each: text for each, text in (role.inline or {}).items() if each != name}
    return replace(role, inline=left)


def with_attached(role: Role, arn: str) -> Role:
    """The role with a managed policy, once. LimitExceeded."""
    if arn in role.attached:
        return role
    if len(role.attached) >= ATTACHED:
        raise LimitExceeded(f"Cannot exceed quota for PoliciesPerRole: {ATTACHED}")
    return replace(role, attached=(*role.attached, arn))


def without_attached(role: Role, arn: str) -> Role:
    """NoSuchEntity if the policy is not attached."""
    if arn not in role.attached:
        raise NoSuchEntity(f"Policy {arn} was not found.")
    return replace(role, attached=tuple(each for each in role.attached if each != arn))


def with_tags(role: Role, new: Sequence[tuple[str, str]]) -> Role:
    """InvalidInput, LimitExceeded."""
    return replace(role, tags=tags.tagged(role.tags, new, tags.OF_ROLE))


def without_tags(role: Role, keys: Sequence[str]) -> Role:
    return replace(role, tags=tags.untagged(role.tags, keys))


def _key(account: str, name: str) -> DocumentKey:
    """Names that differ in case alone cannot be side by side."""
    return DocumentKey(Kind.ROLE, account, REGION, name.lower())


def _missing(name: str) -> NoSuchEntity:
    return NoSuchEntity(f"The role with name {name} cannot be found.")


def _present(account: str, name: str, value: Mapping[str, Any] | None) -> Role:
    if value is None or value["name"] != name:
        raise _missing(name)
    return _from_value(account, value)


def _to_value(role: Role) -> dict[str, Any]:
    return {
        "name": role.name,
        "id": role.id,
        "created": role.created.isoformat(),
        "trust": role.trust,
        "path": role.path,
        "description": role.description,
        "maxSession": role.max_session,
        "boundary": role.boundary,
        "tags": dict(role.tags or {}),
        "inline": dict(role.inline or {}),
        "attached": list(role.attached),
    }


def _from_value(account: str, value: Mapping[str, Any]) -> Role:
    return Role(
        account=account,
        name=value["name"],
        id=value["id"],
        created=datetime.fromisoformat(value["created"]),
        trust=value["trust"],
        path=value["path"],
        description=value["description"],
        max_session=value["maxSession"],
        boundary=value["boundary"],
        tags=value["tags"],
        inline=value["inline"],
        attached=tuple(value["attached"]),
    )
