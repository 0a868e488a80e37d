"""The columns of the table: every runtime that Lamella knows, with this machine's interpreter."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from lamella.errors import RuntimeMissing
from lamella.runtimes.catalog import Catalog
from lamella.runtimes.interpreter import Interpreter
from tests.behaviours import custom
from tests.behaviours.java import Java
from tests.behaviours.language import Column, Language
from tests.behaviours.nodejs import NodeJs
from tests.behaviours.python import Python
from tests.behaviours.ruby import Ruby

MANAGED: Mapping[str, Language] = MappingProxyType(
    {"python": Python(), "nodejs": NodeJs(), "ruby": Ruby(), "java": Java()}
)
CUSTOM = (
    custom.Custom("C", custom.c, "gcc"),
    custom.Custom("Rust", custom.rust, "rustc"),
    custom.Custom("Shell", custom.shell, "bash"),
)


def languages() -> list[Language]:
    """In the order of the page."""
    return [*MANAGED.values(), *CUSTOM]


def columns(catalog: Catalog) -> list[Column]:
    """Every column, the languages in the order of the page, their versions in AWS's."""
    found = []
    for prefix, language in MANAGED.items():
        for each in catalog.rows():
            if each.runtime.startswith(prefix):
                found.append(Column(each.runtime, language, _interpreter(catalog, each.runtime)))
    for own in CUSTOM:
        for runtime in ("provided.al2", "provided.al2023"):
            interpreter = catalog.find(runtime) if custom.present(own) else None
            found.append(Column(runtime, own, interpreter, f"{runtime} ({own.title})"))
    return found


def _interpreter(catalog: Catalog, runtime: str) -> Interpreter | None:
    try:
        return catalog.find(runtime)
    except RuntimeMissing:
        return None


def newest(found: list[Column]) -> list[Column]:
    """Of each language the newest runtime that this machine has an interpreter of its own for,
    or else the newest for which another stands in."""
    chosen = []
    for language in languages():
        present = [
            each for each in found if each.language is language and each.interpreter is not None
        ]
        own = [each for each in present if not each.note]
        chosen += (own or present)[-1:]
    return chosen
