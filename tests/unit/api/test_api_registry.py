"""Operations are found by their names; what is no operation is refused."""

from __future__ import annotations

from types import ModuleType

import pytest

from lamella.api.contract import Contract
from lamella.api.registry import modules, registry

NAMES = ("Invoke", "GetLayerVersionByArn")


def module(name: str, source: str) -> ModuleType:
    made = ModuleType(name)
    exec(source, vars(made))
    return made


def test_an_operation_is_found_by_its_name() -> None:
    searched = module("layers", "def get_layer_version_by_arn(s, c, r): ...\ndef _own(): ...")
    found = registry(NAMES, [searched])
    assert found == {"GetLayerVersionByArn": vars(searched)["get_layer_version_by_arn"]}


def test_what_a_module_imports_is_passed_over() -> None:
    assert registry(NAMES, [module("layers", "from textwrap import dedent")]) == {}


def test_a_public_function_that_is_no_operation_is_refused() -> None:
    with pytest.raises(ValueError, match=r"layers\.get_layer is not an operation"):
        registry(NAMES, [module("layers", "def get_layer(s, c, r): ...")])


def test_an_operation_in_two_modules_is_refused() -> None:
    source = "def invoke(s, c, r): ..."
    with pytest.raises(ValueError, match=r"b\.invoke is there twice"):
        registry(NAMES, [module("a", source), module("b", source)])


def test_the_operations_of_this_version_are_all_lambdas() -> None:
    contract = Contract.of_lambda()
    assert set(registry(contract.operations, modules())) <= set(contract.operations)
