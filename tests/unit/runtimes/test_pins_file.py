"""The file of pinned runtimes, and what may be pinned."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from lamella.errors import HostError, RuntimeMissing
from lamella.runtimes import pins
from lamella.runtimes.catalog import Catalog, identify

REAL = Path(os.path.realpath(sys.executable))
PINS = {"ruby3.3": Path("/a/bin/ruby"), "nodejs22.x": Path("/b/bin/node")}


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    data = tmp_path / "made" / "data"
    assert pins.load(data) == {}
    pins.save(data, PINS)
    assert pins.load(data) == PINS
    assert [path.name for path in data.iterdir()] == [pins.FILE]


@pytest.mark.parametrize("text", ["no json", "[]", '{"ruby3.3": 1}', '{"ruby3.3": "ruby"}', "\xff"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / pins.FILE).write_bytes(text.encode("latin-1"))
    with pytest.raises(HostError, match=f"The pinned runtimes in {tmp_path}/runtimes.json cannot"):
        pins.load(tmp_path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HostError, match=r"runtimes.json cannot be written: "):
        pins.save(tmp_path / "file", PINS)


def test_a_python_is_what_it_says() -> None:
    found = identify(f"python3.{sys.version_info.minor}", Path(sys.executable))
    assert (found.path, found.minor) == (REAL, sys.version_info.minor)


@pytest.mark.parametrize(
    ("runtime", "path", "words"),
    [
        ("ruby3.3", "/nowhere/bin/ruby", "its pinned interpreter /nowhere/bin/ruby is not there"),
        ("ruby3.3", __file__, "is not a program"),
        ("ruby3.3", str(REAL), "is no interpreter that could run it"),
        ("nodejs22.x", str(REAL), "is no interpreter that could run it"),
        ("python3.8", str(REAL), "is no interpreter that could run it"),
        ("provided.al2023", str(REAL), "is no interpreter that could run it"),
        ("python2.7", str(REAL), "is no interpreter that could run it"),
    ],
)
def test_what_cannot_be_pinned(runtime: str, path: str, words: str) -> None:
    with pytest.raises(RuntimeMissing, match=words) as caught:
        identify(runtime, Path(path))
    assert str(caught.value).startswith(f"{runtime}: ")
    assert path in str(caught.value)


def test_a_program_outside_an_installation_would_show_too_much(tmp_path: Path) -> None:
    lone = tmp_path / "node"
    lone.write_bytes(b"\x7fELF")
    lone.chmod(0o755)
    with pytest.raises(RuntimeMissing, match="is not in the folder bin of an installation"):
        identify("nodejs22.x", lone)


def test_a_broken_pin_gives_way_to_nothing_else() -> None:
    runtime = f"python3.{sys.version_info.minor}"
    catalog = Catalog.discover(pins={runtime: Path("/nowhere/bin/python")})
    with pytest.raises(RuntimeMissing, match=f"lamella runtimes unpin {runtime}"):
        catalog.find(runtime)
