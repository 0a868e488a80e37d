"""Managed policies: documents with versions, and the roles that have them attached.

An account's own are kept here. AWS's (``arn:aws:iam::aws:policy/…``) can be attached by any name:
what the best known of them say is in `lamella.accounts.aws_managed`.
https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_managed-versioning.html
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from lamella.accounts import documents, roles, tags
from lamella.accounts.roles import REGION, Role, Roles, unique_id
from lamella.errors import (
    DeleteConflict,
    EntityAlreadyExists,
    InvalidInput,
    LimitExceeded,
    NoSuchEntity,
)
from lamella.model.document import DocumentKey, Kind
from lamella.records.base import Page, Records

POLICIES = 1500
VERSIONS = 5

_ARN = re.compile(
    r"arn:aws[a-z-]*:iam::(?P<account>\d{12}|aws):policy(?P<path>/(?:[!-~]+/)?)"
    r"(?P<name>[\w+=,.@-]+)",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Version:
    """One text of a policy; ``number`` counts from 1 and is never given twice in a policy."""

    number: int
    text: str
    created: datetime


@dataclass(frozen=True, slots=True)
class ManagedPolicy:
    """A policy of an account; ``versions`` from the oldest on, ``default`` the number in force."""

    account: str
    name: str
    path: str
    id: str
    created: datetime
    updated: datetime
    versions: tuple[Version, ...]
    default: int
    last: int
    description: str | None = None
    tags: Mapping[str, str] | None = None

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:policy{self.path}{self.name}"


@dataclass(frozen=True, slots=True)
class Use:
    """How many roles have a policy attached, and how many as their boundary."""

    attached: int
    bounding: int


class ManagedPolicies:
    """The managed policies of all accounts, and what attaches them to roles.

    A policy and the roles that have it are documents of their own; a lock keeps a policy from
    being deleted while it is attached. ``changed`` is told after each change of a policy.
    """

    def __init__(
        self,
        records: Records,
        roles: Roles,
        now: Callable[[], datetime],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._records = records
        self._roles = roles
        self._now = now
        self._changed = changed
        self._attaching = threading.Lock()

    def create(self, account: str, name: str, text: str, **more: Any) -> ManagedPolicy:
        """Make a policy with its version 1; ``more`` are further fields of `ManagedPolicy`.

        EntityAlreadyExists, LimitExceeded, MalformedPolicyDocument.
        """
        _check(text)
        now = self._now()
        made = ManagedPolicy(
            account=account,
            name=name,
            id=unique_id("ANPA"),
            created=now,
            updated=now,
            versions=(Version(1, text, now),),
            default=1,
            last=1,
            **{"path": "/", **more},
        )

        def add(before: Mapping[str, Any] | None) -> Mapping[str, Any]:
            if before is not None:
                raise EntityAlreadyExists(
                    f"A policy called {name} already exists. Duplicate names are not allowed."
                )
            return _to_value(made)

        if self._records.document(_key(account, name)) is None:
            page = self._page(account, None, POLICIES)
            if len(page.rows) >= POLICIES:
                raise LimitExceeded(f"Cannot exceed quota for PoliciesPerAccount: {POLICIES}")
        self._records.change_document(_key(account, name), add)
        self._changed()
        return made

    def get(self, account: str, arn: str) -> ManagedPolicy:
        """InvalidInput for what is no policy's ARN; NoSuchEntity."""
        name = _own_name(account, arn)
        return _present(account, arn, self._records.document(_key(account, name)))

    def listed(self, account: str, *, after: str | None, limit: int) -> Page[ManagedPolicy]:
        page = self._page(account, after, limit)
        return Page(tuple(_from_value(account, row.value) for row in page.rows), page.next)

    def change(
        self, account: str, arn: str, change: Callable[[ManagedPolicy], ManagedPolicy]
    ) -> ManagedPolicy:
        """Replace a policy by ``change(policy)``, alone. NoSuchEntity, what ``change`` raises."""

        def renew(before: Mapping[str, Any] | None) -> Mapping[str, Any]:
            return _to_value(replace(change(_present(account, arn, before)), updated=self._now()))

        key = _key(account, _own_name(account, arn))
        value = self._records.change_document(key, renew)
        self._changed()
        return _present(account, arn, value)

    def add_version(self, account: str, arn: str, text: str, *, default: bool) -> ManagedPolicy:
        """MalformedPolicyDocument, LimitExceeded, NoSuchEntity."""
        _check(text)
        return self.change(
            account, arn, partial(with_version, text=text, default=default, now=self._now())
        )

    def delete(self, account: str, arn: str) -> None:
        """NoSuchEntity; DeleteConflict while it is attached or has other versions."""

        def remove(before: Mapping[str, Any] | None) -> None:
            if len(_present(account, arn, before).versions) > 1:
                raise DeleteConflict(
                    "This policy has more than one version. Before you delete a policy, you must "
                    "delete the policy's versions. The default version is deleted with the policy."
                )

        key = _key(account, _own_name(account, arn))
        with self._attaching:
            if arn in self.uses(account):
                raise DeleteConflict("Cannot delete a policy attached to entities.")
            self._records.change_document(key, remove)
        self._changed()

    def attach(self, account: str, role: str, arn: str) -> Role:
        """InvalidInput, NoSuchEntity, LimitExceeded."""
        with self._attaching:
            if not self._attachable(account, arn):
                raise NoSuchEntity(f"Policy {arn} does not exist or is not attachable.")
            return self._roles.change(account, role, partial(roles.with_attached, arn=arn))

    def detach(self, account: str, role: str, arn: str) -> Role:
        """InvalidInput, NoSuchEntity."""
        _parsed(arn)
        return self._roles.change(account, role, partial(roles.without_attached, arn=arn))

    def check_boundary(self, account: str, arn: str | None) -> None:
        """InvalidInput, NoSuchEntity for a policy that cannot be a role's boundary."""
        if arn is not None and not self._attachable(account, arn):
            raise NoSuchEntity(f"Scope ARN: {arn} does not exist or is not attachable.")

    def uses(self, account: str) -> dict[str, Use]:
        """The policies that roles have, by ARN."""
        roles = self._roles.everyone(account)
        attached = Counter(arn for role in roles for arn in role.attached)
        bounding = Counter(role.boundary for role in roles if role.boundary)
        return {arn: Use(attached[arn], bounding[arn]) for arn in {*attached, *bounding}}

    def _attachable(self, account: str, arn: str) -> bool:
        """InvalidInput for what is no policy's ARN."""
        if _parsed(arn)["account"] == "aws":
            return True
        try:
            self.get(account, arn)
        except NoSuchEntity:
            return False
        return True

    def _page(self, account: str, after: str | None, limit: int) -> Page[Any]:
        return self._records.documents(
            Kind.MANAGED_POLICY, account, REGION, after=after, limit=limit
        )


