"""The archive reader, against a corpus of hostile and odd zips made here."""

from __future__ import annotations

import io
import os
import stat
import struct
import tempfile
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamella.errors import ArchiveRefused, LamellaError, NotAnArchive, UnzippedTooLarge
from lamella.layers import archive, rules
from lamella.layers.manifest import Kind, Manifest
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
    times,
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


@pytest.mark.parametrize("case", REFUSED)
def test_refuses(tmp_path: Path, case: str) -> None:
    items, fault = REFUSED[case]
    assert any(fault in each for each in refused(tmp_path, *items))


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


@pytest.mark.parametrize("case", LIES)
def test_finds_lies_while_it_writes(tmp_path: Path, case: str) -> None:
    item, fault = LIES[case]
    path = write(tmp_path / "layer.zip", [item])
    with pytest.raises(ArchiveRefused) as caught:
        archive.unpack(path, check(path), tmp_path / "tree")
    assert caught.value.faults == (f"python/a.py {caught.value.faults[0][12:]}",)
    assert fault in caught.value.faults[0]


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


@pytest.mark.parametrize("case", NOT_ZIPS)
def test_knows_what_is_no_zip(tmp_path: Path, case: str) -> None:
    path = tmp_path / "layer.zip"
    path.write_bytes(NOT_ZIPS[case])
    with pytest.raises(NotAnArchive):
        check(path)


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


@pytest.mark.parametrize("case", ODD)
def test_unpacks(tmp_path: Path, case: str) -> None:
    items, expected = ODD[case]
    assert contents(unpacked(write(tmp_path / "layer.zip", items))) == expected


def test_the_corpus_is_large_enough() -> None:
    assert len(REFUSED) + len(LIES) + len(NOT_ZIPS) + len(ODD) >= 60


def test_names_every_fault_in_the_order_of_entries(tmp_path: Path) -> None:
    items = [file("/a\\b"), A, link("x", "/etc"), file("pipe", b"", stat.S_IFIFO), file("../y")]
    assert refused(tmp_path, *items) == (
        "/a\\b has a backslash in its name",
        "/a\\b is an absolute path",
        "x is a link to the absolute path /etc; make it a relative one",
        "pipe is a fifo",
        "../y has '..' in its path",
    )


def test_unpacking_names_every_broken_file(tmp_path: Path) -> None:
    items = [replace(file(name), crc=1) for name in ("a", "b", "c")]
    path = write(tmp_path / "layer.zip", [*items, A])
    with pytest.raises(ArchiveRefused) as caught:
        archive.unpack(path, check(path), tmp_path / "tree")
    assert [fault[0] for fault in caught.value.faults] == ["a", "b", "c"]


def test_too_many_entries_are_refused_before_they_are_read(tmp_path: Path) -> None:
    line = build([file("a")])
    directory = line[line.index(b"PK\1\2") : line.index(b"PK\5\6")]
    count = rules.MAX_ENTRIES + 1
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 0, 0, count * len(directory), 32, 0)
    path = tmp_path / "layer.zip"
    path.write_bytes(line[:32] + directory * count + end)
    with pytest.raises(ArchiveRefused, match="more than 100,000 entries"):
        check(path)


def test_the_quota_counts_what_will_be_written(tmp_path: Path) -> None:
    path = write(
        tmp_path / "layer.zip",
        [file("a", b"1" * 600), file("a", b"2" * 600), file("b", b"3" * 400)],
    )
    assert check(path, quota=1000).unzipped_size == 1000
    with pytest.raises(UnzippedTooLarge, match="Unzipped size must be smaller than 999 bytes"):
        check(path, quota=999)


def test_zeros_within_the_quota_pass_whatever_their_ratio(tmp_path: Path) -> None:
    path = write(tmp_path / "layer.zip", [file("python/zeros", bytes(30_000_000))])
    assert path.stat().st_size < 40_000
    assert (unpacked(path) / "python/zeros").stat().st_size == 30_000_000


def test_bytes_before_the_zip_and_a_comment_after_it_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "layer.zip"
    path.write_bytes(build([A], before=b"#!/usr/bin/env python3\n", comment=b"hello"))
    assert contents(unpacked(path)) == {"python": None, "python/a.py": A.data}


