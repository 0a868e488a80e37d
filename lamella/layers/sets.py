"""Folders that are made from several digests, and go when one of these goes.

What a language's runtime is spared at each start may depend on a whole layer set: it is made once
for the set and kept beside the trees. What goes into such a folder is left to those who fill it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from lamella.layers.folders import Folders

_FILES = "files"
_MEMBERS = "members"


class SetFolders:
    """The folders of one node, below ``root``, by key."""

    def __init__(self, root: Path, *, boot_id: str | None = None) -> None:
        self._folders = Folders(root, boot_id=boot_id)

    def find(self, key: str) -> Path | None:
        """The folder, if it is there."""
        return self._folders.path(key) / _FILES if self._folders.has(key) else None

    def ensure(self, key: str, digests: Sequence[str], fill: Callable[[Path], None]) -> Path:
        """The folder, made by ``fill`` from what is in the trees of ``digests`` if it is not there.

        ``fill`` gets an empty folder of mode 0755; what it raises leaves nothing behind.
        """

        def make(folder: Path) -> None:
            files = folder / _FILES
            files.mkdir()
            files.chmod(0o755)
            (folder / _MEMBERS).write_text("\n".join(digests))
            fill(files)

        return self._folders.ensure(key, make) / _FILES

    def remove(self, digest: str) -> None:
        """Remove every folder that was made from ``digest``."""
        for key in list(self._folders.keys()):
            if digest in (self._folders.path(key) / _MEMBERS).read_text().split("\n"):
                self._folders.remove(key)

    def sweep(self) -> int:
        """At start-up: remove what is half made or of an earlier boot; return how many."""
        return self._folders.sweep()
