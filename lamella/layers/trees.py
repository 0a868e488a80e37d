"""Trees: each zip unpacked once on this node, under the digest of its bytes, never changed.

A tree can always be made again from its blob. Which blobs there are is left to
`lamella.blobs`, what may be unpacked to `lamella.layers.archive`, and when a tree may go to
`lamella.layers.collect`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lamella.blobs.base import Blobs
from lamella.layers import archive
from lamella.layers.folders import Folders
from lamella.layers.manifest import Manifest

_FILES = "files"
_MANIFEST = "manifest.json"


class Trees:
    """The trees of one node, below ``root``. ``quota`` is bytes that one zip may unpack to."""

    def __init__(self, root: Path, blobs: Blobs, quota: int, *, boot_id: str | None = None) -> None:
        self._folders = Folders(root, boot_id=boot_id)
        self._blobs = blobs
        self._quota = quota

    def add(self, zip_path: Path, digest: str, *, layer: bool = True) -> Manifest:
        """Check and unpack the zip at ``zip_path``, whose SHA-256 is ``digest``.

        Called before a zip is acknowledged, so that one that lies about its bytes is never
        kept. ``layer`` asks for the warnings that make sense for layers alone. Raises what
        `archive.check` and `archive.unpack` raise.
        """
        made: list[Manifest] = []

        def fill(folder: Path) -> None:
            made.append(_unpack(zip_path, folder, self._quota, layer=layer))

        self._folders.ensure(digest, fill)
        return made[0] if made else self.manifest(digest)

    def ensure(self, digest: str) -> Path:
        """The tree's directory, unpacked from the blob if it is not there.

        Raises KeyError if there is no such blob.
        """

        def fill(folder: Path) -> None:
            _unpack(self._blobs.open(digest), folder, self._quota, layer=True)

        return self._folders.ensure(digest, fill) / _FILES

    def manifest(self, digest: str) -> Manifest:
        """What the tree holds; the tree is made if it is not there. KeyError as `ensure`."""
        return Manifest.from_json((self.ensure(digest).parent / _MANIFEST).read_bytes())

    def path(self, digest: str) -> Path:
        """The tree's directory, where it is or would be."""
        return self._folders.path(digest) / _FILES

    def has(self, digest: str) -> bool:
        return self._folders.has(digest)

    def digests(self) -> Iterable[str]:
        """Every tree there is."""
        return self._folders.keys()

    def remove(self, digest: str) -> None:
        """Remove the tree. Running boxes keep what they have mounted."""
        self._folders.remove(digest)

    def sweep(self) -> int:
        """At start-up: remove half-made trees and those of an earlier boot; return how many."""
        return self._folders.sweep()


def _unpack(zip_path: Path, folder: Path, quota: int, *, layer: bool) -> Manifest:
    manifest = archive.check(zip_path, quota=quota, layer=layer)
    archive.unpack(zip_path, manifest, folder / _FILES)
    (folder / _MANIFEST).write_bytes(manifest.to_json())
    return manifest
