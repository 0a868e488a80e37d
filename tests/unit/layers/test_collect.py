"""Collecting: what nothing uses goes, and nothing goes that someone is about to use."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lamella.layers.collect import Collecting
from tests.unit.layers.shelf import A_ZIP, Shelf, asker, layer, shelf, zipped


@pytest.fixture
def on(tmp_path: Path) -> Iterator[Shelf]:
    with shelf(tmp_path) as made:
        yield made


def is_kept(on: Shelf, digest: str) -> bool:
    kept = on.blobs.has(digest)
    assert on.trees.has(digest) == kept
    return kept


def delete(on: Shelf, number: int = 1) -> None:
    on.publishing.delete(asker(), layer(), number)


def test_bytes_go_with_their_last_version(on: Shelf) -> None:
    digest = on.publish().digest
    on.publish()
    delete(on, 1)
    assert is_kept(on, digest)
    delete(on, 2)
    assert not is_kept(on, digest)


def test_bytes_in_use_stay_until_they_are_not(on: Shelf) -> None:
    digest = on.publish().digest
    with on.collecting.using([digest]), on.collecting.using([digest]):
        delete(on)
        assert is_kept(on, digest)
    assert not is_kept(on, digest)


def test_bytes_that_are_referenced_again_meanwhile_stay(on: Shelf) -> None:
    digest = on.publish().digest
    with on.collecting.using([digest]):
        delete(on)
        on.publish()
    assert is_kept(on, digest)


def test_nothing_goes_while_someone_writes(on: Shelf) -> None:
    digest = on.publish().digest
    with on.collecting.writing():
        delete(on)
        assert is_kept(on, digest)
    assert not is_kept(on, digest)


def test_a_publish_of_bytes_that_are_just_going_keeps_them(on: Shelf) -> None:
    digest = on.publish().digest
    with on.packages.taken_in(A_ZIP, layer=True) as package:
        delete(on)
        assert package.digest == digest
        on.publish()
    assert is_kept(on, digest)


def test_publishes_and_deletes_of_the_same_bytes_never_lose_a_version(on: Shelf) -> None:
    start = threading.Barrier(4)

    def come_and_go(name: int) -> list[bool]:
        start.wait(timeout=30)
        whole = []
        for _ in range(8):
            version = on.publish(f"layer-{name}")
            whole.append(on.blobs.has(version.digest))
            on.publishing.delete(asker(), layer(f"layer-{name}"), version.version)
        return whole

    with ThreadPoolExecutor(4) as threads:
        assert all(all(whole) for whole in threads.map(come_and_go, range(4)))
    assert list(on.blobs.digests()) == []


def test_a_zip_that_is_refused_leaves_nothing(on: Shelf) -> None:
    with pytest.raises(ValueError, match="stop"), on.packages.taken_in(A_ZIP, layer=True):
        raise ValueError("stop")
    assert list(on.blobs.digests()) == []


def test_a_start_removes_what_a_crash_left(on: Shelf, tmp_path: Path) -> None:
    kept = on.publish().digest
    stray = on.blobs.put_bytes(zipped({"python/stray.py": ""}))
    on.trees.add(on.blobs.open(stray), stray)
    assert on.collecting.collect_all() == 1
    assert is_kept(on, kept)
    assert not is_kept(on, stray)
    assert on.collecting.collect_all() == 0


def test_a_writer_waits_for_a_removal_and_a_holder_does_not(tmp_path: Path) -> None:
    removing, go_on, wrote = threading.Event(), threading.Event(), threading.Event()

    class Slow:
        def remove(self, digest: str) -> None:
            removing.set()
            assert go_on.wait(30)

    with shelf(tmp_path) as on:
        collecting = Collecting(on.records, on.blobs, Slow())
        digest = on.blobs.put_bytes(A_ZIP)

        def write() -> None:
            with collecting.writing():
                assert not on.blobs.has(digest)
                wrote.set()

        with ThreadPoolExecutor(2) as threads:
            removal = threads.submit(collecting.collect, {digest})
            assert removing.wait(30)
            writer = threads.submit(write)
            collecting.hold({digest})
            assert not wrote.is_set()
            go_on.set()
            removal.result(30)
            writer.result(30)