def policy_name(arn: str) -> str:
    """The last part of a policy's ARN. InvalidInput for what is none."""
    return _parsed(arn)["name"]


def path(arn: str) -> str:
    """The path in a policy's ARN, ``/`` if it has none. InvalidInput for what is no policy's."""
    return _parsed(arn)["path"]


def version(policy: ManagedPolicy, version_id: str) -> Version:
    """The version that ``v2`` names. NoSuchEntity."""
    for each in policy.versions:
        if f"v{each.number}" == version_id:
            return each
    raise NoSuchEntity(
        f"Policy {policy.arn} version {version_id} does not exist or is not attachable."
    )


def with_version(
    policy: ManagedPolicy, text: str, now: datetime, *, default: bool
) -> ManagedPolicy:
    """LimitExceeded."""
    if len(policy.versions) >= VERSIONS:
        raise LimitExceeded(
            f"A managed policy can have up to {VERSIONS} versions. Before you create a new "
            "version, you must delete an existing version."
        )
    number = policy.last + 1
    return replace(
        policy,
        versions=(*policy.versions, Version(number, text, now)),
        default=number if default else policy.default,
        last=number,
    )


def with_default(policy: ManagedPolicy, version_id: str) -> ManagedPolicy:
    """NoSuchEntity."""
    return replace(policy, default=version(policy, version_id).number)


def without_version(policy: ManagedPolicy, version_id: str) -> ManagedPolicy:
    """NoSuchEntity; DeleteConflict for the default version."""
    gone = version(policy, version_id)
    if gone.number == policy.default:
        raise DeleteConflict("Cannot delete the default version of a policy.")
    return replace(policy, versions=tuple(each for each in policy.versions if each != gone))


def with_tags(policy: ManagedPolicy, new: Sequence[tuple[str, str]]) -> ManagedPolicy:
    """InvalidInput, LimitExceeded."""
    return replace(policy, tags=tags.tagged(policy.tags, new, tags.OF_POLICY))


def without_tags(policy: ManagedPolicy, keys: Sequence[str]) -> ManagedPolicy:
    return replace(policy, tags=tags.untagged(policy.tags, keys))


def _check(text: str) -> None:
    documents.check_identity(text)
    if documents.length(text) > documents.MANAGED_CHARACTERS:
        raise LimitExceeded(f"Cannot exceed quota for PolicySize: {documents.MANAGED_CHARACTERS}")


def _parsed(arn: str) -> re.Match[str]:
    found = _ARN.fullmatch(arn)
    if found is None:
        raise InvalidInput(f"ARN {arn} is not valid.")
    return found


def _own_name(account: str, arn: str) -> str:
    """The name of a policy of this account; an ARN of another's is found nowhere."""
    found = _parsed(arn)
    if found["account"] != account:
        raise _missing(arn)
    return found["name"]


def _missing(arn: str) -> NoSuchEntity:
    return NoSuchEntity(f"Policy {arn} was not found.")


def _key(account: str, name: str) -> DocumentKey:
    """Names that differ in case alone cannot be side by side."""
    return DocumentKey(Kind.MANAGED_POLICY, account, REGION, name.lower())


def _present(account: str, arn: str, value: Mapping[str, Any] | None) -> ManagedPolicy:
    found = None if value is None else _from_value(account, value)
    if found is None or found.arn != arn:
        raise _missing(arn)
    return found


def _to_value(policy: ManagedPolicy) -> dict[str, Any]:
    return {
        "name": policy.name,
        "path": policy.path,
        "id": policy.id,
        "created": policy.created.isoformat(),
        "updated": policy.updated.isoformat(),
        "versions": [
            {"number": each.number, "text": each.text, "created": each.created.isoformat()}
            for each in policy.versions
        ],
        "default": policy.default,
        "last": policy.last,
        "description": policy.description,
        "tags": dict(policy.tags or {}),
    }


def _from_value(account: str, value: Mapping[str, Any]) -> ManagedPolicy:
    return ManagedPolicy(
        account=account,
        name=value["name"],
        path=value["path"],
        id=value["id"],
        created=datetime.fromisoformat(value["created"]),
        updated=datetime.fromisoformat(value["updated"]),
        versions=tuple(
            Version(each["number"], each["text"], datetime.fromisoformat(each["created"]))
            for each in value["versions"]
        ),
        default=value["default"],
        last=value["last"],
        description=value["description"],
        tags=value["tags"],
    )
