"""Which names of modules a function's own folder takes."""

from __future__ import annotations

from pathlib import Path

from lamella.invoke.hiding import hidden, top_names


def test_modules_packages_and_native_modules_take_their_names(tmp_path: Path) -> None:
    for name in (
        "app.py",
        "_fast.cpython-311-x86_64-linux-gnu.so",
        "old.pyc",
        "notes.txt",
        "README",
    ):
        (tmp_path / name).touch()
    for name in ("numpy", "numpy.libs"):
        (tmp_path / name).mkdir()
    (tmp_path / "led").symlink_to("/opt/python/led")
    assert top_names(tmp_path) == {"app", "_fast", "old", "numpy", "numpy.libs", "led"}


def test_metadata_of_packages_is_told_by_its_ending(tmp_path: Path) -> None:
    (tmp_path / "six-1.17.0.dist-info").mkdir()
    (tmp_path / "old.egg-info").touch()
    assert top_names(tmp_path) == {"*.dist-info", "*.egg-info"}


def test_a_name_that_was_looked_for_is_hidden() -> None:
    own = frozenset({"app", "six"})
    assert hidden(own, ("numpy", "six")) == "six"
    assert hidden(own, ("numpy", "*.dist-info")) is None
