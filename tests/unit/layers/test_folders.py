"""Folders that are made once."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lamella.layers.folders import Folders, discard


def fill(folder: Path) -> None:
    (folder / "a").write_text("a")


def test_makes_a_folder_once_for_callers_at_the_same_time(tmp_path: Path) -> None:
    folders, started, made = Folders(tmp_path / "root"), threading.Barrier(4), []

    def slowly(folder: Path) -> None:
        made.append(folder)
        fill(folder)

    def call() -> Path:
        started.wait()
        return folders.ensure("key", slowly)

    with ThreadPoolExecutor(4) as pool:
        paths = {each.result() for each in [pool.submit(call) for _ in range(4)]}
    assert paths == {tmp_path / "root" / "key"}
    assert len(made) == 1
    assert folders.path("key").stat().st_mode & 0o777 == 0o755


def test_a_fill_that_fails_leaves_nothing(tmp_path: Path) -> None:
    folders = Folders(tmp_path)

    def fail(folder: Path) -> None:
        fill(folder)
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        folders.ensure("key", fail)
    assert not folders.has("key")
    assert list(tmp_path.iterdir()) == []
    assert (folders.ensure("key", fill) / "a").read_text() == "a"


def test_a_removed_folder_is_made_again(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    folders.ensure("key", fill)
    folders.remove("key")
    folders.remove("key")
    assert list(folders.keys()) == [] and not folders.has("key")
    assert folders.ensure("key", fill).is_dir()


def test_sweeping_keeps_what_this_boot_has_made(tmp_path: Path) -> None:
    first = Folders(tmp_path, boot_id="one")
    first.sweep()
    first.ensure("key", fill)
    (tmp_path / ".making-x" / "half").mkdir(parents=True)
    (tmp_path / ".going-y").mkdir()
    again = Folders(tmp_path, boot_id="one")
    assert again.sweep() == 2
    assert list(again.keys()) == ["key"]


@pytest.mark.parametrize("now", ["two", ""])
def test_sweeping_drops_what_another_boot_has_made(tmp_path: Path, now: str) -> None:
    first = Folders(tmp_path, boot_id="one" if now else "")
    first.sweep()
    first.ensure("key", fill)
    again = Folders(tmp_path, boot_id=now)
    assert again.sweep() == 1
    assert list(again.keys()) == []


def test_folders_from_nobody_knows_when_are_dropped(tmp_path: Path) -> None:
    (tmp_path / "key").mkdir()
    folders = Folders(tmp_path)
    assert folders.sweep() == 1
    assert Folders(tmp_path).sweep() == 0


def test_read_only_folders_can_be_removed_and_links_are_not_followed(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    fill(kept)
    tree = tmp_path / "tree"
    (tree / "a" / "b").mkdir(parents=True)
    fill(tree / "a" / "b")
    (tree / "a" / "link").symlink_to(kept)
    for folder in (tree / "a" / "b", tree / "a", tree):
        folder.chmod(0)
    before = kept.stat().st_mode
    # The superuser passes every mode, so the removal is done as somebody else where it can be.
    if os.geteuid() == 0:
        pid = os.fork()
        if pid == 0:
            _remove_as_nobody(tmp_path, tree)
        assert os.waitpid(pid, 0)[1] == 0
    else:
        discard(tree)
    assert not tree.exists()
    assert (kept / "a").is_file() and kept.stat().st_mode == before


def _remove_as_nobody(above: Path, tree: Path) -> None:
    status = 1
    try:
        for at, folders, files in os.walk(above):
            for name in (*folders, *files):
                os.chown(Path(at, name), 65534, 65534, follow_symlinks=False)
        for folder in list(above.parents)[:2]:
            os.chmod(folder, 0o711)
        os.chmod(above, 0o777)
        os.chdir(above)
        os.setuid(65534)
        discard(Path(tree.name))
        status = 0
    finally:
        os._exit(status)
