"""Zips made by hand: everything that zipfile refuses to write."""

from __future__ import annotations

import stat
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

REGULAR = stat.S_IFREG | 0o644
LINK = stat.S_IFLNK | 0o777
FOLDER = stat.S_IFDIR | 0o755
UTF8 = 0x0800


@dataclass(frozen=True)
class Item:
    """One entry; what is None follows from the rest, what is set is written as it is."""

    name: bytes
    data: bytes = b""
    mode: int = REGULAR
    method: int = 8
    flags: int = UTF8
    system: int = 3
    packed: bytes | None = None
    size: int | None = None
    packed_size: int | None = None
    crc: int | None = None
    local_name: bytes | None = None
    local_method: int | None = None
    local_flags: int | None = None
    local_size: int | None = None
    local_magic: bytes = b"PK\3\4"
    start: int | None = None
    attributes: int = 0
    extra: bytes = b""
    date: int = (2020 - 1980) << 9 | 1 << 5 | 1
    time: int = 0


def file(name: str, data: bytes = b"x", mode: int = REGULAR) -> Item:
    return Item(name.encode(), data, mode)


def link(name: str, target: str) -> Item:
    return Item(name.encode(), target.encode(), LINK, method=0)


def folder(name: str, mode: int = FOLDER) -> Item:
    return Item(name.encode(), b"", mode, method=0)


def times(mtime: int) -> bytes:
    """The extra field that says when a file was changed, exactly."""
    return struct.pack("<HHBi", 0x5455, 5, 1, mtime)


def deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def build(items: Sequence[Item], *, comment: bytes = b"", before: bytes = b"") -> bytes:
    """The bytes of a zip with these entries, in this order."""
    body, lines = bytearray(before), []
    for item in items:
        start = len(body) if item.start is None else item.start
        packed = item.packed
        if packed is None:
            packed = deflate(item.data) if item.method == 8 else item.data
        size = len(item.data) if item.size is None else item.size
        length = len(packed) if item.packed_size is None else item.packed_size
        crc = zlib.crc32(item.data) if item.crc is None else item.crc
        if item.start is None:
            name = item.name if item.local_name is None else item.local_name
            method = item.method if item.local_method is None else item.local_method
            flags = item.flags if item.local_flags is None else item.local_flags
            local_size = size if item.local_size is None else item.local_size
            body += struct.pack(
                "<4s5H3I2H", item.local_magic, 20, flags, method, item.time, item.date,
                crc, length, local_size, len(name), 0,
            )  # fmt: skip
            body += name + packed
        lines.append(_line(item, crc, length, size, start))
    directory = b"".join(lines)
    end = struct.pack(
        "<4s4H2IH", b"PK\5\6", 0, 0, len(items), len(items), len(directory), len(body), len(comment)
    )
    return bytes(body) + directory + end + comment


def _line(item: Item, crc: int, length: int, size: int, start: int) -> bytes:
    fixed = struct.pack(
        "<4sBBHHHHHIIIHHHHHII",
        b"PK\1\2", 20, item.system, 20, item.flags, item.method, item.time, item.date,
        crc, length, size, len(item.name), len(item.extra), 0, 0, 0,
        item.mode << 16 | item.attributes, start,
    )  # fmt: skip
    return fixed + item.name + item.extra


def write(path: Path, items: Sequence[Item]) -> Path:
    path.write_bytes(build(items))
    return path


def contents(root: Path) -> Mapping[str, str | bytes | None]:
    """What lies below ``root``: bytes of a file, text of a link, None for a folder."""
    found: dict[str, str | bytes | None] = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = str(path.readlink())
        else:
            found[name] = path.read_bytes() if path.is_file() else None
    return found
