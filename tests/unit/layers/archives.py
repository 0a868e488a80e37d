"""The corpus of hostile and odd archives, and short ways to read them."""

from __future__ import annotations

import stat
import struct
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from lamella.errors import ArchiveRefused, LamellaError
from lamella.layers import archive
from lamella.layers.manifest import Manifest
from tests.unit.layers.zips import (
    FOLDER,
    LINK,
    REGULAR,
    Item,
    build,
    contents,
    deflate,
    file,
    folder,
    link,
    write,
)

QUOTA = 262_144_000
A = file("python/a.py", b"a = 1\n" * 50)


def check(path: Path, quota: int = QUOTA) -> Manifest:
    return archive.check(path, quota=quota)


def refused(tmp_path: Path, *items: Item) -> tuple[str, ...]:
    with pytest.raises(ArchiveRefused) as caught:
        check(write(tmp_path / "layer.zip", items))
    return caught.value.faults


def unpacked(path: Path) -> Path:
    into = path.parent / "tree"
    archive.unpack(path, check(path), into)
    return into


REFUSED: dict[str, tuple[list[Item], str]] = {
    "absolute path": ([file("/etc/passwd")], "is an absolute path"),
    "several slashes": ([file("//python/a.py")], "is an absolute path"),
    "only a slash": ([folder("/")], "is an absolute path"),
    "dots at the start": ([file("../a.py")], "has '..' in its path"),
    "dots in the middle": ([file("python/../../a.py")], "has '..' in its path"),
    "dots that stay inside": ([file("python/x/../a.py")], "has '..' in its path"),
    "dots at the end": ([folder("python/../")], "has '..' in its path"),
    "dots alone": ([file("..")], "has '..' in its path"),
    "NUL": ([Item(b"python/a.py\0.txt")], "has a NUL in its name"),
    "NUL at the end": ([Item(b"python/a.py\0")], "has a NUL in its name"),
    "drive letter": ([file("C:/a.py")], "starts with a drive letter"),
    "drive letter alone": ([file("c:a.py")], "starts with a drive letter"),
    "backslash": ([file("python\\a.py")], "has a backslash in its name"),
    "backslash and dots": ([file("..\\..\\a.py")], "has a backslash in its name"),
    "no name": ([file("")], "has no name"),
    "name that is not UTF-8": ([Item(b"python/\xff\xfe.py")], "is marked as UTF-8 and is not"),
    "long part": ([file("python/" + "a" * 256)], "more than 255 bytes"),
    "long part of wide letters": ([file("ü" * 128)], "more than 255 bytes"),
    "long path": ([file("/".join(["a" * 200] * 20))], "more than 3,840 bytes"),
    "deep path": ([file("a/" * 300 + "b")], "more than 256 folders deep"),
    "link out": ([link("python/x", "../../etc/passwd")], "leaves the root"),
    "link to the parent": ([link("x", "..")], "leaves the root"),
    "absolute link": ([link("python/x", "/etc/passwd")], "to the absolute path /etc/passwd"),
    "link out through a link": ([link("d", "."), link("x", "d/../y")], "leaves the root"),
    "link out through a later link": (
        [link("x", "a/b/../../../y"), link("a/b", "../c/d/e"), link("c/d/e", "../..")],
        "leaves the root",
    ),
    "link out through what is missing": ([link("x", "gone/../../y")], "leaves the root"),
    "link with a long name in its target": ([link("x", "y" * 300)], "over 255 bytes in its target"),
    "link out of where it is mounted": ([link("python/x", "/opt/../etc")], "leaves the root"),
    "link beside where it is mounted": ([link("python/x", "/optional/x")], "to the absolute path"),
    "link to an absolute link": ([link("x", "y"), link("y", "/etc")], "leaves the root"),
    "link to itself": ([link("x", "x")], "part of a loop"),
    "two links in a loop": ([link("x", "y"), link("y", "x")], "part of a loop"),
    "link below itself": ([link("x", "x/y")], "part of a loop"),
    "long chain of links": ([link(f"l{n}", f"l{n + 1}") for n in range(50)], "more than 40 links"),
    "links that double": (
        [link("l0", "a"), *(link(f"l{n}", f"l{n - 1}/../l{n - 1}") for n in range(1, 40))],
        "more than 40 links",
    ),
    "too many entangled links": (
        [link(f"l{n:04}", "a/../" * 800 + "b") for n in range(800)],
        "too many links that lead through one another",
    ),
    "link without target": ([link("x", "")], "is a link without a target"),
    "link with a long target": ([link("x", "a/" * 2100)], "too long a target"),
    "link with a NUL": ([link("x", "a\0b")], "NUL in its target"),
    "link that is not UTF-8": ([Item(b"x", b"\xff", LINK, method=0)], "target is not UTF-8"),
    "link with a wrong CRC": ([replace(link("x", "y"), crc=1)], "does not have the CRC"),
    "link named as a folder": ([replace(link("x", "y"), name=b"x/")], "the name of a folder"),
    "file below a link": ([link("d", "e"), file("d/a.py")], "is a link and also the folder"),
    "file below a link, first": ([file("d/a.py"), link("d", "e")], "is a link and also the folder"),
    "file below a file": ([file("d"), file("d/a.py")], "is a file and also the folder"),
    "file and folder": ([file("d"), folder("d/")], "is there as a folder too"),
    "folder and file": ([folder("d/"), file("d")], "is there as a folder too"),
    "character device": ([file("null", b"", stat.S_IFCHR | 0o666)], "is a character device"),
    "block device": ([file("disk", b"", stat.S_IFBLK | 0o660)], "is a block device"),
    "fifo": ([file("pipe", b"", stat.S_IFIFO | 0o644)], "is a fifo"),
    "socket": ([file("sock", b"", stat.S_IFSOCK | 0o644)], "is a socket"),
    "device made on DOS": (
        [Item(b"null", b"", stat.S_IFCHR | 0o666, system=0)],
        "is a character device",
    ),
    "unknown type": ([file("odd", b"", 0o050644)], "a file type that no system knows"),
    "encrypted": ([replace(A, flags=1)], "is encrypted"),
    "strongly encrypted": ([replace(A, flags=0x41)], "is encrypted"),
    "hidden by encryption": ([replace(A, flags=0x2000)], "is encrypted"),
    "encrypted in secret": ([replace(A, local_flags=0x801)], "in one of its two headers only"),
    "AES": ([replace(A, method=99, packed=b"x", flags=1)], "method 99 (unknown)"),
    "patch data": ([replace(A, flags=0x20)], "is patch data"),
    "bzip2": ([replace(A, method=12, packed=b"x")], "method 12 (bzip2)"),
    "LZMA": ([replace(A, method=14, packed=b"x")], "method 14 (LZMA)"),
    "zstd": ([replace(A, method=93, packed=b"x")], "method 93 (zstd)"),
    "deflate64": ([replace(A, method=9, packed=b"x")], "method 9 (deflate64)"),
    "unknown method": ([replace(A, method=77, packed=b"x")], "method 77 (unknown)"),
    "same bytes twice": ([A, replace(A, name=b"b.py", start=0)], "overlaps python/a.py"),
    "an entry inside another": (
        [
            Item(b"outer", build([file("inner")]), method=0),
            replace(file("inner"), start=35, method=8),
        ],
        "overlaps outer",
    ),
    "bytes of the directory": ([replace(A, packed_size=5_000)], "runs into the directory"),
    "no local header": ([replace(A, local_magic=b"PK\0\0")], "has no local header"),
    "local header past the end": ([replace(A, start=900_000)], "has no local header"),
    "other local name": ([replace(A, local_name=b"../../evil.py")], "is named ../../evil.py in"),
    "other local method": ([replace(A, local_method=0)], "method 0 in its local header"),
    "other local size": ([replace(A, local_size=7)], "and 7 in its local header"),
    "stored with another size": (
        [replace(A, method=0, size=900, packed=b"a" * 300)],
        "is stored in 300 bytes and claims to be 900",
    ),
    "absurd ratio": ([replace(A, size=100_000_000)], "more than deflate can hold"),
    "folder with contents": ([Item(b"python/", b"x", FOLDER)], "is a folder with contents"),
    "whiteout": ([file("python/.wh.a.py")], "read as a whiteout"),
    "opaque whiteout": ([file("python/.wh..wh..opq")], "read as a whiteout"),
    "folder named as a whiteout": ([file(".wh.python/a.py")], "read as a whiteout"),
}


