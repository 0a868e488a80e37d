"""The column of Python."""

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

PROGRAM = (PROGRAMS / "app.py").read_text()


class Python:
    title = "Python"
    raised = Raised(
        ("errorMessage", "errorType", "requestId", "stackTrace"), "ValueError", "stackTrace"
    )
    init_error = ("ValueError", "not ready")
    layer_handler = "shared.handler"
    absent = {**MANAGED, **NOT_NODE}

    def main(self, column: Column, build: Path) -> Source:
        return Source({"app.py": PROGRAM}, "app.handler")

    def broken(self, column: Column, case: str) -> Broken | None:
        def of(text: str, error_type: str, message: str, handler: str = "app.handler") -> Broken:
            return Broken(Source({"app.py": text}, handler), f"Runtime.{error_type}", message)

        fine = "def handler(event, context): pass"
        return {
            "module missing": of(
                "import nothing_like_it",
                "ImportModuleError",
                "Unable to import module 'app': No module named 'nothing_like_it'",
            ),
            "file missing": of(
                fine,
                "ImportModuleError",
                "Unable to import module 'gone': No module named 'gone'",
                "gone.handler",
            ),
            "handler missing": of(
                fine, "HandlerNotFound", "Handler 'gone' missing on module 'app'", "app.gone"
            ),
            "malformed handler": of(
                fine,
                "MalformedHandlerName",
                r"Bad handler 'nodot': not enough values to unpack \(expected 2, got 1\)",
                "nodot",
            ),
            "syntax error": of(
                "def handler(",
                "UserCodeSyntaxError",
                r"Syntax error in module 'app': .* \(app.py, line 1\)",
            ),
        }.get(case)

    def layer(self, column: Column, build: Path) -> Files:
        return {
            "python/shared.py": "FROM = 'python'\n\n"
            "def handler(event, context): return 'from the layer'",
            f"python/lib/python{column.number}/site-packages/own.py": "FROM = 'site-packages'",
        }

    def from_layer(self, column: Column) -> Any:
        return ["python", "site-packages"]
