"""The column of Ruby."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.behaviours.language import (
    MANAGED,
    NOT_NODE,
    PROGRAMS,
    Broken,
    Column,
    Files,
    Raised,
    Source,
)

PROGRAM = (PROGRAMS / "app.rb").read_text()


class Ruby:
    title = "Ruby"
    raised = Raised(
        ("errorMessage", "errorType", "stackTrace"), "Function<ArgumentError>", "stackTrace"
    )
    init_error = ("Init<ArgumentError>", "not ready")
    layer_handler = "shared.handler"
    absent = {**MANAGED, **NOT_NODE}

    def main(self, column: Column, build: Path) -> Source:
        return Source({"app.rb": PROGRAM}, "app.handler")

    def broken(self, column: Column, case: str) -> Broken | None:
        def of(text: str, error_type: str, message: str, handler: str = "app.handler") -> Broken:
            return Broken(Source({"app.rb": text}, handler), error_type, message)

        fine = "def handler(event:, context:)\nend"
        return {
            "module missing": of(
                "require 'nothing_like_it'",
                "Init<LoadError>",
                "cannot load such file -- nothing_like_it",
            ),
            "file missing": of(
                fine, "Init<LoadError>", "cannot load such file -- gone", "gone.handler"
            ),
            "handler missing": of(
                fine, "Function<NoMethodError>", "undefined method .gone' for .*", "app.gone"
            ),
            "malformed handler": of(
                fine,
                "Init<ArgumentError>",
                r'Invalid handler \["nodot"\], must be of form FILENAME.METHOD or .*',
                "nodot",
            ),
            "syntax error": of("def handler(", "Init<SyntaxError>", "(?s).*app.rb:1: .*"),
        }.get(case)

    def layer(self, column: Column, build: Path) -> Files:
        gem = f"ruby/gems/{column.number}.0"
        return {
            "ruby/lib/shared.rb": "SHARED = 'lib'\n"
            "def handler(event:, context:) = 'from the layer'\n",
            f"{gem}/specifications/own-1.0.0.gemspec": (
                "Gem::Specification.new do |s|\n  s.name = 'own'\n  s.version = '1.0.0'\n"
                "  s.summary = 'x'\n  s.authors = ['x']\n  s.files = []\n"
                "  s.require_paths = ['lib']\nend\n"
            ),
            f"{gem}/gems/own-1.0.0/lib/own.rb": "OWN = 'gem'",
        }

    def from_layer(self, column: Column) -> Any:
        return ["lib", "gem"]
