"""What a function's own folder hides: it comes first on the search path.

A process that has imported a layer's modules stands for a function only if the function has none
of the same names, nor of those that the modules looked for in vain.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Final

_SOURCES: Final = (".py", ".pyc", ".so")


def top_names(code: Path) -> frozenset[str]:
    """What can be imported from the folder ``code``, by the first part of its name; and, as
    ``*.dist-info`` or ``*.egg-info``, that it tells of installed packages. Raises OSError."""
    found: set[str] = set()
    with os.scandir(code) as entries:
        for entry in entries:
            stem, dot, suffix = entry.name.rpartition(".")
            if suffix in ("dist-info", "egg-info"):
                found.add(f"*.{suffix}")
            elif dot + suffix in _SOURCES:
                found.add(stem.partition(".")[0])
            elif entry.is_dir() or entry.is_symlink():
                found.add(entry.name)
    return frozenset(found)


def hidden(names: frozenset[str], looked_for: Collection[str]) -> str | None:
    """One of the ``names`` of a function that a zygote's modules ``looked_for``; None if there is
    none."""
    return min(names.intersection(looked_for), default=None)
