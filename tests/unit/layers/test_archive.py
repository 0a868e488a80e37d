"""The archive reader, against a corpus of hostile and odd zips made here."""

from __future__ import annotations

import os
import stat
import struct
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from lamella.errors import ArchiveRefused, NotAnArchive, UnzippedTooLarge
from lamella.layers import archive, rules
from lamella.layers.manifest import Kind, Manifest
from tests.unit.layers.archives import (
    LIES,
    NOT_ZIPS,
    ODD,
    QUOTA,
    REFUSED,
    A,
    check,
    mode,
    pyc,
    refused,
    unpacked,
)
from tests.unit.layers.zips import (
    Item,
    build,
    contents,
    file,
    folder,
    link,
    times,
    write,
)


@pytest.mark.parametrize("case", REFUSED)
def test_refuses(tmp_path: Path, case: str) -> None:
    items, fault = REFUSED[case]
    assert any(fault in each for each in refused(tmp_path, *items))


@pytest.mark.parametrize("case", LIES)
def test_finds_lies_while_it_writes(tmp_path: Path, case: str) -> None:
    item, fault = LIES[case]
    path = write(tmp_path / "layer.zip", [item])
    with pytest.raises(ArchiveRefused) as caught:
        archive.unpack(path, check(path), tmp_path / "tree")
    assert caught.value.faults == (f"python/a.py {caught.value.faults[0][12:]}",)
    assert fault in caught.value.faults[0]


@pytest.mark.parametrize("case", NOT_ZIPS)
def test_knows_what_is_no_zip(tmp_path: Path, case: str) -> None:
    path = tmp_path / "layer.zip"
    path.write_bytes(NOT_ZIPS[case])
    with pytest.raises(NotAnArchive):
        check(path)


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
