"""What an account uses in a region of what it may.

Source: https://docs.aws.amazon.com/lambda/latest/api/API_GetAccountSettings.html
"""

from __future__ import annotations

from dataclasses import dataclass

from lamella.functions.concurrency import shares
from lamella.model.document import DocumentKey, Kind
from lamella.records.base import Records


@dataclass(frozen=True, slots=True)
class Usage:
    """``code_size`` is bytes of zips, ``reserved`` the executions kept for single functions."""

    code_size: int
    functions: int
    reserved: int


def usage(records: Records, account: str, region: str) -> Usage:
    kept = shares(records, account, region).values()
    return Usage(
        code_size=records.code_storage(account, region),
        functions=records.function_count(account, region),
        reserved=sum(each.reserved or 0 for each in kept),
    )


def unreserved(used: Usage, limit: int) -> int:
    """What ``limit`` executions leave to the functions that have none of their own."""
    return max(0, limit - used.reserved)


def reserved(records: Records, account: str, region: str, name: str) -> int | None:
    """The executions kept for one function, None if it shares the account's."""
    found = records.document(DocumentKey(Kind.CONCURRENCY, account, region, name))
    return None if found is None else int(found["reserved"])
