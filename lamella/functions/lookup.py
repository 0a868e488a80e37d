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
    """The version that is meant. Raises ResourceNotFound in AWS's words."""
    function = None
    if qualifier is None or qualifier == arn.LATEST or qualifier.isdigit():
        function = records.function(account, region, name, qualifier or arn.LATEST)
    elif records.function(account, region, name, arn.LATEST) is not None:
        alias = arn.function(account, region, name, qualifier)
        raise ResourceNotFound(f"Cannot find alias arn: {alias}")
    if function is None:
        raise not_found(account, region, name, qualifier)
    return function


def latest(records: Records, account: str, region: str, name: str) -> Function:
    return resolve(records, account, region, name, None)
