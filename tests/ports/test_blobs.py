"""The law of `lamella.blobs.base.Blobs`, executed on every backend."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lamella.blobs.base import Blobs
from lamella.blobs.disk import DiskBlobs

Opener = Callable[[], Blobs]
DATA = b"PK" + bytes(range(256)) * 1000
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(params=["disk"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    """Opens the same blobs again, as after a restart."""
    assert request.param == "disk"
    return lambda: DiskBlobs(tmp_path / "blobs")


@pytest.fixture
def blobs(reopen: Opener) -> Blobs:
    return reopen()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "upload.zip"
    file.write_bytes(DATA)
    return file


def test_bytes_are_named_by_their_digest(blobs: Blobs) -> None:
    assert blobs.put_bytes(DATA) == DIGEST
    assert blobs.open(DIGEST).read_bytes() == DATA


def test_a_file_is_kept_and_left_where_it_is(blobs: Blobs, source: Path) -> None:
    blobs.put(source, DIGEST)
    assert blobs.open(DIGEST).read_bytes() == DATA
    assert source.read_bytes() == DATA


def test_a_blob_outlives_its_source(blobs: Blobs, source: Path) -> None:
    blobs.put(source, DIGEST)
    source.unlink()
    assert blobs.open(DIGEST).read_bytes() == DATA


def test_no_bytes_at_all_are_a_blob_too(blobs: Blobs) -> None:
    assert blobs.open(blobs.put_bytes(b"")).read_bytes() == b""


def test_what_is_missing_is_a_key_error(blobs: Blobs) -> None:
    assert not blobs.has(DIGEST)
    with pytest.raises(KeyError):
        blobs.open(DIGEST)


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", DIGEST.upper(), DIGEST[:-1]])
def test_a_digest_is_64_lower_case_hex_digits(blobs: Blobs, digest: str) -> None:
    with pytest.raises(ValueError, match="SHA-256"):
        blobs.open(digest)


def test_storing_twice_changes_nothing(blobs: Blobs, source: Path) -> None:
    blobs.put_bytes(DATA)
    blobs.put(source, DIGEST)
    blobs.put_bytes(DATA)
    assert list(blobs.digests()) == [DIGEST]


def test_a_removed_blob_is_gone_and_may_come_back(blobs: Blobs) -> None:
    blobs.put_bytes(DATA)
    blobs.remove(DIGEST)
    blobs.remove(DIGEST)
    assert not blobs.has(DIGEST)
    assert list(blobs.digests()) == []
    blobs.put_bytes(DATA)
    assert blobs.has(DIGEST)


def test_blobs_survive_a_restart(blobs: Blobs, reopen: Opener) -> None:
    digests = {blobs.put_bytes(bytes([number])) for number in range(20)}
    assert set(reopen().digests()) == digests


def test_a_sweep_leaves_whole_blobs_alone(blobs: Blobs) -> None:
    blobs.put_bytes(DATA)
    assert blobs.sweep() == 0
    assert blobs.open(DIGEST).read_bytes() == DATA


def test_threads_that_store_the_same_bytes_all_succeed(blobs: Blobs, source: Path) -> None:
    start = threading.Barrier(8)

    def store(index: int) -> bytes:
        start.wait(timeout=30)
        if index % 2:
            blobs.put(source, DIGEST)
        else:
            blobs.put_bytes(DATA)
        return blobs.open(DIGEST).read_bytes()

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(store, range(8))) == {DATA}
    assert list(blobs.digests()) == [DIGEST]
    assert blobs.sweep() == 0
