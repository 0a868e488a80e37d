"""What is made once for layers, so that each start of a runtime is spared it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lamella.invoke.java_archives import JavaArchives
from lamella.invoke.node_caches import NodeCaches
from lamella.model.function import Function
from lamella.runtimes.interpreter import Family, Interpreter


@dataclass(frozen=True, slots=True)
class LayerCaches:
    """The caches by language, as `lamella.invoke.furnish` asks for them."""

    java: JavaArchives
    node: NodeCaches

    def runtime(self, function: Function, interpreter: Interpreter) -> tuple[Path, ...]:
        return self.java.overlay(function, interpreter)

    def above(self, function: Function, interpreter: Interpreter) -> Mapping[str, Path]:
        if interpreter.family is not Family.NODEJS or not function.layers:
            return {}
        return self.node.above(function, interpreter)
