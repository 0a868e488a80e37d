"""Whose a file below ``/opt`` is: the layer that brought it, and the ones that it hides.

Answered from the manifests of the layers alone, by the rules by which `lamella.layers.mount`
merges them, so that nothing needs to be mounted.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lamella.layers.links import MOUNTED, Budget, Lost, follow
from lamella.layers.manifest import Entry, Kind, Manifest
from lamella.layers.mount import Placed, merged
from lamella.layers.rules import parents

SETS: Final = 8
"""Layer sets whose merged manifests are kept in memory."""
PATH_CHARACTERS: Final = 4_096
STEPS: Final = 1_000
"""What may be taken to follow the links of one path: the deepest that a zip may hold has 256 parts."""


@dataclass(frozen=True, slots=True)
class Owner:
    """A file below ``/opt``: ``path`` with every link followed, relative to it; ``layer`` is the
    index, in the order in which layers are listed, of the one that brought it, and ``hidden``
    those of layers that have something else in its place, the uppermost first."""

    path: str
    layer: int
    hidden: tuple[int, ...] = ()


class Stack:
    """One layer set, by the entries of its layers in the order in which they are listed."""

    def __init__(self, layers: Sequence[Sequence[Entry]]) -> None:
        self._layers = layers
        # What the first n layers make; only those that are asked about are merged.
        self._prefixes: dict[int, Mapping[str, Placed]] = {}
        self._top = self._first(len(layers))
        self._links = {
            path: placed.entry.target
            for path, placed in self._top.items()
            if placed.entry.kind is Kind.SYMLINK
        }

    def owner(self, path: str) -> Owner | None:
        """Whose the file at ``path`` is (absolute, below ``/opt``); None if no layer has one there."""
        if not path.startswith(MOUNTED) or len(path) > PATH_CHARACTERS:
            return None
        led = follow(path.removeprefix(MOUNTED), self._links, Budget(STEPS))
        if isinstance(led, Lost):
            return None
        placed = self._top.get(led)
        if placed is None or placed.entry.kind is Kind.DIR:
            return None
        return Owner(led, placed.layer, tuple(self._below(led, placed.layer)))

    def _below(self, path: str, layer: int) -> list[int]:
        """The layers under ``layer`` whose file, link or folder at ``path`` is not to be seen."""
        hidden = []
        while layer:
            there = _in_the_way(self._first(layer), path)
            if there is None:
                break
            layer = there
            hidden.append(layer)
        return hidden

    def _first(self, count: int) -> Mapping[str, Placed]:
        if count not in self._prefixes:
            self._prefixes[count] = merged(self._layers[:count])
        return self._prefixes[count]


class Owners:
    """Answers for the layer sets of one node; ``manifest`` gives a layer's, by its digest."""

    def __init__(self, manifest: Callable[[str], Manifest]) -> None:
        self._manifest = manifest
        self._guard = threading.Lock()
        self._stacks: OrderedDict[tuple[str, ...], Stack] = OrderedDict()

    def owner(self, digests: Sequence[str], path: str) -> Owner | None:
        """Whose ``path`` is in the layer set of ``digests``; blocks. None also if a layer is gone."""
        try:
            return self._stack(tuple(digests)).owner(path)
        except (KeyError, OSError):
            return None

    def _stack(self, digests: tuple[str, ...]) -> Stack:
        with self._guard:
            stack = self._stacks.pop(digests, None)
            if stack is None:
                stack = Stack([self._manifest(digest).entries for digest in digests])
            self._stacks[digests] = stack
            if len(self._stacks) > SETS:
                self._stacks.popitem(last=False)
            return stack


def _in_the_way(placed: Mapping[str, Placed], path: str) -> int | None:
    """The layer that has something at ``path``, or a file in the place of a folder above it."""
    there = placed.get(path)
    if there is not None:
        return there.layer
    for folder in parents(path):
        above = placed.get(folder)
        if above is not None and above.entry.kind is not Kind.DIR:
            return above.layer
    return None
