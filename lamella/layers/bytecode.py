"""Python bytecode of trees, for each interpreter, in directories to be stacked above them.

A read-only ``/opt`` without bytecode makes every cold start compile again. Each source gets
one ``unchecked-hash`` file (PEP 552: nothing is looked up when it is loaded) at the place where
Python looks for it (PEP 3147). A source without usable bytecode gets an **empty** one: Python
passes over it, and bytecode of the same name in a lower layer stays hidden.

Sources are anybody's. A hostile one can crash a compiler or exhaust it, so compiling happens
in a process that a `Runner` starts, and what it leaves behind is only copied, never trusted.
Which interpreters there are is left to `lamella.runtimes`, boxes to `lamella.sandbox`.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Protocol

from lamella.errors import HostError
from lamella.layers.folders import Folders
from lamella.layers.links import MAX_HOPS, Budget, Lost, follow

RUNTIME = "/var/runtime"
_LAYERS = "/opt"
_IMPORTED_OF_LAYERS = "python"
_WORKERS = 2
_MAX_BYTECODE = 64 * 1024 * 1024
_UNCHECKED_HASH = b"\1\0\0\0"


class Runner(Protocol):
    """Runs a command and returns when it has ended and all its children have too or are killed.

    The command sees the paths of ``readable`` and, to write into, ``writable`` under the names
    they have on the host. A command that is killed (time, memory) is no error; HostError where
    none could be started.
    """

    def __call__(self, argv: Sequence[str], readable: Sequence[Path], writable: Path) -> None: ...


class Python(Protocol):
    """An interpreter: its file on the host, and the second number of its version."""

    @property
    def path(self) -> Path | None: ...

    @property
    def minor(self) -> int: ...


class BytecodeTrees:
    """The bytecode of one node, below ``root``, made once for each tree, interpreter and place."""

    def __init__(self, root: Path, run: Runner, *, boot_id: str | None = None) -> None:
        self._folders = Folders(root, boot_id=boot_id)
        self._run = run

    def of(self, interpreter: Python) -> Compiled:
        """The bytecode for one interpreter."""
        if interpreter.path is None:
            raise HostError("There is no bytecode for a runtime without an interpreter.")
        return Compiled(self, interpreter.path, interpreter.minor)

    def ensure(self, digest: str, tag: str, tree: Path, prefix: str, interpreter: Path) -> Path:
        """The directory to stack above ``tree``, which a box shows at ``prefix``.

        ``tag`` is the interpreter's cache tag (``cpython-311``). Raises HostError if the
        interpreter cannot be run.
        """

        def fill(folder: Path) -> None:
            below = _IMPORTED_OF_LAYERS if prefix == _LAYERS else ""
            compile_tree(
                tree, folder, interpreter, tag=tag, prefix=prefix, below=below, run=self._run
            )

        return self._folders.ensure(f"{digest}-{tag}-{prefix.strip('/').replace('/', '-')}", fill)

    def made(self, key: str, make: Callable[[Path], None]) -> Path:
        """A tree that comes from no zip, made by ``make`` in an empty folder, under ``key``."""
        return self._folders.ensure(key, make)

    def digests(self) -> Iterable[str]:
        """Every zip's tree that has bytecode; what comes from no zip is not among them."""
        names = (key.split("-", 1)[0] for key in sorted(self._folders.keys()))
        return {name for name in names if len(name) == 64}

    def remove(self, digest: str) -> None:
        """Remove the bytecode of one tree, for every interpreter and place."""
        for key in list(self._folders.keys()):
            if key.startswith(f"{digest}-"):
                self._folders.remove(key)

    def sweep(self) -> int:
        """At start-up: remove what is half made or of an earlier boot; return how many."""
        return self._folders.sweep()


@dataclass(frozen=True, slots=True)
class Compiled:
    """The bytecode for one interpreter, ``python3.<minor>`` at ``path``."""

    trees: BytecodeTrees
    path: Path
    minor: int

    def tree(self, digest: str, tree: Path, prefix: str) -> Path:
        """The directory to stack above ``tree`` where a box shows it at ``prefix``."""
        return self.trees.ensure(digest, f"cpython-3{self.minor}", tree, prefix, self.path)

    def runtime(self, key: str, make: Callable[[int, Path], None]) -> tuple[Path, Path]:
        """The directories of ``/var/runtime``, topmost first: bytecode, then what ``make`` made.

        ``make`` gets the minor version and an empty folder; ``key`` names what it makes.
        """
        tree = self.trees.made(key, lambda folder: make(self.minor, folder))
        return self.tree(key, tree, RUNTIME), tree


