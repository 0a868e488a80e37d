"""Runtimes that are started before anybody knew for which function.

What begins ahead, with what, and how it is told what it is to be: rules without effects. A
started Node.js or Ruby has loaded Lamella's client and waits for its variables. Of other runtimes,
and where a function's own variables matter to the interpreter itself, a shell waits in an empty
box for the command to become.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from lamella.model.function import Function
from lamella.runtimes.start import WRAPPER

WAITS = "_LAMELLA_WAITS"
"""Tells a runtime's client to wait, and where the Runtime API is. No function can have a variable
of this name."""
ORDERS, SAYS = 7, 8
"""Where what waits is told what to be, and where it says that it does."""
SHELL = ("/bin/sh", "-c", f'echo >&{SAYS}; exec {SAYS}>&-; eval "$(cat <&{ORDERS})"')

_READ_AT_START = re.compile(
    r"PATH$|LD_|LANG|LC_|TZ$|HOME$|MALLOC_|GLIBC_|OPENSSL_|SSL_CERT_|ICU_|NO_COLOR$|FORCE_COLOR$"
    r"|NODE_|UV_|NAPI_|RUBY|GEM_|BUNDLE|TERM$|PWD$|TMPDIR$"
)
"""Variables that an interpreter, or a library that it is linked with, reads when it begins."""
_AT_START = frozenset(
    ("PATH", "LD_LIBRARY_PATH", "LANG", "TZ", "NODE_PATH", "GEM_HOME", "GEM_PATH", "RUBYLIB")
)
_RUBYS_OWN = frozenset(
    [
        "bundler",
        "complex",
        "did_you_mean",
        "enc",
        "enumerator",
        "error_highlight",
        "fiber",
        "io",
        "json",
        "logger",
        "monitor",
        "ostruct",
        "rational",
        "rbconfig",
        "ruby2_keywords",
        "rubygems",
        "set",
        "socket",
        "stringio",
        "strscan",
        "syntax_suggest",
        "thread",
    ]
)
"""What a Ruby with Lamella's client has loaded, and looks for in the function's folder first."""


def may_start(function: Function, opt: Sequence[Path], task: Sequence[Path]) -> bool:
    """Whether the interpreter of ``function`` can have started before its code and layers were
    there: whether it reads nothing of them, nor of its variables, before its handler's module.

    ``opt`` and ``task`` are the folders on the host that make up ``/opt`` and ``/var/task``.
    """
    runtime = function.runtime or ""
    if not runtime.startswith(("nodejs", "ruby")):
        return False
    given = function.environment or {}
    if WRAPPER in given or any(_READ_AT_START.match(name) for name in given):
        return False
    # Libraries there take the place of those that the interpreter itself is linked with.
    if any(".so" in name for folder in (*opt, *task) for name in _names(folder / "lib")):
        return False
    return runtime.startswith("nodejs") or _is_plain_ruby(opt, task)


def _is_plain_ruby(opt: Sequence[Path], task: Sequence[Path]) -> bool:
    """Whether there are no gems, one of which could be newer than Ruby's own, nor files that
    Ruby finds in place of its own."""
    code = {name for folder in task for name in _names(folder)}
    has_gems = "vendor" in code or any("ruby" in _names(folder) for folder in opt)
    return not has_gems and not {name.split(".")[0] for name in code} & _RUBYS_OWN


def _names(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in folder.iterdir()]
    except OSError:
        return []


def begins_with(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that a started runtime begins with: those of its kind, whatever the function."""
    begun = {name: value for name, value in environment.items() if name in _AT_START}
    return {**begun, WAITS: environment["AWS_LAMBDA_RUNTIME_API"]}


def told(environment: Mapping[str, str], directory: str) -> bytes:
    """What tells a started runtime its variables: all of them, in order."""
    return "\0".join(f"{name}={value}" for name, value in _all(environment, directory)).encode()


def script(argv: Sequence[str], environment: Mapping[str, str], directory: str) -> bytes:
    """What tells the waiting shell to become ``argv``."""
    given = [f"{name}={value}" for name, value in _all(environment, directory)]
    words = " ".join(map(shlex.quote, ("/usr/bin/env", "-i", *given, *argv)))
    return f"cd {shlex.quote(directory)}; exec {words} {ORDERS}<&-".encode()


def _all(environment: Mapping[str, str], directory: str) -> list[tuple[str, str]]:
    return [*environment.items(), ("PWD", directory)]
