"""From a name and a qualifier to a version. Reads only."""

from __future__ import annotations

from lamella.functions import aliases
from lamella.functions.workshop import not_found
from lamella.model import arn
from lamella.model.alias import Alias
from lamella.model.function import Function
from lamella.records.base import Records


def resolve(
    records: Records, account: str, region: str, name: str, qualifier: str | None
) -> Function:
    """The version that is meant; an alias means the first of its versions.

    Raises ResourceNotFound.
    """
    version = qualifier or arn.LATEST
    if is_alias(version):
        found = aliases.read(records, (account, region, name), version)
        if found is None:
            raise not_found(account, region, name, qualifier)
        version = found.version
    function = records.function(account, region, name, version)
    if function is None:
        raise not_found(account, region, name, qualifier)
    return function


def latest(records: Records, account: str, region: str, name: str) -> Function:
    return resolve(records, account, region, name, None)


def invoked(
    records: Records, account: str, region: str, name: str, qualifier: str | None
) -> Function:
    """`resolve` for an invocation, to which AWS answers otherwise where an alias is missing."""
    if qualifier is not None and is_alias(qualifier):
        alias(records, account, region, name, qualifier)
    return resolve(records, account, region, name, qualifier)


def alias(records: Records, account: str, region: str, name: str, qualifier: str) -> Alias:
    """Raises ResourceNotFound, of the function or of the alias."""
    found = aliases.read(records, (account, region, name), qualifier)
    if found is not None:
        return found
    if records.function(account, region, name, arn.LATEST) is None:
        raise not_found(account, region, name, qualifier)
    raise aliases.missing((account, region, name), qualifier)


def is_alias(qualifier: str | None) -> bool:
    """Whether a qualifier can only be an alias: no number, nor ``$LATEST`` or another with ``$``."""
    return qualifier is not None and "$" not in qualifier and not qualifier.isdigit()
