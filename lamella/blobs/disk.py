"""Blobs in a folder of this machine: ``root/ab/ab12…``, half-written ones in ``root/incoming``.

Owns the folder. A file gets its name only after its bytes are on the disk, and the name is on the
disk before anyone hears of it, so a blob is there whole or not at all, whatever dies when.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

_DIGEST = re.compile(r"[0-9a-f]{64}")
_CHUNK = 1 << 30
# what says that a hard link is not to be had here, though a copy is
_NO_LINK = frozenset(
    {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES, errno.ENOSYS}
)
_NO_RANGE = frozenset({errno.EXDEV, errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EOPNOTSUPP})


class DiskBlobs:
    """`lamella.blobs.base.Blobs` in ``root``, which is made if it is not there.

    ``root`` must be on one filesystem, for a rename to be possible.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._incoming = root / "incoming"
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (self._incoming, *(root / f"{first:02x}" for first in range(256))):
            folder.mkdir(mode=0o700, exist_ok=True)
        _sync(root)
        _sync(root.parent)

    def put(self, source: Path, digest: str) -> None:
        place = self._place(digest)
        if place.exists():
            # another thread may have named it and not yet synced the name
            _sync(place.parent)
            return
        if not _link(source, place):
            with self._new() as (descriptor, temporary):
                _copy(source, descriptor)
                _publish(descriptor, temporary, place)
        _sync(place.parent)

    def put_bytes(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        place = self._place(digest)
        if not place.exists():
            with self._new() as (descriptor, temporary):
                _write(descriptor, data)
                _publish(descriptor, temporary, place)
        _sync(place.parent)
        return digest

    def open(self, digest: str) -> Path:
        place = self._place(digest)
        if not place.exists():
            raise KeyError(digest)
        return place

    def has(self, digest: str) -> bool:
        return self._place(digest).exists()

    def remove(self, digest: str) -> None:
        place = self._place(digest)
        with suppress(FileNotFoundError):
            place.unlink()

    def digests(self) -> Iterator[str]:
        for folder in self._root.iterdir():
            if len(folder.name) == 2:
                yield from (file.name for file in folder.iterdir() if _DIGEST.fullmatch(file.name))

    def sweep(self) -> int:
        left = list(self._incoming.iterdir())
        for file in left:
            file.unlink(missing_ok=True)
        return len(left)

    def _place(self, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise ValueError(f"not a SHA-256 in lower-case hex: {digest!r}")
        return self._root / digest[:2] / digest

    @contextmanager
    def _new(self) -> Iterator[tuple[int, Path]]:
        """A file that is gone afterwards unless it was renamed."""
        temporary = self._incoming / uuid4().hex
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
        try:
            yield descriptor, temporary
        finally:
            os.close(descriptor)
            temporary.unlink(missing_ok=True)


def _link(source: Path, place: Path) -> bool:
    """Give the file a second name once its bytes are on the disk; False if it must be copied."""
    with source.open("rb") as file:
        os.fsync(file.fileno())
    try:
        os.link(source.resolve(), place)
    except FileExistsError:
        return True
    except OSError as error:
        if error.errno in _NO_LINK:
            return False
        raise
    return True


def _copy(source: Path, descriptor: int) -> None:
    """All bytes, inside the kernel where the two filesystems allow it."""
    with source.open("rb") as file:
        try:
            while os.copy_file_range(file.fileno(), descriptor, _CHUNK):
                pass
        except OSError as error:
            if error.errno not in _NO_RANGE:
                raise
            while data := file.read(1 << 20):
                _write(descriptor, data)


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _publish(descriptor: int, temporary: Path, place: Path) -> None:
    os.fsync(descriptor)
    temporary.rename(place)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
