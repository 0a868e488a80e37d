"""Which runtimes this host can run, and with which interpreter.

Owns finding interpreters and saying what is missing and how to get it. How one is started is
`lamella.runtimes.start`'s.

Rules. Python: a runtime runs on its own minor version and no other. Node.js: on its own major
version where there is one, else on the nearest newer, else on the nearest; the interpreter's
`note` says so. ``provided.*`` needs nothing of the host.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from lamella.errors import RuntimeMissing

PYTHON_MINORS = range(8, 15)
NODE_MAJORS = (18, 20, 22, 24)
PROVIDED = ("provided.al2", "provided.al2023")
BOX_PREFIX = "/var/lang"

_PYTHON = re.compile(r"python3\.(\d+)")
_NODE = re.compile(r"nodejs(\d+)\.x")
_FAMILIES = re.compile(
    r"(java|ruby|dotnet(core)?|go|python|nodejs|provided)[0-9.]*(x|al\d+|-edge)?"
)
_SYSTEM_FOLDERS = (Path("/usr/bin"), Path("/usr/local/bin"))


class Family(StrEnum):
    PYTHON = "python"
    NODEJS = "nodejs"
    PROVIDED = "provided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """What runs a runtime, and what a box needs to show of the host for it.

    ``path`` is the real file on the host, ``binary`` its path in the box, both None for
    ``provided.*``. ``binds`` are (path on the host, path in the box), to be mounted read-only;
    ``symlinks`` are (target, path in the box); ``hides`` are folders of the host that the box
    must show empty, because they hold packages that are none of the function's.
    """

    runtime: str
    family: Family
    version: str = ""
    path: Path | None = None
    binary: str | None = None
    binds: tuple[tuple[Path, str], ...] = ()
    symlinks: tuple[tuple[str, str], ...] = ()
    hides: tuple[str, ...] = ()
    note: str = ""

    @property
    def minor(self) -> int:
        """The second number of the version: 11 of ``3.11``."""
        return int(self.version.split(".")[1])


@dataclass(frozen=True, slots=True)
class Row:
    """One line of `lamella doctor`: a runtime, its interpreter or what would mend its absence."""

    runtime: str
    available: bool
    interpreter: str
    remark: str


@dataclass(frozen=True, slots=True)
class Catalog:
    """The interpreters of this host: Python by minor version, Node.js by major version."""

    pythons: Mapping[int, Path] = field(default_factory=dict)
    nodes: Mapping[int, tuple[str, Path]] = field(default_factory=dict)

    @classmethod
    def discover(
        cls, environ: Mapping[str, str] | None = None, home: Path | None = None
    ) -> Catalog:
        """Look through PATH, /usr/bin, /usr/local/bin, pyenv's and nvm's versions.

        ``environ`` is the process's own unless it is given, ``home`` what it says HOME is.
        Runs each Node.js once, to ask for its version; a file that does not answer is skipped.
        """
        environ = os.environ if environ is None else environ
        home = home if home is not None else Path(environ.get("HOME", "/nonexistent"))
        folders = [Path(entry) for entry in environ.get("PATH", "").split(os.pathsep) if entry]
        folders = [*_SYSTEM_FOLDERS, *(folder for folder in folders if folder.is_absolute())]
        return cls(_pythons(folders, environ, home), _nodes(folders, environ, home))

    def find(self, runtime: str) -> Interpreter:
        """The interpreter for an AWS runtime name. Raises RuntimeMissing, which names the mend."""
        if runtime in PROVIDED:
            return Interpreter(runtime=runtime, family=Family.PROVIDED)
        if match := _PYTHON.fullmatch(runtime):
            path = self.pythons.get(int(match[1]))
            if path is not None:
                return _python(runtime, int(match[1]), path)
        if (match := _NODE.fullmatch(runtime)) and self.nodes:
            return self._node(runtime, int(match[1]))
        raise RuntimeMissing(mend(runtime))

    def _node(self, runtime: str, wanted: int) -> Interpreter:
        major = nearest(wanted, self.nodes)
        version, path = self.nodes[major]
        note = "" if major == wanted else f"Node.js {version} stands in for version {wanted}"
        return _placed(
            Interpreter(runtime=runtime, family=Family.NODEJS, version=version, note=note),
            path,
            "node",
        )

    def rows(self) -> tuple[Row, ...]:
        """Every runtime that Lamella knows how to start, in AWS's order."""
        names = [f"python3.{minor}" for minor in PYTHON_MINORS]
        names += [f"nodejs{major}.x" for major in NODE_MAJORS]
        return tuple(self._row(name) for name in (*names, *PROVIDED))

    def _row(self, runtime: str) -> Row:
        try:
            found = self.find(runtime)
        except RuntimeMissing as missing:
            return Row(runtime, False, "", str(missing))
        return Row(runtime, True, str(found.path or "the function's own bootstrap"), found.note)


def nearest(wanted: int, majors: Iterable[int]) -> int:
    """Of ``majors``: the one wanted, else the nearest newer, else the nearest."""
    return min(majors, key=lambda major: (major < wanted, abs(major - wanted)))


