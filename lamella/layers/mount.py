"""Layers, in the order they are listed, as the directories of one overlay.

AWS extracts layers one after another into one folder. An overlay shows the same, except where
a later layer has a folder on the place of an earlier layer's link: extraction writes through
the link, an overlay hides it. Such a set is merged into one tree, by the rules of extraction.
A folder over a file and the reverse need no such care: the later of the two is all that both show.
Mounting itself is left to `lamella.sandbox`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lamella.layers.folders import Folders
from lamella.layers.links import Budget, Lost, follow
from lamella.layers.manifest import Entry, Kind
from lamella.layers.rules import parents
from lamella.layers.trees import Trees

_FILES = "files"
_MEMBERS = "members"


@dataclass(frozen=True, slots=True)
class Placed:
    """An entry of the ``layer``-th of several layers that a merged tree shows."""

    layer: int
    entry: Entry


class Stacks:
    """Turns digests into directories; merged trees are kept below ``root``."""

    def __init__(self, trees: Trees, root: Path, *, boot_id: str | None = None) -> None:
        self._trees = trees
        self._merged = Folders(root, boot_id=boot_id)
        self._known: dict[tuple[tuple[str, Path | None], ...], tuple[Path, ...]] = {}

    def lowerdirs(
        self, digests: Sequence[str], bytecode: Mapping[str, Path] | None = None
    ) -> tuple[Path, ...]:
        """The directories to stack, topmost first, for layers in the order they are listed.

        ``bytecode`` maps digests to directories that belong directly above their layers. No
        directory is there twice: overlayfs refuses that. No layers, no directories. Raises
        KeyError for a digest that is neither unpacked nor among the blobs.
        """
        above = bytecode or {}
        key = tuple((digest, above.get(digest)) for digest in digests)
        if key not in self._known:
            self._known[key] = self._resolve(digests, above)
        return self._known[key]

    def _resolve(self, digests: Sequence[str], above: Mapping[str, Path]) -> tuple[Path, ...]:
        for digest in digests:
            self._trees.ensure(digest)
        if len(digests) > 1:
            layers = [self._trees.manifest(digest).entries for digest in digests]
            if differs(layers):
                return (self._merge(digests, layers, above),)
        lowest_first = list(self._directories(digests, above))
        # The order rule: the last listed layer is on top, a layer's bytecode just above it.
        return tuple(dict.fromkeys(reversed(lowest_first)))

    def _directories(self, digests: Sequence[str], above: Mapping[str, Path]) -> Iterator[Path]:
        for digest in digests:
            yield self._trees.path(digest)
            if digest in above:
                yield above[digest]

    def _merge(
        self, digests: Sequence[str], layers: Sequence[Sequence[Entry]], above: Mapping[str, Path]
    ) -> Path:
        sources: list[Path] = []
        contents: list[Sequence[Entry]] = []
        for digest, entries in zip(digests, layers, strict=True):
            sources.append(self._trees.path(digest))
            contents.append(entries)
            if digest in above:
                sources.append(above[digest])
                contents.append(tuple(_listing(above[digest])))

        def fill(folder: Path) -> None:
            build(merged(contents), sources, folder / _FILES)
            (folder / _MEMBERS).write_text("\n".join(digests))

        name = hashlib.sha256("\n".join(str(source) for source in sources).encode()).hexdigest()
        return self._merged.ensure(name, fill) / _FILES

    def digests(self) -> Iterable[str]:
        """Every layer that something was merged for."""
        found: set[str] = set()
        for name in sorted(self._merged.keys()):
            found.update((self._merged.path(name) / _MEMBERS).read_text().split("\n"))
        return found

    def remove(self, digest: str) -> None:
        """Forget every set that has this layer, and remove what was merged for it."""
        for key in list(self._known):
            if any(digest == member for member, _ in key):
                self._known.pop(key, None)
        for name in list(self._merged.keys()):
            if digest in (self._merged.path(name) / _MEMBERS).read_text().split("\n"):
                self._merged.remove(name)

    def sweep(self) -> int:
        """At start-up: remove half-merged trees and those of an earlier boot; return how many."""
        self._known.clear()
        return self._merged.sweep()


def differs(layers: Sequence[Sequence[Entry]]) -> bool:
    """Whether an overlay of ``layers`` may show something else than extracting them in order."""
    links: set[str] = set()
    for entries in layers:
        if links and any(e.kind is Kind.DIR and e.path in links for e in entries):
            return True
        links.update(entry.path for entry in entries if entry.kind is Kind.SYMLINK)
    return False


def merged(layers: Sequence[Sequence[Entry]]) -> dict[str, Placed]:
    """What extracting ``layers`` in order leaves, by path; every folder of a path is among it.

    A folder that meets a link to a folder goes through it. Whatever else meets something of
    another kind replaces it: the last listed wins.
    """
    merge = _Merge()
    for index, entries in enumerate(layers):
        merge.extract(index, entries)
    return merge.placed


class _Merge:
    def __init__(self) -> None:
        self.placed: dict[str, Placed] = {}
        self._links: dict[str, str] = {}
        self._budget = Budget()

    def extract(self, layer: int, entries: Sequence[Entry]) -> None:
        # Where each folder of this layer went: its own path, or through a link.
        went = {"": ""}
        # A folder's contents follow it at once, which sorting by plain text does not give.
        for entry in sorted(entries, key=lambda entry: entry.path.split("/")):
            folder, _, name = entry.path.rpartition("/")
            at = f"{went[folder]}/{name}" if went[folder] else name
            if entry.kind is Kind.DIR:
                through = self._through(at)
                went[entry.path] = at if through is None else through
                if through is not None:
                    continue
            self._place(at, Placed(layer, entry))

    def _through(self, at: str) -> str | None:
        """The folder that a link at ``at`` leads to, or None if there is no such link."""
        if at not in self._links:
            return None
        led = follow(at, self._links, self._budget)
        if isinstance(led, Lost):
            return None
        there = self.placed.get(led)
        return led if not led or (there is not None and there.entry.kind is Kind.DIR) else None

    def _place(self, at: str, what: Placed) -> None:
        for parent in parents(at):
            self._folder(parent, Placed(what.layer, Entry(parent, Kind.DIR, 0o755)))
        if what.entry.kind is Kind.DIR:
            self._folder(at, what)
            return
        before = self.placed.get(at)
        if before is not None and before.entry.kind is Kind.DIR:
            for path in [path for path in self.placed if path.startswith(f"{at}/")]:
                del self.placed[path]
                self._links.pop(path, None)
        self.placed[at] = what
        self._links.pop(at, None)
        if what.entry.kind is Kind.SYMLINK:
            self._links[at] = what.entry.target

    def _folder(self, at: str, what: Placed) -> None:
        before = self.placed.get(at)
        if before is None or before.entry.kind is not Kind.DIR:
            self.placed[at] = what
            self._links.pop(at, None)


def build(plan: Mapping[str, Placed], sources: Sequence[Path], into: Path) -> None:
    """Make the tree of ``plan`` in ``into``; files are hard links to those below ``sources``.

    ``sources`` has the directory of each layer by its index in the plan.
    """
    into.mkdir(mode=0o755)
    into.chmod(0o755)
    links: list[tuple[Path, str]] = []
    for path in sorted(plan):
        placed, target = plan[path], into / path
        match placed.entry.kind:
            case Kind.DIR:
                target.mkdir()
                target.chmod(placed.entry.mode)
            case Kind.FILE:
                _share(sources[placed.layer] / placed.entry.path, target)
            case Kind.SYMLINK:
                links.append((target, placed.entry.target))
    for target, text in links:
        target.symlink_to(text)


def _share(source: Path, target: Path) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        # Another file system, or more links than one inode can have.
        shutil.copy2(source, target, follow_symlinks=False)


def _listing(root: Path) -> Iterator[Entry]:
    """What a directory of bytecode holds: folders and files, nothing else."""
    for at, folders, files in os.walk(root):
        for names, kind, mode in ((folders, Kind.DIR, 0o755), (files, Kind.FILE, 0o644)):
            for name in names:
                yield Entry(str(Path(at, name).relative_to(root)), kind, mode)
