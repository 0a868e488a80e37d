"""Which functions can begin as a fork of a process that has begun already, and which cannot.

A rule over a function and its interpreter; what only an environment knows comes on top.
"""

from __future__ import annotations

from enum import StrEnum

from lamella.model.function import Function
from lamella.runtimes.interpreter import Family, Interpreter
from lamella.runtimes.start import WRAPPER

TAG = "lamella:preload"
OFF = "off"

NATIVE = (
    "PYTHON",
    "LD_",
    "LC_",
    "LANG",
    "TZ",
    "MALLOC_",
    "GLIBC_",
    "OMP_",
    "GOMP_",
    "KMP_",
    "MKL_",
    "OPENBLAS_",
    "GOTO_",
    "BLIS_",
    "NUMEXPR_",
    "OPENSSL_",
    "SSL_CERT_",
)
"""Variables that the interpreter, or libraries in C, read where Python does not see it."""


class Plain(StrEnum):
    """Why an environment begins plainly."""

    OFF = "switched off"
    ABSENT = "there is no zygote for its layers yet"
    TAG = "switched off by its tag"
    LANGUAGE = "its language does not fork"
    WRAPPER = "it has a wrapper"
    VARIABLES = "it sets variables that are read at the start"
    EXTENSIONS = "it has extensions"
    NETWORK = "it has a network"
    NAMES = "its own folder has modules of the same names"
    MEMORY = "what is imported ahead would take most of its memory"


def plain(function: Function, interpreter: Interpreter) -> Plain | None:
    """Why ``function`` cannot begin as a fork; None if it can."""
    if interpreter.family is not Family.PYTHON:
        return Plain.LANGUAGE
    given = function.environment or {}
    if WRAPPER in given:
        return Plain.WRAPPER
    if any(name.startswith(NATIVE) for name in given):
        return Plain.VARIABLES
    return None