def mend(runtime: str) -> str:
    """The sentence for a runtime that cannot run here: what is missing, and how to get it."""
    if (match := _PYTHON.fullmatch(runtime)) and int(match[1]) in PYTHON_MINORS:
        return (
            f"{runtime}: this host has no Python 3.{match[1]}. Install it from your distribution "
            f"(for example `apt-get install python3.{match[1]}`) or with `pyenv install "
            f"3.{match[1]}`, then start Lamella again."
        )
    if match := _NODE.fullmatch(runtime):
        return (
            f"{runtime}: this host has no Node.js. Install it from your distribution (for example "
            f"`apt-get install nodejs`) or with `nvm install {match[1]}`, then start Lamella again."
        )
    if _FAMILIES.fullmatch(runtime):
        return (
            f"{runtime}: Lamella does not run this runtime. It runs python3.8 to python3.14, "
            "Node.js, provided.al2 and provided.al2023; a custom runtime may bring its own "
            "interpreter in a layer."
        )
    return f"{runtime}: AWS Lambda has no runtime of this name."


def _pythons(folders: list[Path], environ: Mapping[str, str], home: Path) -> dict[int, Path]:
    """The first real interpreter of each minor version; the system's before pyenv's."""
    roots = [Path(root) for root in (environ.get("PYENV_ROOT"), home / ".pyenv") if root]
    folders = [*folders, *_version_folders(roots)]
    found: dict[int, Path] = {}
    for minor in PYTHON_MINORS:
        for path in _real_files(folders, f"python3.{minor}"):
            if (_prefix(path) / "lib" / f"python3.{minor}" / "os.py").is_file():
                found[minor] = path
                break
    return found


def _nodes(
    folders: list[Path], environ: Mapping[str, str], home: Path
) -> dict[int, tuple[str, Path]]:
    """The first Node.js of each major version."""
    nvm = environ.get("NVM_DIR") or home / ".nvm"
    folders = [*folders, *_version_folders([Path(nvm)], "versions/node")]
    found: dict[int, tuple[str, Path]] = {}
    for path in dict.fromkeys(_real_files(folders, "node")):
        version = _node_version(path)
        if version is not None:
            found.setdefault(int(version.split(".")[0]), (version, path))
    return found


def _version_folders(roots: Iterable[Path], below: str = "versions") -> list[Path]:
    """The ``bin`` folders under ``ROOT/versions``, newest version first."""
    folders: list[Path] = []
    for root in roots:
        folder = root / below
        if _readable(folder):
            folders += sorted(
                (version / "bin" for version in folder.iterdir()), key=_by_number, reverse=True
            )
    return folders


def _readable(folder: Path) -> bool:
    # First the right: asking what a forbidden path is would raise.
    return os.access(folder, os.R_OK | os.X_OK) and folder.is_dir()


def _by_number(folder: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", folder.parent.name)]


def _real_files(folders: Iterable[Path], name: str) -> Iterator[Path]:
    """Executable binaries called ``name``; pyenv's shims and other scripts are passed over."""
    for folder in folders:
        path = Path(os.path.realpath(folder / name))
        if os.access(path, os.X_OK) and path.is_file() and _is_binary(path):
            yield path


def _is_binary(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == b"\x7fELF"
    except OSError:
        return False


def _node_version(path: Path) -> str | None:
    """``20.20.2``, or None from a file that does not answer."""
    try:
        done = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=10, check=False, env={}
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.match(r"v(\d+\.\d+\.\d+)", done.stdout)
    return match[1] if match else None


def _prefix(path: Path) -> Path:
    return path.parent.parent


def _python(runtime: str, minor: int, path: Path) -> Interpreter:
    name = f"python3.{minor}"
    hides = (
        "/usr/lib/python3/dist-packages",
        f"/usr/local/lib/{name}/dist-packages",
        f"/usr/local/lib/{name}/site-packages",
    )
    found = Interpreter(runtime=runtime, family=Family.PYTHON, version=f"3.{minor}", hides=hides)
    return _placed(found, path, name)


def _placed(found: Interpreter, path: Path, name: str) -> Interpreter:
    """``found`` with what the box needs so that ``/var/lang/bin/NAME`` is ``path``.

    A box shows ``/usr`` as it is, so a system interpreter needs a link. From ``/usr/local``, which
    holds much else, only its own parts are taken; any other prefix (pyenv, nvm) is one
    installation and is shown whole.
    """
    prefix = _prefix(path)
    binary = f"{BOX_PREFIX}/bin/{name}"
    binds: tuple[tuple[Path, str], ...] = ()
    symlinks: tuple[tuple[str, str], ...] = ()
    if prefix == Path("/usr"):
        symlinks = ((str(path), binary),)
    elif prefix == Path("/usr/local"):
        binds = tuple(_own_parts(prefix, path, name))
    else:
        binds = ((prefix, BOX_PREFIX),)
        # pyenv and nvm name the file as the box does, unless the real file has another name.
        if path.name != name:
            binary = f"{BOX_PREFIX}/bin/{path.name}"
    return Interpreter(
        runtime=found.runtime,
        family=found.family,
        version=found.version,
        hides=found.hides,
        note=found.note,
        path=path,
        binary=binary,
        binds=binds,
        symlinks=symlinks,
    )


def _own_parts(prefix: Path, path: Path, name: str) -> Iterator[tuple[Path, str]]:
    yield path, f"{BOX_PREFIX}/bin/{name}"
    library = prefix / "lib" / name
    if library.is_dir():
        yield library, f"{BOX_PREFIX}/lib/{name}"
    for shared in sorted((prefix / "lib").glob(f"lib{name}*.so*")):
        yield shared, f"{BOX_PREFIX}/lib/{shared.name}"
