"""Java's ``/var/runtime`` on this node: the client's sources, compiled once by a JDK of the host.

Beside the jar goes an archive of the classes that it starts with, where the Java can make one: a
JVM maps it in place of reading them. Both steps run in boxes; the archive is made where a box
shows the jar, as it holds for that path alone. Which Javas there are is left to
`lamella.runtimes.java.find`.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Protocol

from lamella.errors import HostError
from lamella.layers.bytecode import BytecodeTrees
from lamella.runtimes.interpreter import Interpreter
from lamella.runtimes.java import SOURCES
from lamella.runtimes.java.command import ARCHIVE, ARCHIVES_SINCE, COMMON, JAR, RUNTIME
from lamella.runtimes.java.find import OLDEST, major_of, version_of

REHEARSAL = "lamella.rehearsal"
"""The property that makes the client rehearse: its value is the folder of a function."""
CLASSES = "lamella.classes"
"""The property that names a file of names: classes of layers that are loaded after it, not run."""
QUICK = ("-J-Xmx256m", "-J-XX:+UseSerialGC", "-J-XX:TieredStopAtLevel=1")
"""What makes a short run of javac cost less."""

_DATE = (2000, 1, 1, 0, 0, 0)
_CLASSES = "classes"
_ECHO = "lamella/rehearsal/Echo.class"
"""The function of the rehearsal: beside the jar, so that it is loaded as a function is."""
_LIST = "names"
NOTHING: Mapping[str, Sequence[Path]] = MappingProxyType({})
_MANIFEST = (
    "Manifest-Version: 1.0\r\nMain-Class: lamella.runtime.Main\r\n"
    # For the descriptor of log records, which Java makes of no number otherwise.
    "Add-Opens: java.base/java.io\r\n\r\n"
)


class Runner(Protocol):
    """Runs a command in a box, which sees the host's paths ``readable`` and ``writable`` under
    their own names, those of ``shown`` under others, and those of ``stacked`` in one folder."""

    def __call__(
        self,
        argv: Sequence[str],
        readable: Sequence[Path],
        writable: Path,
        shown: Mapping[str, Path] = ...,
        stacked: Mapping[str, Sequence[Path]] = ...,
    ) -> None: ...


class JavaClient:
    """Makes the folder for each Java when it is first needed, among the node's bytecode."""

    def __init__(self, bytecode: BytecodeTrees, run: Runner) -> None:
        self._bytecode = bytecode
        self._run = run

    def folder(self, interpreter: Interpreter) -> Path:
        """The folder for a Java. Raises HostError if its javac makes no classes."""
        return self._bytecode.made(key(interpreter), lambda folder: self._fill(interpreter, folder))

    def rehearse(
        self,
        interpreter: Interpreter,
        folder: Path,
        names: Sequence[str],
        layers: Mapping[str, Sequence[Path]],
    ) -> None:
        """Write into ``folder`` an archive that holds classes of ``layers`` too, by ``names``.

        ``layers`` are the directories to stack in the box, topmost first, by where.
        """
        client = self.folder(interpreter)
        with workshop(folder) as work:
            (work / _LIST).write_text("\n".join(names))
            argv = (f"-D{CLASSES}={work / _LIST}",)
            self._rehearse(interpreter, client, work, argv, layers)
            keep(work / ARCHIVE, folder / ARCHIVE)

    def _fill(self, interpreter: Interpreter, folder: Path) -> None:
        with workshop(folder) as work:
            (work / _CLASSES).mkdir()
            (work / _CLASSES).chmod(0o777)
            self._compile(interpreter, work)
            pack(work / _CLASSES, folder / JAR)
            keep(work / _CLASSES / _ECHO, folder / _ECHO)
            if major_of(interpreter.version) >= ARCHIVES_SINCE:
                self._rehearse(interpreter, folder, work)
                keep(work / ARCHIVE, folder / ARCHIVE)

    def _compile(self, interpreter: Interpreter, work: Path) -> None:
        javac = interpreter.compiler
        if javac is None:
            raise HostError("There is no javac to compile the client for Java with.")
        release = target(version_of(javac) or "")
        argv = (str(javac), *QUICK, *release, "-encoding", "UTF-8", "-g", "-nowarn")
        files = [str(path) for path in sources()]
        self._run([*argv, "-d", str(work / _CLASSES), *files], (SOURCES,), work)
        if not any((work / _CLASSES).rglob("Main.class")):
            raise HostError(f"{javac} has not compiled Lamella's client for Java.")

    def _rehearse(
        self,
        interpreter: Interpreter,
        client: Path,
        work: Path,
        more: Sequence[str] = (),
        layers: Mapping[str, Sequence[Path]] = NOTHING,
    ) -> None:
        """Have an archive written. One that is not there costs time at starts, and nothing else."""
        place = f"{RUNTIME}/{JAR}"
        archive = f"-XX:ArchiveClassesAtExit={work / ARCHIVE}"
        task = f"-D{REHEARSAL}={client}"
        argv = [str(interpreter.path), "-Xmx256m", *COMMON, archive, task, *more, "-jar", place]
        self._run(argv, (client,), work, {place: client / JAR}, layers)


@contextmanager
def workshop(folder: Path) -> Iterator[Path]:
    """A folder below ``folder``, until the end, that a process in a box can write into."""
    with TemporaryDirectory(prefix=".compile-", dir=folder) as temporary:
        # The process may run as a user of its own, who must get through the folder above.
        Path(temporary).chmod(0o711)
        work = Path(temporary, "work")
        work.mkdir()
        work.chmod(0o777)
        yield work


def sources() -> list[Path]:
    return sorted(SOURCES.rglob("*.java"))


@cache
def key(interpreter: Interpreter) -> str:
    """The folder's name: another for other sources, another compiler or another Java."""
    digest = hashlib.sha256()
    for path in sources():
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    for part in (interpreter.path, interpreter.version, interpreter.compiler):
        digest.update(f"{part}\0".encode())
    return f"java-{digest.hexdigest()[:32]}"


def target(version: str) -> tuple[str, ...]:
    """What makes a javac of ``version`` write classes that every Java from 8 on loads."""
    if major_of(version) == OLDEST:
        return ("-source", "8", "-target", "8")
    return ("--release", str(OLDEST))


def pack(classes: Path, jar: Path) -> None:
    """Put the client's class files into a jar, the same bytes for the same classes."""
    with zipfile.ZipFile(jar, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo("META-INF/MANIFEST.MF", _DATE), _MANIFEST)
        for path in sorted(classes.glob("lamella/runtime/*.class")):
            name = path.relative_to(classes).as_posix()
            archive.writestr(zipfile.ZipInfo(name, _DATE), path.read_bytes())
    jar.chmod(0o644)


def keep(made: Path, at: Path) -> None:
    """Take over what a box wrote, if it is a file."""
    if made.is_file() and not made.is_symlink():
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_bytes(made.read_bytes())
        at.chmod(0o644)
