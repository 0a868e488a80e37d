"""Trees: each zip unpacked once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from lamella.errors import ArchiveRefused
from lamella.layers.trees import Trees
from tests.unit.layers.zips import Item, build, contents, file, link

QUOTA = 262_144_000


class FolderOfBlobs:
    """Blobs as plain files; what of the port's laws trees rely on."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.opened = 0
        root.mkdir()

    def put(self, source: Path, digest: str) -> None:
        (self.root / digest).write_bytes(source.read_bytes())

    def put_bytes(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        (self.root / digest).write_bytes(data)
        return digest

    def open(self, digest: str) -> Path:
        self.opened += 1
        if not self.has(digest):
            raise KeyError(digest)
        return self.root / digest

    def has(self, digest: str) -> bool:
        return (self.root / digest).is_file()

    def remove(self, digest: str) -> None:
        (self.root / digest).unlink(missing_ok=True)

    def digests(self) -> Iterator[str]:
        return (path.name for path in self.root.iterdir())

    def sweep(self) -> int:
        return 0


@pytest.fixture
def blobs(tmp_path: Path) -> FolderOfBlobs:
    return FolderOfBlobs(tmp_path / "blobs")


@pytest.fixture
def trees(tmp_path: Path, blobs: FolderOfBlobs) -> Trees:
    return Trees(tmp_path / "trees", blobs, QUOTA)


def stored(blobs: FolderOfBlobs, *items: Item) -> str:
    return blobs.put_bytes(build(items))


def test_unpacks_a_blob_when_it_is_first_wanted(trees: Trees, blobs: FolderOfBlobs) -> None:
    digest = stored(blobs, file("python/a.py"), link("b", "python"))
    assert not trees.has(digest)
    tree = trees.ensure(digest)
    assert tree == trees.path(digest) == trees.ensure(digest)
    assert contents(tree) == {"python": None, "python/a.py": b"x", "b": "python"}
    assert (trees.has(digest), blobs.opened) == (True, 1)
    assert tree.stat().st_mode & 0o777 == tree.parent.stat().st_mode & 0o777 == 0o755


def test_callers_at_the_same_time_unpack_once(trees: Trees, blobs: FolderOfBlobs) -> None:
    digest = stored(blobs, *(file(f"python/{n}.py") for n in range(200)))
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(trees.ensure, [digest] * 8))) == 1
    assert blobs.opened == 1


def test_adding_finds_lies_and_keeps_nothing_of_them(trees: Trees, tmp_path: Path) -> None:
    path = tmp_path / "layer.zip"
    path.write_bytes(build([file("python/b.py"), replace(file("python/a.py"), crc=1)]))
    with pytest.raises(ArchiveRefused):
        trees.add(path, "0" * 64)
    assert not trees.has("0" * 64)
    assert list((tmp_path / "trees").iterdir()) == []


def test_adding_tells_what_is_in_the_zip_each_time(trees: Trees, tmp_path: Path) -> None:
    path = tmp_path / "layer.zip"
    path.write_bytes(build([file("a")]))
    first = trees.add(path, "1" * 64)
    assert first.warnings and not trees.add(path, "2" * 64, layer=False).warnings
    assert trees.add(path, "1" * 64) == trees.manifest("1" * 64) == first


def test_a_blob_that_is_not_there_is_a_key_error(trees: Trees) -> None:
    with pytest.raises(KeyError):
        trees.ensure("f" * 64)
    with pytest.raises(KeyError):
        trees.manifest("f" * 64)


def test_a_tree_of_another_boot_is_unpacked_again(tmp_path: Path, blobs: FolderOfBlobs) -> None:
    digest = stored(blobs, file("a"))
    before = Trees(tmp_path / "trees", blobs, QUOTA, boot_id="one")
    before.sweep()
    (before.ensure(digest) / "a").write_bytes(b"")
    after = Trees(tmp_path / "trees", blobs, QUOTA, boot_id="two")
    assert after.sweep() == 1
    assert contents(after.ensure(digest)) == {"a": b"x"}


def test_a_removed_tree_is_gone(trees: Trees, blobs: FolderOfBlobs) -> None:
    digest = stored(blobs, file("a"))
    trees.ensure(digest)
    trees.remove(digest)
    assert not trees.has(digest) and not trees.path(digest).exists()
