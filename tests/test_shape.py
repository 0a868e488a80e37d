"""The shape of the code: what stands out is printed, what nobody has looked at fails."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "lamella"

MODULE_LINES = 500
MODULE_LINES_WORTH_A_LOOK = 300
FUNCTION_LINES = 60
PARAMETERS = 7
OPERATION_LINES = 10

LOOKED_AT = {
    "wiring.__init__.Server._assemble": "one list of the parts in the order they are built; cut in two, the halves"
    " would hand each other a dozen names",
    "api.app.App.__init__": "the parts of the application are given to it, by name, not made by it",
    "invoke.dispatch.Dispatcher.invoke": "the members of Invoke, by name, as AWS has them",
    "records.sql_layers.versions": "the filters and the paging of ListLayerVersions, by name",
    "runtimes.python.box.simplejson._speedups.make_encoder": "the signature is simplejson's",
    "api.operations.invoke.invoke": "Invoke is one call with its headers; what it decides lies in dispatch",
}
"""What is larger than the rule and may be, with the reason."""

Found = tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def functions(path: Path) -> Iterator[Found]:
    """Every function and method of a module with its dotted name."""

    def walk(node: ast.AST, prefix: str) -> Iterator[Found]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef):
                yield from walk(child, f"{prefix}.{child.name}")
            elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{prefix}.{child.name}", child
                yield from walk(child, f"{prefix}.{child.name}")

    yield from walk(ast.parse(path.read_text()), dotted(path))


def lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The lines after the signature and the docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (function.end_lineno or 0) - body[0].lineno + 1 if body else 0


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    given = function.args
    names = [each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len([name for name in names if name not in {"self", "cls"}])


def unexplained(found: dict[str, str]) -> list[str]:
    """What is in ``found`` and not in the list; all of it is printed."""
    for name, what in sorted(found.items()):
        print(f"{name}: {what}{' (looked at)' if name in LOOKED_AT else ''}")
    return [f"{name}: {what}" for name, what in sorted(found.items()) if name not in LOOKED_AT]


def everything() -> Iterator[Found]:
    for path in modules():
        yield from functions(path)


def test_no_module_is_longer_than_its_limit() -> None:
    counted = {dotted(path): len(path.read_text().splitlines()) for path in modules()}
    for name, count in sorted(counted.items(), key=lambda item: -item[1]):
        if count > MODULE_LINES_WORTH_A_LOOK:
            print(f"{name}: {count} lines")
    assert {name: count for name, count in counted.items() if count > MODULE_LINES} == {}


def test_long_functions_have_been_looked_at() -> None:
    found = {
        name: f"{lines(function)} lines"
        for name, function in everything()
        if lines(function) > FUNCTION_LINES
    }
    assert unexplained(found) == []


def test_functions_of_many_parameters_have_been_looked_at() -> None:
    found = {
        name: f"{parameters(function)} parameters"
        for name, function in everything()
        if parameters(function) > PARAMETERS
    }
    assert unexplained(found) == []


def test_an_operation_only_passes_on() -> None:
    found = {
        name: f"{body_lines(function)} lines"
        for folder in ("operations", "neighbours")
        for path in sorted((PACKAGE / "api" / folder).glob("*.py"))
        for name, function in functions(path)
        if not function.name.startswith("_") and body_lines(function) > OPERATION_LINES
    }
    assert unexplained(found) == []


def test_what_was_looked_at_is_still_there() -> None:
    assert LOOKED_AT.keys() - {name for name, _ in everything()} == set()


def test_every_module_says_what_it_owns() -> None:
    silent = [
        dotted(path)
        for path in modules()
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []
