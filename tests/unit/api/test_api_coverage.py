"""The page that lists what is built is true."""

from __future__ import annotations

from pathlib import Path

from lamella.api.app import COVERAGE_PAGE
from lamella.api.contract import Contract
from lamella.api.coverage import current, page

ROOT = Path(__file__).parents[3]


def test_the_page_is_what_the_code_says() -> None:
    written = (ROOT / COVERAGE_PAGE).read_text()
    assert written == current(), f"renew it: python -m lamella.api.coverage > {COVERAGE_PAGE}"


def test_every_operation_has_a_row() -> None:
    contract = Contract.of_lambda()
    rows = [line for line in page(contract, {"Invoke"}).splitlines() if line.startswith("| ")]
    assert len(rows) == len(contract.operations) + 1
    built = [row for row in rows if row.endswith("| built |")]
    assert built == [
        "| **Invoke** | `POST /2015-03-31/functions/{FunctionName}/invocations` | built |"
    ]
