"""Revisions: what a client names to change a function, a version or an alias only as it has seen it.

A policy has the revision of what it belongs to. Besides updates, AWS gives a new one for a change
of that policy, and ``$LATEST`` one for a change of tags and when it is published; none of these
is a change of what runs, so ``last_modified`` stays.

Source: https://docs.aws.amazon.com/lambda/latest/api/API_AddPermission.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lamella.functions import aliases, lookup
from lamella.functions.ready import new_revision
from lamella.functions.rules import check_revision
from lamella.functions.workshop import not_found
from lamella.model import arn
from lamella.model.function import Function
from lamella.records.base import Records

Where = tuple[str, str, str]
"""Account, region and name of a function."""


def current(records: Records, where: Where, qualifier: str | None) -> str:
    """The revision of a function, version or alias. Raises ResourceNotFound."""
    if qualifier is not None and lookup.is_alias(qualifier):
        return lookup.alias(records, *where, qualifier).revision_id
    return lookup.resolve(records, *where, qualifier).revision_id


def renew(
    records: Records, where: Where, qualifier: str | None = None, given: str | None = None
) -> str:
    """Put a new revision in the place of the present one, which must be ``given`` if that is named.

    Raises ResourceNotFound and PreconditionFailed.
    """
    fresh = new_revision()

    def of_version(row: Function) -> Function:
        check_revision(given, row.revision_id)
        return replace(row, revision_id=fresh)

    def of_alias(before: Mapping[str, Any] | None) -> Mapping[str, Any]:
        if before is None:
            raise aliases.missing(where, qualifier or "")
        check_revision(given, before["revision_id"])
        return {**before, "revision_id": fresh}

    try:
        if qualifier is not None and lookup.is_alias(qualifier):
            records.change_document(aliases.key(where, qualifier), of_alias)
        else:
            records.change_function(*where, qualifier or arn.LATEST, of_version)
    except KeyError:
        raise not_found(*where, qualifier) from None
    return fresh
