"""Blobs in a folder: what a crash leaves, and how a file comes in."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lamella.blobs.disk import DiskBlobs

DATA = b"layer" * 1000
DIGEST = hashlib.sha256(DATA).hexdigest()


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_a_blob_is_in_one_of_256_folders(tmp_path: Path) -> None:
    DiskBlobs(tmp_path).put_bytes(DATA)
    assert files(tmp_path) == [f"{DIGEST[:2]}/{DIGEST}"]


def test_others_on_the_machine_cannot_read_the_folder(tmp_path: Path) -> None:
    DiskBlobs(tmp_path / "blobs")
    assert (tmp_path / "blobs").stat().st_mode & 0o077 == 0


def test_a_file_on_the_same_filesystem_is_linked_not_copied(tmp_path: Path) -> None:
    source = tmp_path / "upload"
    source.write_bytes(DATA)
    blobs = DiskBlobs(tmp_path / "blobs")
    blobs.put(source, DIGEST)
    assert blobs.open(DIGEST).samefile(source)


def test_a_link_to_a_file_is_followed(tmp_path: Path) -> None:
    source = tmp_path / "upload"
    source.write_bytes(DATA)
    (tmp_path / "link").symlink_to(source)
    blobs = DiskBlobs(tmp_path / "blobs")
    blobs.put(tmp_path / "link", DIGEST)
    assert not blobs.open(DIGEST).is_symlink()


@pytest.mark.parametrize("ranges", [True, False], ids=["copied by the kernel", "copied by hand"])
def test_a_file_that_cannot_be_linked_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ranges: bool
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    if not ranges:
        monkeypatch.setattr(os, "copy_file_range", refuse)
    source = tmp_path / "upload"
    source.write_bytes(DATA)
    blobs = DiskBlobs(tmp_path / "blobs")
    blobs.put(source, DIGEST)
    assert blobs.open(DIGEST).read_bytes() == DATA
    assert not blobs.open(DIGEST).samefile(source)
    assert blobs.sweep() == 0


def test_a_process_killed_while_it_writes_leaves_nothing_that_can_be_seen(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, signal, sys\n"
        "from lamella.blobs import disk\n"
        "blobs = disk.DiskBlobs(pathlib.Path(sys.argv[1]))\n"
        "disk._publish = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "blobs.put_bytes(b'half')\n"
    )
    died = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert died.returncode == -signal.SIGKILL
    blobs = DiskBlobs(tmp_path)
    assert len(files(tmp_path)) == 1
    assert list(blobs.digests()) == []
    assert blobs.sweep() == 1
    assert files(tmp_path) == []