def test_a_zip_with_64_bit_sizes_is_read(tmp_path: Path) -> None:
    path = tmp_path / "layer.zip"
    with zipfile.ZipFile(path, "w") as out, out.open("python/a", "w", force_zip64=True) as entry:
        entry.write(b"hello")
    assert contents(unpacked(path)) == {"python": None, "python/a": b"hello"}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_modes_are_kept_without_their_special_bits(tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        tree = unpacked(
            write(
                tmp_path / "layer.zip",
                [
                    file("bin/tool", mode=0o100755),
                    file("bin/su", mode=0o106755),
                    file("bin/sticky", mode=0o101644),
                    file("secret", mode=0o100600),
                    file("unreadable", mode=0o100011),
                    folder("shut/", stat.S_IFDIR | 0o7500),
                    folder("open/", stat.S_IFDIR | 0o777),
                ],
            )
        )
    finally:
        os.umask(old)
    names = ("bin", "bin/tool", "bin/su", "bin/sticky", "secret", "unreadable", "shut", "open", ".")
    assert [oct(mode(tree / name)) for name in names] == [
        *("0o755", "0o755", "0o755", "0o644", "0o600", "0o411", "0o755", "0o777", "0o755")
    ]


def test_entries_without_a_mode_get_the_usual_ones(tmp_path: Path) -> None:
    items = [Item(b"a", b"x", 0, system=0), Item(b"d/", b"", 0, system=0, method=0, attributes=16)]
    tree = unpacked(write(tmp_path / "layer.zip", items))
    assert (mode(tree / "a"), mode(tree / "d")) == (0o644, 0o755)


def test_times_are_exact_where_the_zip_has_them_and_utc_elsewhere(tmp_path: Path) -> None:
    exact = replace(file("exact"), extra=times(1_700_000_001))
    tree = unpacked(write(tmp_path / "layer.zip", [exact, file("dos")]))
    assert (tree / "exact").stat().st_mtime == 1_700_000_001
    assert (tree / "dos").stat().st_mtime == 1_577_836_800


def test_a_folder_that_is_there_is_not_unpacked_into(tmp_path: Path) -> None:
    path = write(tmp_path / "layer.zip", [A])
    (tmp_path / "tree").symlink_to(tmp_path)
    with pytest.raises(FileExistsError):
        archive.unpack(path, check(path), tmp_path / "tree")


def test_a_manifest_survives_json(tmp_path: Path) -> None:
    manifest = check(write(tmp_path / "layer.zip", [A, link("x", "python"), folder("ü/")]))
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert [(e.path, e.kind) for e in manifest.entries] == [
        ("python", Kind.DIR), ("python/a.py", Kind.FILE), ("x", Kind.SYMLINK), ("ü", Kind.DIR),
    ]  # fmt: skip


def test_warns_of_a_layer_without_a_known_folder(tmp_path: Path) -> None:
    path = write(tmp_path / "layer.zip", [file("site-packages/a.py")])
    (warning,) = check(path).warnings
    assert warning.startswith(
        "Nothing lies in a folder that a runtime looks into (python/, nodejs/"
    )
    assert archive.check(path, quota=QUOTA, layer=False).warnings == ()


def test_warns_of_files_that_functions_cannot_read(tmp_path: Path) -> None:
    path = tmp_path / "layer.zip"
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("python/a.py", "a = 1")
        out.writestr("python/b.py", "b = 1")
    (warning,) = check(path).warnings
    assert (
        warning
        == "python/a.py (as are 1 more) is not readable by everyone, so a function cannot read it."
    )


def pyc(source: Item, mtime: int, *, flags: int = 0, magic: int = 3495) -> bytes:
    return struct.pack("<H2sIII", magic, b"\r\n", flags, mtime, len(source.data)) + b"code" * 30


@pytest.mark.parametrize(
    "name",
    [
        "python/__pycache__/a.cpython-311.pyc",
        "python/a.pyc",
        "python/__pycache__/a.cpython-311.opt-1.pyc",
    ],
)
@pytest.mark.parametrize("method", [0, 8])
def test_warns_of_bytecode_that_is_stale(tmp_path: Path, name: str, method: int) -> None:
    source = replace(A, extra=times(1_700_000_001))
    compiled = Item(name.encode(), pyc(source, 1_600_000_000), method=method)
    (warning,) = check(write(tmp_path / "layer.zip", [source, compiled])).warnings
    assert warning.startswith(f"{name} is bytecode of another source")


@pytest.mark.parametrize(
    "data",
    [
        pyc(A, 1_577_836_800),
        pyc(A, 1, flags=1),
        pyc(A, 1, magic=62211),
        b"short",
        b"no bytecode at all, only text",
    ],
)
def test_does_not_warn_of_other_bytecode(tmp_path: Path, data: bytes) -> None:
    compiled = Item(b"python/__pycache__/a.cpython-311.pyc", data)
    assert check(write(tmp_path / "layer.zip", [A, compiled])).warnings == ()


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


@settings(max_examples=150, deadline=None)
@given(st.lists(items(), max_size=6))
def test_whatever_is_accepted_stays_inside_the_root(entries: list[Item]) -> None:
    holds_to_the_root(build(entries))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_broken_bytes_are_refused_and_nothing_else(data: st.DataObject) -> None:
    whole = bytearray(build([A, link("x", "python"), folder("bin/"), file("bin/b", b"bb")]))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    holds_to_the_root(bytes(whole))


def test_what_pythons_own_library_writes_is_read_as_it_reads_it(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as out:
        warnings.simplefilter("ignore")
        for n in range(50):
            out.writestr(f"python/pkg{n % 7}/mod{n}.py", os.urandom(n * 100))
    path = tmp_path / "layer.zip"
    path.write_bytes(buffer.getvalue())
    found = {k: v for k, v in contents(unpacked(path)).items() if v is not None}
    with zipfile.ZipFile(path) as again:
        assert found == {name: again.read(name) for name in again.namelist()}
