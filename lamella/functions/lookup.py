"""From a name and a qualifier to a version. Reads only."""

from __future__ import annotations

from lamella.errors import ResourceNotFound
from lamella.functions.workshop import not_found
from lamella.model import arn
from lamella.model.function import Function
from lamella.records.base import Records


def resolve(
    records: Records, account: str, region: str, name: str, qualifier: str | None
) -> Function:
    """The version that is meant. Raises ResourceNotFound."""
    function = None
    if not is_alias(qualifier):
        function = records.function(account, region, name, qualifier or arn.LATEST)
    if function is None:
        raise not_found(account, region, name, qualifier)
    return function


def latest(records: Records, account: str, region: str, name: str) -> Function:
    return resolve(records, account, region, name, None)


def invoked(
    records: Records, account: str, region: str, name: str, qualifier: str | None
) -> Function:
    """`resolve` for an invocation, to which AWS answers otherwise where an alias is missing."""
    if is_alias(qualifier) and records.function(account, region, name, arn.LATEST) is not None:
        alias = arn.function(account, region, name, qualifier)
        raise ResourceNotFound(f"Cannot find alias arn: {alias}")
    return resolve(records, account, region, name, qualifier)


def is_alias(qualifier: str | None) -> bool:
    """Whether a qualifier can only be an alias: it is neither ``$LATEST`` nor a number."""
    return qualifier is not None and qualifier != arn.LATEST and not qualifier.isdigit()
