"""Folders that are made from several digests."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamella.layers.sets import SetFolders


def made(sets: SetFolders, key: str, *digests: str) -> Path:
    def fill(folder: Path) -> None:
        (folder / "file").write_text(key)

    return sets.ensure(key, digests, fill)


def test_a_folder_is_made_once_and_found(tmp_path: Path) -> None:
    sets = SetFolders(tmp_path)
    assert sets.find("k") is None
    folder = made(sets, "k", "a", "b")
    assert (folder / "file").read_text() == "k"
    assert made(sets, "k", "a", "b") == folder == sets.find("k") == SetFolders(tmp_path).find("k")
    assert folder.stat().st_mode & 0o777 == 0o755


def test_a_folder_that_could_not_be_filled_is_not_there(tmp_path: Path) -> None:
    sets = SetFolders(tmp_path)

    def fill(folder: Path) -> None:
        (folder / "half").touch()
        raise OSError

    with pytest.raises(OSError):
        sets.ensure("k", ["a"], fill)
    assert sets.find("k") is None
    assert not list(tmp_path.iterdir())


def test_a_folder_goes_with_each_of_its_digests(tmp_path: Path) -> None:
    sets = SetFolders(tmp_path)
    made(sets, "one", "a", "b")
    made(sets, "two", "b", "c")
    sets.remove("a")
    sets.remove("nothing")
    assert (sets.find("one"), sets.find("two") is None) == (None, False)
    sets.remove("b")
    assert sets.find("two") is None


def test_folders_of_an_earlier_boot_go(tmp_path: Path) -> None:
    earlier = SetFolders(tmp_path, boot_id="1")
    earlier.sweep()
    made(earlier, "k", "a")
    assert SetFolders(tmp_path, boot_id="1").sweep() == 0
    later = SetFolders(tmp_path, boot_id="2")
    assert later.sweep() == 1
    assert later.find("k") is None
