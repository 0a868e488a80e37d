"""Rooms: the ``/tmp`` of one environment each, mounted by the keeper; they outlive single boxes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lamella.sandbox import syscalls

FLAGS = syscalls.MS_NOSUID | syscalls.MS_NODEV

Answer = tuple[Mapping[str, object], list[int]]


class Rooms:
    """The rooms in the keeper's file system at ``base``."""

    def __init__(self, base: str) -> None:
        self._base = base

    def make(self, request: Any, _: list[int]) -> Answer:
        """A room of fixed size."""
        path = self._path(request)
        path.mkdir()
        options = f"{_size(request)},mode=1777"
        if request["uid"] is not None:
            options += f",uid={request['uid']},gid={request['uid']}"
        syscalls.mount("tmp", str(path), "tmpfs", FLAGS, options)
        return {"path": str(path)}, []

    def resize(self, request: Any, _: list[int]) -> Answer:
        """Another size for a room, also in the boxes that see it."""
        flags = FLAGS | syscalls.MS_REMOUNT
        syscalls.mount("tmp", str(self._path(request)), "tmpfs", flags, _size(request))
        return {}, []

    def leave(self, request: Any, _: list[int]) -> Answer:
        """Give a room up; what it holds goes with the last box that sees it."""
        path = self._path(request)
        syscalls.unmount(str(path))
        path.rmdir()
        return {}, []

    def _path(self, request: Any) -> Path:
        return Path(self._base, "rooms", request["room"])


def _size(request: Any) -> str:
    return f"size={request['bytes']},nr_inodes={request['inodes']}"
