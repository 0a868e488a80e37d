"""Folders that are made once, kept under a key, and can always be made again.

Trees, merged trees and bytecode are all of this kind. A folder appears whole or not at all:
it is filled under another name and renamed. Nothing is fsynced, because all of it can be made
again; so folders that another boot of the machine has written are dropped, as a power cut may
have emptied their files. What goes into a folder is left to those who fill it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

_MAKING = ".making-"
_GOING = ".going-"
_BOOT = ".boot-id"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Folders:
    """Folders below ``root``, by key (a file name that does not begin with a dot)."""

    def __init__(self, root: Path, *, boot_id: str | None = None) -> None:
        self._root = root
        self._boot_id = boot_id if boot_id is not None else _this_boot()
        self._ready: set[str] = set()
        self._guard = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        root.mkdir(parents=True, exist_ok=True)

    def path(self, key: str) -> Path:
        """Where the folder is, or would be."""
        return self._root / key

    def has(self, key: str) -> bool:
        return key in self._ready or self.path(key).is_dir()

    def keys(self) -> Iterator[str]:
        """Every folder there is, in no order."""
        return (each.name for each in self._root.iterdir() if not each.name.startswith("."))

    def ensure(self, key: str, fill: Callable[[Path], None]) -> Path:
        """The folder, made by ``fill`` if it is not there; callers at the same time make it once.

        ``fill`` gets an empty folder of mode 0755. Whatever it raises is raised here, and
        leaves nothing behind.
        """
        if key in self._ready:
            return self.path(key)
        with self._lock(key):
            if not self.path(key).is_dir():
                self._make(key, fill)
            self._ready.add(key)
        return self.path(key)

    def _make(self, key: str, fill: Callable[[Path], None]) -> None:
        making = Path(tempfile.mkdtemp(prefix=_MAKING, dir=self._root))
        try:
            making.chmod(0o755)
            fill(making)
            making.rename(self.path(key))
        except BaseException:
            discard(making)
            raise

    def remove(self, key: str) -> None:
        """Remove the folder; it is gone at once under its name. Not being there is no error."""
        with self._lock(key):
            self._ready.discard(key)
            self._drop(key)

    def _drop(self, key: str) -> None:
        going = Path(tempfile.mkdtemp(prefix=_GOING, dir=self._root))
        with contextlib.suppress(FileNotFoundError):
            self.path(key).rename(going / key)
        discard(going)

    def sweep(self) -> int:
        """Remove what a crash or an earlier boot left; return how many folders went.

        To be called before anyone uses the folders.
        """
        boot = self._root / _BOOT
        known = boot.read_text() if boot.is_file() else ""
        old = list(self.keys()) if not known or known != self._boot_id else []
        for key in old:
            self.remove(key)
        halves = [each for each in self._root.iterdir() if each.name.startswith((_MAKING, _GOING))]
        for half in halves:
            discard(half)
        boot.write_text(self._boot_id)
        return len(old) + len(halves)

    @contextlib.contextmanager
    def _lock(self, key: str) -> Iterator[None]:
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            yield


def discard(folder: Path) -> None:
    """Remove a folder and everything in it, read-only folders too; links are not followed."""
    with contextlib.suppress(FileNotFoundError):
        try:
            shutil.rmtree(folder)
        except PermissionError:
            _open_up(folder)
            shutil.rmtree(folder)


def _open_up(folder: Path) -> None:
    folder.chmod(0o700)
    for at, names, _ in os.walk(folder):
        for name in names:
            below = Path(at, name)
            if not below.is_symlink():
                below.chmod(0o700)


def _this_boot() -> str:
    """This boot's id; empty where the kernel does not say, which trusts no earlier folder."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""