def compile_tree(
    tree: Path,
    into: Path,
    interpreter: Path,
    *,
    tag: str,
    prefix: str,
    below: str = "",
    run: Runner,
) -> int:
    """Fill the empty folder ``into`` with the bytecode of the sources in ``tree``.

    ``prefix`` is where a box shows the tree (it goes into tracebacks), ``below`` the folder of
    the tree to compile, ``""`` for all of it. Returns how many sources have no usable bytecode.
    Raises HostError if the interpreter did not run, or is not the one that ``tag`` names.
    """
    names = sources(tree, below, tag)
    if not names:
        return 0
    with tempfile.TemporaryDirectory(prefix=".compile-", dir=into) as folder:
        # The process may run as a user of its own, who must get through the folder above.
        work = Path(folder, "work")
        work.mkdir()
        Path(folder).chmod(0o711)
        work.chmod(0o777)
        (work / "sources.json").write_text(json.dumps(names))
        argv = [str(interpreter), "-I", "-S", "-B", "-W", "ignore", "-c", script()]
        run([*argv, str(tree), str(work), prefix, str(_WORKERS)], (tree,), work)
        ran = _read(work / "tag", 64).decode("ascii", "replace")
        if ran != tag:
            raise HostError(
                f"{interpreter} made no bytecode: it " + (f"is {ran}" if ran else "did not run")
            )
        return _collect(work, names, into, tag)


def script() -> str:
    """The program that compiles, as text for an interpreter of any version."""
    return resources.files(__package__).joinpath("bytecode_script.py").read_text()


def sources(tree: Path, below: str, tag: str) -> list[str]:
    """The sources to compile, by path in the tree; the largest first, to share them out evenly."""
    found: list[tuple[int, str]] = []
    begin = _without_links(tree, below)
    if begin is None:
        return []
    for at, folders, files in os.walk(tree / begin):
        # Python cannot write, and so does not look, through anything else of this name.
        if "__pycache__" in files or Path(at, "__pycache__").is_symlink():
            continue
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in files:
            path = Path(at, name)
            if name.endswith(".py") and not _shipped_for_good(path, tag):
                found.append((path.lstat().st_size, str(path.relative_to(tree))))
    return [name for _, name in sorted(found, key=lambda each: (-each[0], each[1]))]


def _without_links(tree: Path, below: str) -> str | None:
    """Where ``below`` is when links inside the tree are followed; None if it is nowhere there.

    Links are followed by name, as a box would, and never by the host.
    """
    links: dict[str, str] = {}
    for _ in range(MAX_HOPS):
        at = tree / below
        if not at.is_symlink():
            return below if at.is_dir() else None
        links[below] = str(at.readlink())
        led = follow(below, links, Budget())
        if isinstance(led, Lost):
            return None
        below = led
    return None


def _shipped_for_good(source: Path, tag: str) -> bool:
    """Whether Python would use bytecode that came with the source without looking at the source.

    On AWS that is what runs, even if it is of another source; so it stays.
    """
    header = _read(_cached(source, tag), 8)
    return len(header) == 8 and header[4:] == _UNCHECKED_HASH


def _cached(source: Path, tag: str) -> Path:
    return source.parent / "__pycache__" / f"{source.stem}.{tag}.pyc"


def _collect(work: Path, sources: Sequence[str], into: Path, tag: str) -> int:
    """Copy what was compiled to its places; empty bytecode for everything else."""
    empty, made = 0, {into}
    for index, name in enumerate(sources):
        data = _read(work / str(index), _MAX_BYTECODE)
        empty += not data
        target = _cached(into / name, tag)
        if target.parent not in made:
            target.parent.mkdir(parents=True, exist_ok=True)
            made.add(target.parent)
        target.write_bytes(data)
        target.chmod(0o644)
    return empty


def _read(path: Path, limit: int) -> bytes:
    """The first ``limit`` bytes of a regular file; none where there is no such file."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        about = os.fstat(file)
        return os.read(file, min(limit, about.st_size)) if stat.S_ISREG(about.st_mode) else b""
    finally:
        os.close(file)


@dataclass(frozen=True, slots=True)
class PlainRunner:
    """A `Runner` without a box: limits of the kernel and a process group, nothing more.

    ``seconds`` of wall time, ``memory`` bytes of address space for each process.
    """

    seconds: float = 300.0
    memory: int = 2 * 1024**3

    def __call__(self, argv: Sequence[str], readable: Sequence[Path], writable: Path) -> None:
        try:
            process = subprocess.Popen(
                argv,
                cwd=writable,
                env={"PATH": os.defpath},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise HostError(f"{argv[0]} cannot be run: {error.strerror}") from error
        self._limit(process.pid)
        ended = os.pidfd_open(process.pid)
        try:
            select.select([ended], [], [], self.seconds)
            # Also after it ended: workers that it did not wait for are in its group, whose id
            # stays its own until it is waited for.
            os.killpg(process.pid, signal.SIGKILL)
        finally:
            os.close(ended)
            process.wait()

    def _limit(self, pid: int) -> None:
        limits = {
            resource.RLIMIT_AS: self.memory,
            resource.RLIMIT_FSIZE: _MAX_BYTECODE,
            resource.RLIMIT_CORE: 0,
            resource.RLIMIT_NOFILE: 64,
        }
        for which, most in limits.items():
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(pid, which, (most, most))
