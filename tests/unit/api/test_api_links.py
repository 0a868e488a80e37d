"""A link opens one blob for ten minutes, and nothing else."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lamella.api.links import PREFIX, Links, key_at
from lamella.api.parse import parse_query

DIGEST = "ab" * 32


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def made(links: Links) -> dict[str, list[str]]:
    parts = urlsplit(links.url("http://127.0.0.1:4566", DIGEST))
    assert (parts.netloc, parts.path) == ("127.0.0.1:4566", PREFIX + DIGEST)
    return parse_query(parts.query.encode())


def test_a_link_is_good_for_ten_minutes() -> None:
    clock = Clock()
    links = Links(b"k" * 32, clock)
    query = made(links)
    clock.now += 599
    assert links.is_valid(DIGEST, query)
    clock.now += 2
    assert not links.is_valid(DIGEST, query)


@pytest.mark.parametrize("part", ["Expires", "Signature"])
@pytest.mark.parametrize("value", ["", "0", "9999999999", "é"])
def test_a_link_that_was_changed_is_refused(part: str, value: str) -> None:
    links = Links(b"k" * 32, Clock())
    assert not links.is_valid(DIGEST, {**made(links), part: [value]})


def test_a_link_opens_no_other_blob_and_no_other_server() -> None:
    links = Links(b"k" * 32, Clock())
    query = made(links)
    assert not links.is_valid("cd" * 32, query)
    assert not links.is_valid(DIGEST, {})
    assert not Links(b"j" * 32, Clock()).is_valid(DIGEST, query)


def test_the_key_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "link.key"
    key = key_at(path)
    assert len(key) == 32
    assert key_at(path) == key
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_key_that_a_crash_left_half_written_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "link.key"
    path.write_bytes(b"half")
    (tmp_path / "link.key.new").write_bytes(b"")
    assert len(key_at(path)) == 32
    assert list(tmp_path.iterdir()) == [path]
