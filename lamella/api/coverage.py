"""The page of the docs that says how far each operation reaches: written from the code.

``python -m lamella.api.coverage > docs/api-coverage.md`` renews it; a test holds it true.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from enum import StrEnum

from lamella.api.contract import Contract
from lamella.api.reach import REFUSED, STORED, STORED_MEMBERS
from lamella.api.registry import modules, registry
from lamella.functions.rules import NOT_SERVED

_HEAD = """\
# API coverage

Every operation of Lambda's API (the service model 2015-03-31 of botocore) and how far Lamella
serves it. Requests of those that are served are read and checked as AWS does it.

- **built**: it does what AWS documents.
- **stored**: its input is checked, kept and given back; the table says what does not come of it.
- **refused**: it is answered with status 501, `NotImplementedException`, its name and the reason.

This page is written by `python -m lamella.api.coverage`, from the code.
"""


_MEMBERS = """\
## Members of a function's configuration

CreateFunction, UpdateFunctionConfiguration and UpdateFunctionCode take every member of the model.
Most do what AWS documents; these are kept without effect, or refused with status 400,
`InvalidParameterValueException`. `PackageType` `Image` is refused too: functions are run from zips.
"""


class Reach(StrEnum):
    BUILT = "built"
    STORED = "stored"
    REFUSED = "refused"


def reach(operation: str, built: Collection[str]) -> Reach:
    """``built`` are the operations that a function serves.

    ValueError for an operation that is neither served nor refused, or both.
    """
    if (operation in built) == (operation in REFUSED):
        raise ValueError(f"{operation} must be either served or refused")
    if operation in REFUSED:
        return Reach.REFUSED
    return Reach.STORED if operation in STORED else Reach.BUILT


def page(contract: Contract, built: Collection[str]) -> str:
    """The page in Markdown: a count, and a row for each operation."""
    operations = [contract.operations[name] for name in sorted(contract.operations)]
    rows = [
        f"| {_named(each.name, built)} | `{each.method} {each.request_uri}` "
        f"| {_told(each.name, built)} |"
        for each in operations
    ]
    table = "| operation | route | |\n|---|---|---|\n" + "\n".join(rows)
    return f"{_HEAD}\n{_count(contract, built)}\n\n{table}\n\n{_members()}\n"


def _members() -> str:
    stored = [f"| `{name}` | stored: {why} |" for name, why in sorted(STORED_MEMBERS.items())]
    refused = [f"| `{name}` | refused: {why} |" for name, why in sorted(NOT_SERVED.items())]
    return f"{_MEMBERS}\n| member | |\n|---|---|\n" + "\n".join(stored + refused)


def _named(operation: str, built: Collection[str]) -> str:
    return f"**{operation}**" if operation in built else operation


def _told(operation: str, built: Collection[str]) -> str:
    reason = REFUSED.get(operation) or STORED.get(operation)
    found = reach(operation, built)
    return f"{found}: {reason}" if found in (Reach.STORED, Reach.REFUSED) else found


def _count(contract: Contract, built: Collection[str]) -> str:
    found = [reach(name, built) for name in contract.operations]
    counted = (f"{found.count(each)} {each}" for each in Reach if each in found)
    return f"Of {len(found)} operations: {'; '.join(counted)}."


def current() -> str:
    """The page for the code as it is."""
    contract = Contract.of_lambda()
    return page(contract, registry(contract.operations, modules()))


if __name__ == "__main__":
    sys.stdout.write(current())
