"""DeleteFunction: a function with everything of it, or one of its versions.

Source: https://docs.aws.amazon.com/lambda/latest/api/API_DeleteFunction.html
"""

from __future__ import annotations

from lamella.errors import InvalidParameterValue
from lamella.functions.aliases import check_unused
from lamella.functions.lookup import is_alias
from lamella.functions.ready import digests
from lamella.functions.workshop import Workshop, not_found
from lamella.model import arn
from lamella.model.function import Function

PAGE = 1_000


def delete(shop: Workshop, account: str, region: str, name: str, qualifier: str | None) -> None:
    """Delete a version, or without ``qualifier`` the function; what is made ready ends by itself.

    Raises ResourceNotFound if there is no such function; a version may be gone already. Raises
    ResourceConflict for a version that an alias stands for.
    """
    if is_alias(qualifier):
        raise InvalidParameterValue("Deletion of aliases is not currently supported.")
    if qualifier == arn.LATEST:
        raise InvalidParameterValue(
            "$LATEST version cannot be deleted without deleting the function."
        )
    gone = versions(shop, account, region, name)
    if not gone:
        raise not_found(account, region, name)
    if qualifier is None:
        shop.records.remove_function(account, region, name)
    else:
        gone = [each for each in gone if each.version == qualifier]
        where = (account, region, name)
        shop.records.remove_function_version(
            *where, qualifier, lambda: check_unused(shop.records, where, qualifier)
        )
    for function in gone:
        shop.changed(function)
    shop.collecting.collect(set().union(*(digests(function) for function in gone)))


def versions(shop: Workshop, account: str, region: str, name: str) -> list[Function]:
    """``$LATEST`` and every published version."""
    found: list[Function] = []
    after: str | None = None
    while True:
        page = shop.records.function_versions(account, region, name, after=after, limit=PAGE)
        found += page.rows
        after = page.next
        if after is None:
            return found
