"""Whether a function may be invoked over and over by what it does itself.

Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
"""

from __future__ import annotations

from lamella.functions.workshop import not_found
from lamella.model import arn
from lamella.model.document import DocumentKey, Kind
from lamella.records.base import Records

TERMINATE = "Terminate"


def put(records: Records, account: str, region: str, name: str, loop: str) -> None:
    """Store ``Terminate`` or ``Allow``. Raises ResourceNotFound."""
    at = DocumentKey(Kind.RECURSION, account, region, name)
    try:
        records.change_document(at, lambda before: {"loop": loop})
    except KeyError:
        raise not_found(account, region, name) from None


def get(records: Records, account: str, region: str, name: str) -> str:
    """Raises ResourceNotFound."""
    if records.function(account, region, name, arn.LATEST) is None:
        raise not_found(account, region, name)
    found = records.document(DocumentKey(Kind.RECURSION, account, region, name))
    return TERMINATE if found is None else str(found["loop"])
