"""The page that lists how far operations reach is true."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore import xform_name

from lamella.api.contract import Contract
from lamella.api.coverage import Reach, current, page, reach
from lamella.api.reach import COVERAGE_PAGE, REFUSED, STORED, STORED_MEMBERS, why_not
from lamella.api.registry import modules, registry
from lamella.functions.rules import NOT_SERVED

ROOT = Path(__file__).parents[3]
CONTRACT = Contract.of_lambda()
BUILT = registry(CONTRACT.operations, modules())
ROW = re.compile(r"\| (?:\*\*)?(\w+)(?:\*\*)? \| `[A-Z]+ \S+` \| (.+) \|")


def test_the_page_is_what_the_code_says() -> None:
    written = (ROOT / COVERAGE_PAGE).read_text()
    assert written == current(), f"renew it: python -m lamella.api.coverage > {COVERAGE_PAGE}"


def test_every_operation_has_a_row() -> None:
    rows = [found[1] for found in ROW.finditer(page(CONTRACT, BUILT))]
    assert rows == sorted(CONTRACT.operations)


@pytest.mark.parametrize("name", sorted(CONTRACT.operations))
def test_each_row_says_what_the_code_does(name: str) -> None:
    said = dict(ROW.findall(page(CONTRACT, BUILT)))[name]
    if name in BUILT:
        assert name not in REFUSED
        assert said == (f"stored: {STORED[name]}" if name in STORED else "built")
    else:
        assert name not in STORED
        assert said == f"refused: {REFUSED[name]}"


def test_the_tables_name_operations() -> None:
    assert set(CONTRACT.operations) >= STORED.keys() | REFUSED.keys()
    assert not STORED.keys() & REFUSED.keys()


def test_the_tables_name_members() -> None:
    model = CONTRACT.operations["CreateFunction"]._model
    nested = model.input_shape.members["LoggingConfig"].members
    assert {*model.input_shape.members, *nested} >= STORED_MEMBERS.keys()
    for member in (*STORED_MEMBERS, *NOT_SERVED):
        assert f"| `{member}` | " in current()
    assert not STORED_MEMBERS.keys() & NOT_SERVED.keys()


def test_what_is_not_served_says_why() -> None:
    assert why_not("GetCapacityProvider") == (
        "GetCapacityProvider is not served: functions run on the machine of this server, so there "
        "are no capacity providers. docs/api-coverage.md lists what is."
    )


def test_every_operation_is_either_served_or_refused() -> None:
    with pytest.raises(ValueError, match="Invoke must be either"):
        reach("Invoke", ())
    with pytest.raises(ValueError, match="GetCapacityProvider must be either"):
        reach("GetCapacityProvider", {"GetCapacityProvider"})


def test_reach_is_one_of_three() -> None:
    assert reach("Invoke", {"Invoke"}) is Reach.BUILT
    assert reach("CreateCodeSigningConfig", {"CreateCodeSigningConfig"}) is Reach.STORED
    assert reach("GetCapacityProvider", ()) is Reach.REFUSED


def called() -> Iterator[str]:
    """Every name that the tests of the API take from an object, or give to a paginator."""
    for folder in ("api", "e2e"):
        for file in (ROOT / "tests" / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Attribute):
                    yield node.attr
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


def test_every_operation_is_called_by_a_test() -> None:
    names = set(called())
    untested = [name for name in sorted(BUILT) if xform_name(name) not in names]
    assert untested == []
