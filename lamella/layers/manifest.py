"""What a zip holds, once it has been found fit to unpack.

`lamella.layers.archive` makes manifests, `lamella.layers.trees` keeps one beside each tree.
This module knows their shape and their JSON form, and opens nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import orjson


class Kind(StrEnum):
    FILE = "file"
    DIR = "dir"
    SYMLINK = "symlink"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, folder or link, as it will be on disk, and where the zip holds its bytes.

    ``path`` is relative, its parts joined by ``/``. ``mode`` is the permission bits alone,
    ``size`` bytes, ``mtime`` Unix seconds, ``target`` a link's text (empty for the others).
    ``offset`` is where the ``packed`` bytes begin in the zip, ``method`` how they are packed
    (0 stored, 8 deflate), ``crc`` the CRC-32 of what comes out.
    """

    path: str
    kind: Kind
    mode: int
    size: int = 0
    target: str = ""
    mtime: int = 0
    offset: int = 0
    packed: int = 0
    method: int = 0
    crc: int = 0


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything a zip will unpack to, in order of path; each folder stands before what it holds.

    ``unzipped_size`` is bytes. ``warnings`` are sentences about what will probably not work as
    its author means it.
    """

    entries: tuple[Entry, ...]
    unzipped_size: int
    warnings: tuple[str, ...] = ()

    def to_json(self) -> bytes:
        return orjson.dumps(self)

    @classmethod
    def from_json(cls, data: bytes) -> Manifest:
        """The manifest that `to_json` wrote. ValueError, TypeError or KeyError for other bytes."""
        fields = orjson.loads(data)
        entries = tuple(Entry(**{**each, "kind": Kind(each["kind"])}) for each in fields["entries"])
        return cls(entries, fields["unzipped_size"], tuple(fields["warnings"]))
