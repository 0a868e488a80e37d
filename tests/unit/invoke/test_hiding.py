"""Which names of modules a function's own folder takes."""

from __future__ import annotations

from pathlib import Path

from lamella.invoke.hiding import layer_names, top_names


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


def layer(root: Path, *files: str) -> Path:
    for each in files:
        path = root / each
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def modules(layer: Path, minor: int) -> frozenset[str]:
    names = layer_names(layer, minor)
    assert names is not None
    return frozenset(each for each in names if not each.startswith("/"))


def test_a_layer_brings_files_that_a_module_may_read(tmp_path: Path) -> None:
    made = layer(
        tmp_path,
        "python/one.py",
        "python/config.json",
        "python/lib/python3.13/site-packages/two.txt",
    )
    names = layer_names(made, 13)
    assert names is not None
    assert names - modules(made, 13) == {"/", "/one.py", "/config.json", "/lib", "/two.txt"}


def test_a_layer_brings_what_lies_in_both_of_its_folders_for_modules(tmp_path: Path) -> None:
    made = layer(
        tmp_path,
        "python/one.py",
        "python/lib/python3.13/site-packages/two/__init__.py",
        "python/lib/python3.13/site-packages/two-1.dist-info/METADATA",
        "python/lib/python3.12/site-packages/three.py",
    )
    assert modules(made, 13) == frozenset({"one", "lib", "two", "*.dist-info"})
    assert modules(made, 11) == frozenset({"one", "lib"})


def test_a_layer_that_brings_more_than_modules_is_not_told(tmp_path: Path) -> None:
    assert layer_names(layer(tmp_path / "a", "python/one.py", "lib/libone.so"), 13) is None
    assert layer_names(layer(tmp_path / "b", "bin/one"), 13) is None


def test_no_link_of_a_layer_is_followed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/python").symlink_to("/etc")
    assert layer_names(tmp_path / "a", 13) is None
    made = layer(tmp_path / "b", "python/one.py")
    (made / "python/lib").symlink_to("/usr/lib")
    assert layer_names(made, 13) is None
    (tmp_path / "c/python").mkdir(parents=True)
    (tmp_path / "c/python/led").symlink_to("/etc")
    assert modules(tmp_path / "c", 13) == frozenset({"led"})
