"""Which bootstrap a custom runtime runs, and what AWS says when it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamella.runtimes.provided import InvalidEntrypoint, find_bootstrap


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Folders that stand for the code and two layers."""
    made = [tmp_path / name for name in ("task", "first", "second")]
    for folder in made:
        folder.mkdir()
    return made


def bootstrap(folder: Path, content: bytes = b"#!/bin/sh\n", mode: int = 0o755) -> None:
    path = folder / "bootstrap"
    path.write_bytes(content)
    path.chmod(mode)


def test_the_functions_own_comes_first(folders: list[Path]) -> None:
    for folder in folders:
        bootstrap(folder)
    assert find_bootstrap(folders[0], folders[1:]) == "/var/task/bootstrap"


def test_a_layer_may_bring_it(folders: list[Path]) -> None:
    bootstrap(folders[1])
    assert find_bootstrap(folders[0], folders[1:]) == "/opt/bootstrap"


def test_the_last_layer_decides(folders: list[Path]) -> None:
    bootstrap(folders[1])
    bootstrap(folders[2], mode=0o644)
    with pytest.raises(InvalidEntrypoint, match=r"^fork/exec /opt/bootstrap: permission denied$"):
        find_bootstrap(folders[0], folders[1:])


def test_none_at_all(folders: list[Path]) -> None:
    with pytest.raises(InvalidEntrypoint) as caught:
        find_bootstrap(folders[0], folders[1:])
    assert caught.value.error_type == "Runtime.InvalidEntrypoint"
    assert caught.value.message == (
        "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"
    )


@pytest.mark.parametrize(
    "content", [b"", b"echo no line\n", b"\x7fELF", b"\x7fELF" + bytes(14) + b"\xff\xff"]
)
def test_what_the_kernel_would_refuse(folders: list[Path], content: bytes) -> None:
    bootstrap(folders[0], content)
    with pytest.raises(
        InvalidEntrypoint, match=r"^fork/exec /var/task/bootstrap: exec format error"
    ):
        find_bootstrap(folders[0], [])


def test_a_link_is_left_to_the_box(folders: list[Path]) -> None:
    (folders[1] / "bootstrap").symlink_to("/opt/bin/main")
    assert find_bootstrap(folders[0], folders[1:]) == "/opt/bootstrap"


def test_programs_of_this_machine_run(folders: list[Path]) -> None:
    bootstrap(folders[0], Path("/bin/sh").read_bytes())
    assert find_bootstrap(folders[0], []) == "/var/task/bootstrap"
