"""What an account may use in a region, and what it uses.

Source: https://docs.aws.amazon.com/lambda/latest/api/API_GetAccountSettings.html
"""

from __future__ import annotations

from dataclasses import dataclass

from lamella.model.document import DocumentKey, Kind
from lamella.records.base import Records

PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Usage:
    """``code_size`` is bytes of zips, ``reserved`` the executions kept for single functions."""

    code_size: int
    functions: int
    reserved: int


def usage(records: Records, account: str, region: str) -> Usage:
    return Usage(
        code_size=records.code_storage(account, region),
        functions=records.function_count(account, region),
        reserved=reserved_of_all(records, account, region),
    )


def unreserved(used: Usage, limit: int) -> int:
    return max(0, limit - used.reserved)


def reserved_of_all(records: Records, account: str, region: str) -> int:
    total, after = 0, None
    while True:
        page = records.documents(Kind.CONCURRENCY, account, region, after=after, limit=PAGE)
        total += sum(int(each.value["reserved"]) for each in page.rows)
        after = page.next
        if after is None:
            return total


def reserved(records: Records, account: str, region: str, name: str) -> int | None:
    """The executions kept for one function, None if it shares the account's."""
    found = records.document(DocumentKey(Kind.CONCURRENCY, account, region, name))
    return None if found is None else int(found["reserved"])
