"""What runs a runtime, and what a box must show of the host for it.

Finding interpreters is `lamella.runtimes.catalog`'s and the languages' own modules'.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

BOX_PREFIX = "/var/lang"


class Family(StrEnum):
    PYTHON = "python"
    NODEJS = "nodejs"
    RUBY = "ruby"
    JAVA = "java"
    PROVIDED = "provided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """What runs a runtime, and what a box needs to show of the host for it.

    ``path`` is the real file on the host, ``binary`` its path in the box, both None for
    ``provided.*``. ``options`` come between the binary and the runtime's own file. ``binds`` are
    (path on the host, path in the box), to be mounted read-only; ``symlinks`` are (target, path
    in the box); ``hides`` are folders of the host that the box must show empty, because they hold
    packages that are none of the function's. ``compiler`` is what
    compiles the runtime's client on the host, for a language that needs one.
    """

    runtime: str
    family: Family
    version: str = ""
    path: Path | None = None
    binary: str | None = None
    options: tuple[str, ...] = ()
    binds: tuple[tuple[Path, str], ...] = ()
    symlinks: tuple[tuple[str, str], ...] = ()
    hides: tuple[str, ...] = ()
    compiler: Path | None = None
    note: str = ""

    @property
    def minor(self) -> int:
        """The second number of the version: 11 of ``3.11``."""
        return int(self.version.split(".")[1])


def prefix_of(path: Path) -> Path:
    """The folder that an interpreter is installed in: ``/usr`` of ``/usr/bin/node``."""
    return path.parent.parent


def placed(found: Interpreter, path: Path, name: str) -> Interpreter:
    """``found`` with what the box needs so that ``/var/lang/bin/NAME`` is ``path``.

    A box shows ``/usr`` as it is, so a system interpreter needs a link. From ``/usr/local``, which
    holds much else, only its own parts are taken; any other prefix (pyenv, nvm, rbenv, asdf) is
    one installation and is shown whole.
    """
    prefix = prefix_of(path)
    binary = f"{BOX_PREFIX}/bin/{name}"
    binds: tuple[tuple[Path, str], ...] = ()
    symlinks: tuple[tuple[str, str], ...] = ()
    if prefix == Path("/usr"):
        symlinks = ((str(path), binary),)
    elif prefix == Path("/usr/local"):
        binds = tuple(_own_parts(prefix, path, name))
    else:
        binds = ((prefix, BOX_PREFIX),)
        # Version managers name the file as the box does, unless the real file has another name.
        if path.name != name:
            binary = f"{BOX_PREFIX}/bin/{path.name}"
    return replace(found, path=path, binary=binary, binds=binds, symlinks=symlinks)


def _own_parts(prefix: Path, path: Path, name: str) -> Iterator[tuple[Path, str]]:
    yield path, f"{BOX_PREFIX}/bin/{name}"
    library = prefix / "lib" / name
    if library.is_dir():
        yield library, f"{BOX_PREFIX}/lib/{name}"
    for shared in sorted((prefix / "lib").glob(f"lib{name}*.so*")):
        yield shared, f"{BOX_PREFIX}/lib/{shared.name}"
