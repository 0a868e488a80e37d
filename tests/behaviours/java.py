"""The column of Java."""

from __future__ import annotations

import re
import tempfile
import threading
from functools import cache
from pathlib import Path
from typing import Any

from tests import javas
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

HANDLER = "app.Main::handle"
SHARED = """package shared;
public class Shared {
    public static String from() { return "a jar"; }
    public static String handle(Object event) { return "from the layer"; }
}
"""
OWN = 'package own; public class Own { public static String from() { return "another jar"; } }'
NEEDY = """package app;
public class Needy {
    static final Object NEEDED = new Needed();
    public Object handle(Object event) { return NEEDED; }
}
class Needed {}
"""

_compiling = threading.Lock()


class Java:
    title = "Java"
    raised = Raised(
        ("errorMessage", "errorType", "stackTrace"),
        "java.lang.IllegalArgumentException",
        "stackTrace",
        chained="the cause",
    )
    init_error = ("java.lang.ExceptionInInitializerError", "Error loading class app.Main")
    layer_handler = "shared.Shared::handle"
    absent = {
        **MANAGED,
        **NOT_NODE,
        "syntax error": "the compiler finds it",
        "nested": "Java's handlers name classes by their packages",
    }

    def main(self, column: Column, build: Path) -> Source:
        with _compiling:
            core, classes = build / "java-core", build / "java-main"
            if not classes.exists():
                core.mkdir()
                classes.mkdir()
                javas.core(core)
                javas.compile_java([PROGRAMS / "Main.java"], classes, path=[core])
            return Source(javas.files(core, classes), HANDLER)

    def broken(self, column: Column, case: str) -> Broken | None:
        nothing = Source({"nothing.txt": "x"}, "")
        return {
            "module missing": Broken(
                Source(
                    {"app/Needy.class": _compiled(NEEDY)["app/Needy.class"]}, "app.Needy::handle"
                ),
                "java.lang.NoClassDefFoundError",
                "Error loading class app.Needy: app/Needed",
            ),
            "file missing": Broken(
                Source(nothing.files, "app.Gone::handle"),
                "java.lang.ClassNotFoundException",
                "Class not found: app.Gone",
            ),
            "handler missing": Broken(
                Source(_compiled(SHARED), "shared.Shared::gone"),
                "",
                "No public method named gone with appropriate method signature found on class "
                "shared.Shared",
            ),
            "malformed handler": Broken(
                Source(nothing.files, "nodot"),
                "java.lang.ClassNotFoundException",
                "Class not found: nodot",
            ),
        }.get(case)

    def layer(self, column: Column, build: Path) -> Files:
        return {
            "java/lib/shared.jar": javas.jar(_compiled(SHARED)),
            "java/lib/own.jar": javas.jar(_compiled(OWN)),
        }

    def from_layer(self, column: Column) -> Any:
        return ["a jar", "another jar"]


@cache
def _compiled(source: str) -> dict[str, bytes]:
    """The class files of a source with one public class."""
    with tempfile.TemporaryDirectory() as folder:
        name = re.search(r"public class (\w+)", source)
        assert name is not None
        path = Path(folder, f"{name[1]}.java")
        path.write_text(source)
        classes = Path(folder, "classes")
        classes.mkdir()
        return javas.files(javas.compile_java([path], classes))
