"""The page of the docs that says which operations are built: written from the registry.

``python -m lamella.api.coverage > docs/api-coverage.md`` renews it; a test holds it true.
"""

from __future__ import annotations

import sys
from collections.abc import Collection

from lamella.api.contract import Contract
from lamella.api.registry import modules, registry

_HEAD = """\
# API coverage

Every operation of Lambda's API (the service model 2015-03-31 of botocore) and whether Lamella
serves it. Requests of all of them are routed, read and checked as AWS does it; one that is not
built yet is answered with status 501, `NotImplementedException`, its name and this page.

This page is written by `python -m lamella.api.coverage`, from the code.
"""


def page(contract: Contract, built: Collection[str]) -> str:
    """The page in Markdown: a count, and a row for each operation."""
    operations = [contract.operations[name] for name in sorted(contract.operations)]
    rows = [
        f"| {'**' + each.name + '**' if each.name in built else each.name} "
        f"| `{each.method} {each.request_uri}` | {'built' if each.name in built else '501'} |"
        for each in operations
    ]
    count = f"{len(built)} of {len(operations)} operations are built.\n"
    table = "| operation | route | |\n|---|---|---|\n" + "\n".join(rows) + "\n"
    return f"{_HEAD}\n{count}\n{table}"


def current() -> str:
    """The page for the code as it is."""
    contract = Contract.of_lambda()
    return page(contract, registry(contract.operations, modules()))


if __name__ == "__main__":
    sys.stdout.write(current())
