"""What imports took and whose they were: the rules by which a measurement is read.

What comes out of a box is anybody's text: `read` takes nothing but what has the shape of a
measurement. Making one is left to `lamella.toolchain.profile.laboratory`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from lamella.layers.manifest import Manifest
from lamella.layers.owner import Stack

FUNCTION: Final = "the function"
LANGUAGE: Final = "standard library"
RUNTIME: Final = "runtime client"
MODULES: Final = "ES modules"
"""Of functions and layers alike: nobody can look on as Node.js loads them."""
UNKNOWN: Final = "unknown"

MOST_TEXT: Final = 600
_ES_MODULES = "esm:"
_TASK, _RUNTIME, _OPT = "/var/task/", "/var/runtime/", "/opt/"

Whose = Callable[[str], str]
"""Whose the file at a path in the box is, by a name that can be shown."""


class NotMeasured(ValueError):
    """What a box has answered is no measurement."""


@dataclass(frozen=True, slots=True)
class Import:
    """One import: milliseconds since the recording began, and how long it took with all that it
    caused. ``parent`` is the number of the import that caused it, ``origin`` the file in the box,
    None where the import failed (many are tried and forgiven)."""

    name: str
    parent: int | None
    began: float
    took: float
    origin: str | None


@dataclass(frozen=True, slots=True)
class Trace:
    """One recording, in the order in which the imports began; ``took`` is milliseconds. ``error``
    says why it came to no good end."""

    took: float = 0.0
    imports: tuple[Import, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    """An import with the milliseconds of its own module alone, and whose the module is."""

    name: str
    own: float
    took: float
    owner: str


def read(answer: Any) -> Trace:
    """The trace that a box answered. Raises NotMeasured for anything else."""
    if not isinstance(answer, dict):
        raise NotMeasured("The box has answered something else than a measurement.")
    error = answer.get("error")
    shown = plain(error)[:MOST_TEXT] if isinstance(error, str) else None
    if "imports" not in answer and shown is not None:
        return Trace(error=shown)
    rows, took = answer.get("imports"), _milliseconds(answer.get("seconds"))
    if not isinstance(rows, list) or took is None:
        raise NotMeasured("The box has answered something else than a measurement.")
    return Trace(took, tuple(_import(index, row) for index, row in enumerate(rows)), shown)


def _import(index: int, row: Any) -> Import:
    match row:
        case [str(name), int(parent), start, length, str() | None as origin] if (
            -1 <= parent < index
            and (began := _milliseconds(start)) is not None
            and (took := _milliseconds(length)) is not None
        ):
            above = None if parent < 0 else parent
            where = None if origin is None else plain(origin)
            return Import(plain(name), above, began, took, where)
    raise NotMeasured(f"Import {index} of the measurement is none.")


def _milliseconds(seconds: Any) -> float | None:
    is_time = isinstance(seconds, int | float) and math.isfinite(seconds) and 0 <= seconds < 1e6
    return float(seconds) * 1000 if is_time else None


def plain(text: str) -> str:
    """Foreign text on one line, without what a terminal would obey."""
    return "".join(char if char.isprintable() else " " for char in text)


def owners(layers: Mapping[str, Manifest]) -> Whose:
    """Whose a file is, for layers by the name they are shown under, in the order listed."""
    names = tuple(layers)
    stack = Stack([each.entries for each in layers.values()])

    def whose(path: str) -> str:
        if path.startswith(_OPT):
            owner = stack.owner(path) or stack.owner(f"{path}/__init__.py")
            return UNKNOWN if owner is None else names[owner.layer]
        if path.startswith(_TASK):
            return FUNCTION
        if path == _ES_MODULES:
            return MODULES
        return RUNTIME if path.startswith(_RUNTIME) else LANGUAGE

    return whose


def spent(trace: Trace, whose: Whose) -> tuple[Spent, ...]:
    """Each import with its own time and its owner, in the order of the trace.

    An import that failed, and a folder of several owners (a namespace), is its importer's affair.
    """
    inner = [0.0] * len(trace.imports)
    found: list[Spent] = []
    for each in trace.imports:
        if each.parent is not None:
            inner[each.parent] += each.took
        above = LANGUAGE if each.parent is None else found[each.parent].owner
        owner = above if each.origin is None else whose(each.origin)
        found.append(Spent(each.name, 0.0, each.took, above if owner == UNKNOWN else owner))
    return tuple(
        Spent(each.name, max(0.0, each.took - below), each.took, each.owner)
        for each, below in zip(found, inner, strict=True)
    )


def by_owner(each: Sequence[Spent]) -> Mapping[str, float]:
    """Milliseconds by owner, the largest first."""
    sums: dict[str, float] = {}
    for one in each:
        sums[one.owner] = sums.get(one.owner, 0.0) + one.own
    return MappingProxyType(dict(sorted(sums.items(), key=lambda item: -item[1])))


def middle(traces: Sequence[Trace]) -> int:
    """The number of the run that took neither the longest nor the shortest; of those with errors,
    of the first.

    One run is shown whole, because the parts of one add up. With an even number it is the
    quicker of the two in the middle.
    """
    failed = [index for index, each in enumerate(traces) if each.error is not None]
    if failed:
        return failed[0]
    by_time = sorted(range(len(traces)), key=lambda index: traces[index].took)
    return by_time[(len(traces) - 1) // 2]
