"""Organizations: which accounts belong together, for grants that name an organization.

A map and no more: who is a member is the operator's word.
"""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Mapping
from typing import Any

from lamella.accounts.keys import check_account
from lamella.errors import Refused
from lamella.model.document import GLOBAL, DocumentKey, Kind
from lamella.records.base import Records

_ID = re.compile(r"o-[a-z0-9]{10,32}")


def of(records: Records, account: str) -> str | None:
    """The organization that an account belongs to."""
    found = records.document_by_handle(Kind.ORGANIZATION, account)
    return None if found is None else found.at.name


def listed(records: Records) -> dict[str, list[str]]:
    """Each organization's accounts."""
    found: dict[str, list[str]] = {}
    for document in records.all_documents(Kind.ORGANIZATION):
        members = found.setdefault(document.at.name, [])
        if document.at.key:
            members.append(document.at.key)
    return found


def create(records: Records, organization: str | None) -> str:
    """A new organization's id; without one given it is made up. Raises Refused."""
    letters = string.ascii_lowercase + string.digits
    name = organization or "o-" + "".join(secrets.choice(letters) for _ in range(10))
    if not _ID.fullmatch(name):
        raise Refused(f"The id {name!r} must be o- and 10 to 32 lower-case letters or digits.")

    def change(value: Mapping[str, Any] | None) -> dict[str, Any]:
        if value is not None:
            raise Refused(f"There is an organization {name} already.")
        return {}

    records.change_document(_at(name), change)
    return name


def add(records: Records, organization: str, account: str) -> None:
    """Make an account a member. Raises Refused for one that is a member elsewhere."""
    _check(records, organization)
    faults = check_account(account)
    if faults:
        raise Refused(*faults)
    other = of(records, account)
    if other == organization:
        return
    if other is not None:
        raise Refused(f"The account {account} is in {other}; remove it there first.")
    records.change_document(_at(organization, account), lambda value: {}, handle=account)


def remove(records: Records, organization: str, account: str | None) -> None:
    """Remove a member or, without one, the organization with all of its members."""
    _check(records, organization)
    members = listed(records)[organization]
    if account is not None and account not in members:
        raise Refused(f"The account {account} is not in {organization}.")
    for member in members if account is None else [account]:
        records.change_document(_at(organization, member), lambda value: None)
    if account is None:
        records.change_document(_at(organization), lambda value: None)


def _check(records: Records, organization: str) -> None:
    if records.document(_at(organization)) is None:
        raise Refused(f"There is no organization {organization}.")


def _at(organization: str, account: str = "") -> DocumentKey:
    return DocumentKey(Kind.ORGANIZATION, "", GLOBAL, organization, account)
