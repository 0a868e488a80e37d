"""The columns of custom runtimes: a program in C, one in Rust and one in the shell.

They stand for whatever brings its own runtime: Go, C++, .NET ahead of time, PHP.
"""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.behaviours.language import NODE, PROGRAMS, Broken, Column, Files, Raised, Source

OWN = "a custom runtime loads its code itself, and says what went wrong in words of its own"
BOOTSTRAP = frozenset({"bootstrap"})

_compiling = threading.Lock()


def shell(build: Path) -> bytes:
    return (PROGRAMS / "bootstrap.sh").read_bytes()


def c(build: Path) -> bytes:
    target = build / "bootstrap-c"
    return _compiled(target, "gcc", "-O1", "-o", target, PROGRAMS / "bootstrap.c")


def rust(build: Path) -> bytes:
    target = build / "bootstrap-rust"
    return _compiled(target, "rustc", "--edition", "2021", "-o", target, PROGRAMS / "bootstrap.rs")


def _compiled(target: Path, *command: str | Path) -> bytes:
    with _compiling:
        if not target.exists():
            subprocess.run(command, check=True, capture_output=True)
    return target.read_bytes()


class Custom:
    raised = Raised(("errorType", "errorMessage"), "Custom.Error", None)
    init_error = ("Custom.Init", "not ready")
    layer_handler = ""
    absent = {
        "handler of a layer": OWN,
        "module missing": OWN,
        "file missing": OWN,
        "handler missing": OWN,
        "malformed handler": OWN,
        "syntax error": OWN,
        "chained error": OWN,
        "unanswerable": OWN,
        "nested": OWN,
        "recursion": OWN,
        "own log format": "a custom runtime writes its own lines",
        "wrapper": "AWS gives custom runtimes no wrapper",
        "wrapper missing": "AWS gives custom runtimes no wrapper",
        "modules": NODE,
        "mixed modules": NODE,
        "callback": NODE,
    }

    def __init__(self, title: str, program: Callable[[Path], bytes], needs: str) -> None:
        self.title = title
        self._program = program
        self.needs = needs

    def main(self, column: Column, build: Path) -> Source:
        return Source({"bootstrap": self._program(build)}, "main", BOOTSTRAP)

    def broken(self, column: Column, case: str) -> Broken | None:
        return None

    def layer(self, column: Column, build: Path) -> Files:
        return {"shared.txt": "a file", "bin/own": "#!/bin/sh\nprintf 'a program'\n"}

    def from_layer(self, column: Column) -> Any:
        return ["a file", "a program"]


def present(language: Custom) -> bool:
    return shutil.which(language.needs) is not None
