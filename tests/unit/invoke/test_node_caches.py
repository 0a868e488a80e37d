"""Which Node.js has compile caches."""

from __future__ import annotations

import pytest

from lamella.invoke.node_caches import key_of, knows_caches
from lamella.runtimes import nodejs
from lamella.runtimes.interpreter import Family, Interpreter


def node(version: str) -> Interpreter:
    return Interpreter(runtime="nodejs22.x", family=Family.NODEJS, version=version)


@pytest.mark.parametrize(
    ("version", "known"),
    [("20.20.2", False), ("22.0.9", False), ("22.1.0", True), ("24.19.0", True), ("", False)],
)
def test_compile_caches_came_with_a_version(version: str, known: bool) -> None:
    assert knows_caches(node(version)) is known


def test_a_cache_is_of_a_layer_and_a_version() -> None:
    assert key_of("1", node("22.1.0")) != key_of("1", node("22.2.0")) != key_of("2", node("22.2.0"))


def test_the_client_looks_where_caches_are_put() -> None:
    assert f"'/opt/{nodejs.CACHE}'" in (nodejs.BOX / "bootstrap.cjs").read_text()
    assert nodejs.COMPILE.is_file()
