"""What a column of the table is: a language's programs, and how its errors look."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from lamella.runtimes.interpreter import Interpreter

Files = Mapping[str, str | bytes]

PROGRAMS = Path(__file__).parent / "programs"
NODE = "a matter of Node.js"
_OWN = "a managed runtime has its own"

MANAGED: Mapping[str, str] = {"bootstrap missing": _OWN, "bootstrap of a layer": _OWN}
NOT_NODE: Mapping[str, str] = {
    "streamed": "AWS streams what Node.js and custom runtimes answer, and no other",
    "modules": NODE,
    "mixed modules": NODE,
    "callback": NODE,
}


@dataclass(frozen=True)
class Source:
    """A function's code: its files and its handler; ``executable`` files have that bit."""

    files: Files
    handler: str
    executable: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Broken:
    """Code that cannot be loaded, and what an invocation of it answers."""

    source: Source
    error_type: str
    message: str
    """A regular expression for the whole message."""


@dataclass(frozen=True)
class Raised:
    """How an error of the handler looks: the keys of the body, in order, its type, its trace."""

    keys: tuple[str, ...]
    error_type: str
    trace: str | None
    """The key of the list with the trace, if there is one."""
    chained: str = ""
    """A word that the body of an error with a cause holds, where the language shows causes."""


@dataclass(frozen=True)
class Column:
    """A runtime of the table, with the interpreter that this machine has for it."""

    runtime: str
    language: Language
    interpreter: Interpreter | None
    key: str = ""
    """Tells columns of one runtime apart."""

    @property
    def name(self) -> str:
        return self.key or self.runtime

    @property
    def note(self) -> str:
        """What stands in for the runtime's own version; empty where nothing does."""
        return self.interpreter.note if self.interpreter else ""

    @property
    def number(self) -> str:
        """``3.11`` of ``python3.11``, ``20`` of ``nodejs20.x``."""
        return self.runtime.lstrip("abcdefghijklmnopqrstuvwxyz").removesuffix(".x").split(".al")[0]


class Language(Protocol):
    """A language's programs. The main one does what its event says; see `programs`."""

    @property
    def title(self) -> str: ...

    @property
    def raised(self) -> Raised: ...

    @property
    def init_error(self) -> tuple[str, str]:
        """Type and message of what the main program raises while it is loaded."""

    @property
    def absent(self) -> Mapping[str, str]:
        """Rows that AWS itself does not have for the language, and why."""

    def main(self, column: Column, build: Path) -> Source:
        """The main program; ``build`` is a folder for what a compiler makes."""

    def broken(self, column: Column, case: str) -> Broken | None:
        """Code that cannot be loaded, by the row's key."""

    def layer(self, column: Column, build: Path) -> Files:
        """The language's own files of the layer that every column has."""

    @property
    def layer_handler(self) -> str:
        """The handler in that layer, which answers ``from the layer``."""

    def from_layer(self, column: Column) -> Any:
        """What the event ``{"do": "layer"}`` answers with that layer."""


def event(do: str, value: Any = None) -> bytes:
    """The main program's event, in the one form that a program without a parser can take apart."""
    return json.dumps({"do": do, "value": value}, ensure_ascii=False).encode()
