"""Looking through the host for interpreters: folders, real files, and asking one for its version."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ANSWER_SECONDS = 10
_SYSTEM_FOLDERS = (Path("/usr/bin"), Path("/usr/local/bin"))


@dataclass(frozen=True, slots=True)
class Places:
    """Where to look: the system's folders and those of PATH, and what version managers go by."""

    folders: tuple[Path, ...]
    environ: Mapping[str, str]
    home: Path

    @classmethod
    def of(cls, environ: Mapping[str, str] | None, home: Path | None) -> Places:
        """``environ`` is the process's own unless it is given, ``home`` what it says HOME is."""
        environ = os.environ if environ is None else environ
        home = home if home is not None else Path(environ.get("HOME", "/nonexistent"))
        named = (Path(entry) for entry in environ.get("PATH", "").split(os.pathsep) if entry)
        folders = (*_SYSTEM_FOLDERS, *(folder for folder in named if folder.is_absolute()))
        return cls(folders, environ, home)

    def managed(self, variable: str, folder: str, below: str = "versions") -> list[Path]:
        """The ``bin`` folders of a version manager whose root ``variable`` names, newest first.

        ``folder`` is its root in the home folder where the variable is not set; versions are in
        ``ROOT/below``.
        """
        root = Path(self.environ.get(variable) or self.home / folder) / below
        if not _readable(root):
            return []
        return sorted((each / "bin" for each in root.iterdir()), key=_by_number, reverse=True)

    def asdf(self, language: str) -> list[Path]:
        """The ``bin`` folders of asdf's versions of a language."""
        return self.managed("ASDF_DATA_DIR", ".asdf", f"installs/{language}")


def _readable(folder: Path) -> bool:
    # First the right: asking what a forbidden path is would raise.
    return os.access(folder, os.R_OK | os.X_OK) and folder.is_dir()


def _by_number(folder: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", folder.parent.name)]


def real_files(folders: Iterable[Path], *names: str) -> Iterator[Path]:
    """Executable binaries of these names; shims and other scripts are passed over."""
    for folder in folders:
        for name in names:
            path = Path(os.path.realpath(folder / name))
            if is_program(path):
                yield path


def is_program(path: Path) -> bool:
    """Whether ``path`` is a binary that may be executed."""
    return os.access(path, os.X_OK) and path.is_file() and _is_binary(path)


def _is_binary(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == b"\x7fELF"
    except OSError:
        return False


def ask(path: Path, *arguments: str) -> str:
    """What a program answers, without the server's environment; empty if it does not."""
    try:
        done = subprocess.run(
            [path, *arguments],
            capture_output=True,
            text=True,
            timeout=ANSWER_SECONDS,
            check=False,
            env={},
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return ""
    return done.stdout