LIES: dict[str, tuple[Item, str]] = {
    "more bytes than declared": (
        replace(A, data=b"", packed=deflate(b"a" * 5000), size=10, crc=0),
        "unpacks to more bytes than it declares",
    ),
    "a bomb that declares little": (
        replace(A, data=b"", packed=deflate(bytes(50_000_000)), size=10, crc=0),
        "unpacks to more bytes than it declares",
    ),
    "fewer bytes than declared": (replace(A, size=400), "unpacks to fewer bytes"),
    "wrong CRC": (replace(A, crc=1), "does not have the CRC it declares"),
    "wrong CRC of stored bytes": (replace(A, method=0, crc=1), "does not have the CRC"),
    "bytes that do not inflate": (replace(A, packed=b"\xff" * 40), "do not inflate"),
    "data cut short": (replace(A, packed=deflate(A.data)[:-3]), "unpacks to fewer bytes"),
    "bytes behind the data": (replace(A, packed=deflate(A.data) + b"more"), "behind the end"),
}


ALL = build([A, file("bin/tool", b"#!/bin/sh\n", 0o100755)])
NOT_ZIPS = {
    "nothing": b"",
    "text": b"hello",
    "a tarball": b"\x1f\x8b\x08" + bytes(500),
    "the first half": ALL[: len(ALL) // 2],
    "without its end": ALL[:-22],
    "without its beginning": ALL[len(ALL) - 60 :],
    "a directory that is no directory": ALL.replace(b"PK\1\2", b"PK\7\7"),
    "a directory of another length": ALL[:-10] + struct.pack("<I", 900_000) + ALL[-6:],
}


ODD: dict[str, tuple[list[Item], dict[str, str | bytes | None]]] = {
    "nothing at all": ([], {}),
    "only the root": ([folder("./")], {}),
    "an empty file": ([file("bin/a", b"")], {"bin": None, "bin/a": b""}),
    "an empty folder": ([folder("bin/")], {"bin": None}),
    "an empty deflated file": ([Item(b"a", b"", packed=b"\3\0")], {"a": b""}),
    "folders after what they hold": ([file("bin/a"), folder("bin/")], {"bin": None, "bin/a": b"x"}),
    "dots and double slashes": (
        [file("./bin/a"), file("bin//./b")],
        {"bin": None, "bin/a": b"x", "bin/b": b"x"},
    ),
    "names of dots": (
        [file("..."), file("..a"), file("a..")],
        {"...": b"x", "..a": b"x", "a..": b"x"},
    ),
    "twice, the last wins": ([file("a", b"1"), file("./a", b"2")], {"a": b"2"}),
    "a link over a file, last": ([file("a"), file("b"), link("a", "b")], {"a": "b", "b": b"x"}),
    "a file over a link, last": (
        [file("b"), link("a", "b"), file("a", b"2")],
        {"a": b"2", "b": b"x"},
    ),
    "the folder twice": ([folder("a/"), folder("a/")], {"a": None}),
    "a link inside": (
        [link("lib/x", "../y"), file("y")],
        {"lib": None, "lib/x": "../y", "y": b"x"},
    ),
    "a link to nothing": ([link("x", "lib/of/another/layer")], {"x": "lib/of/another/layer"}),
    "a link to the root": ([link("a/self", "..")], {"a": None, "a/self": ".."}),
    "a link through a link": (
        [file("a/b/c"), link("l", "a/b"), link("m", "l/../b/c")],
        {"a": None, "a/b": None, "a/b/c": b"x", "l": "a/b", "m": "l/../b/c"},
    ),
    "forty links": (
        [*(link(f"l{n}", f"l{n + 1}") for n in range(40))],
        {f"l{n}": f"l{n + 1}" for n in range(40)},
    ),
    "UTF-8 with the mark": ([file("bin/ü")], {"bin": None, "bin/ü": b"x"}),
    "UTF-8 without the mark": ([replace(file("bin/ü"), flags=0)], {"bin": None, "bin/ü": b"x"}),
    "the old PC's letters": ([Item(b"\x81\xff", b"x", flags=0)], {"ü\xa0": b"x"}),
    "a newline in the name": ([file("Icon\r\n")], {"Icon\r\n": b"x"}),
    "a colon further on": ([file("ab:c")], {"ab:c": b"x"}),
    "the longest part": ([file("a" * 255)], {"a" * 255: b"x"}),
    "a folder by its DOS bit": (
        [Item(b"d", b"", 0, system=0, method=0, attributes=0x10)],
        {"d": None},
    ),
    "a folder by its mode": ([Item(b"d", b"", FOLDER, method=0)], {"d": None}),
    "names that only resemble whiteouts": (
        [file("wh.a"), file("a.wh.b")],
        {"a.wh.b": b"x", "wh.a": b"x"},
    ),
    "sizes after the data": (
        [replace(A, flags=8, local_size=0)],
        {"python": None, "python/a.py": A.data},
    ),
    "a date that is none": ([replace(A, date=0)], {"python": None, "python/a.py": A.data}),
}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def pyc(source: Item, mtime: int, *, flags: int = 0, magic: int = 3495) -> bytes:
    return struct.pack("<H2sIII", magic, b"\r\n", flags, mtime, len(source.data)) + b"code" * 30


PLAIN = st.sampled_from(["a", "b", "c", "ü"])
ODD_PARTS = st.sampled_from(["..", ".", "", "d\\e", "C:", ".wh.a", "x" * 256])
PARTS = st.one_of(PLAIN, PLAIN, PLAIN, ODD_PARTS)
PATHS = st.lists(PLAIN, min_size=1, max_size=3).map("/".join)
WILD_PATHS = st.lists(PARTS, min_size=1, max_size=4).map("/".join)
TARGETS = st.lists(st.sampled_from(["a", "b", "c", ".."]), min_size=1, max_size=4).map("/".join)
MODES = st.sampled_from([0, REGULAR, REGULAR, LINK, LINK, FOLDER, stat.S_IFIFO | 0o644, 0o104755])
TAMPERED = st.fixed_dictionaries(
    {},
    optional={
        "size": st.integers(0, 60),
        "crc": st.just(7),
        "flags": st.sampled_from([0, 1, 8, 0x800]),
        "packed": st.binary(max_size=40),
        "start": st.integers(0, 200),
        "local_name": WILD_PATHS.map(str.encode),
    },
)


@st.composite
def items(draw: st.DrawFn) -> Item:
    name, kind = draw(st.one_of(PATHS, PATHS, PATHS, WILD_PATHS)), draw(MODES)
    data = draw(TARGETS).encode() if kind == LINK else draw(st.binary(max_size=20))
    if kind == FOLDER:
        name, data = name + "/", b""
    item = Item(name.encode(), data, kind, method=draw(st.sampled_from([0, 8])))
    changes: dict[str, Any] = draw(TAMPERED)
    return replace(item, **changes) if draw(st.integers(0, 4)) == 4 else item


def holds_to_the_root(data: bytes) -> None:
    """Whatever is accepted lies inside the root, and so does everything its links lead to."""
    with tempfile.TemporaryDirectory() as name:
        outside = Path(name)
        path, into = outside / "layer.zip", outside / "a" / "b" / "tree"
        path.write_bytes(data)
        into.parent.mkdir(parents=True)
        try:
            manifest = check(path, quota=1_000_000)
            archive.unpack(path, manifest, into)
        except LamellaError:
            pass
        else:
            assert set(contents(into)) == {entry.path for entry in manifest.entries}
            root = into.resolve()
            for below in into.rglob("*"):
                assert below.resolve().is_relative_to(root)
        written = {str(p.relative_to(outside)) for p in outside.rglob("*") if into not in p.parents}
        assert written - {"a/b/tree"} == {"layer.zip", "a", "a/b"}
