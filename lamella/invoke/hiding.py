"""What hides modules that a process has imported: it comes before them on the search path.

Such a process stands for a function only if neither the function's own folder nor a layer that
the process has not seen has a module of the same name, or of one that was looked for in vain.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Final

PYTHON: Final = "python"
"""The folder of a layer that Python's search path leads to."""
_SOURCES: Final = (".py", ".pyc", ".so")


@lru_cache(maxsize=4_096)
def top_names(code: Path) -> frozenset[str]:
    """What can be imported from the folder ``code``, by the first part of its name; and, as
    ``*.dist-info`` or ``*.egg-info``, that it tells of installed packages. The folder never
    changes. Raises OSError."""
    found: set[str] = set()
    with os.scandir(code) as entries:
        for entry in entries:
            stem, dot, suffix = entry.name.rpartition(".")
            if suffix in ("dist-info", "egg-info"):
                found.add(f"*.{suffix}")
            elif dot + suffix in _SOURCES:
                found.add(stem.partition(".")[0])
            elif entry.is_dir(follow_symlinks=False) or entry.is_symlink():
                found.add(entry.name)
    return frozenset(found)


@lru_cache(maxsize=4_096)
def layer_names(layer: Path, minor: int) -> frozenset[str] | None:
    """The same of the unpacked ``layer``, for Python 3.``minor``; and, behind a slash, whatever else
    its folders for modules hold, with a slash alone for that.

    None if it has more than modules: what else a process finds, a library's file say, it has
    found, or knows to be missing, before the layer was there. Raises OSError.
    """
    if {each.name for each in layer.iterdir()} != {PYTHON} or not _is_folder(layer / PYTHON):
        return None
    folder = layer / PYTHON
    found = top_names(folder) | _entries(folder)
    for part in ("lib", f"python3.{minor}", "site-packages"):
        folder = folder / part
        if not folder.is_symlink() and not folder.exists():
            return found
        if not _is_folder(folder):
            return None
    return found | top_names(folder) | _entries(folder)


def _entries(folder: Path) -> frozenset[str]:
    """As a module that reads these folders at its import would ask for what is in them."""
    return frozenset({"/", *(f"/{each.name}" for each in folder.iterdir())})


def _is_folder(path: Path) -> bool:
    """A link may lead anywhere on the host."""
    return path.is_dir() and not path.is_symlink()
