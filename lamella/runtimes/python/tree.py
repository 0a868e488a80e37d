"""The directory that a Python function sees as ``/var/runtime``.

Owns which packages AWS's Python runtimes bring along and where their files come from: the server's
own installation. Compiling the tree to bytecode and mounting it are left to others.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from dataclasses import dataclass
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath
from sys import version_info

BOX = Path(__file__).parent / "box"
CLIENT = ("awslambdaric", "simplejson")
SNAPSHOT = ("snapshot-restore-py",)
SDK = ("boto3", "botocore", "s3transfer", "jmespath", "python-dateutil", "urllib3", "six")

_LEAST = re.compile(r">=\s*3\.(\d+)")
_UNWANTED = frozenset({"__pycache__", "tests", "test"})


@dataclass(frozen=True, slots=True)
class Source:
    """One file of the tree: where it is now, and its place under ``/var/runtime``."""

    origin: Path
    place: PurePosixPath


def packages(minor: int) -> tuple[str, ...]:
    """The distributions that ``python3.<minor>`` gets.

    awslambdaric and simplejson run on 3.8 and 3.9 too, whatever they declare. The SDK does not:
    where its packages ask for a newer Python the tree has none of it, and a function brings its
    own in a layer. snapshot-restore-py is for SnapStart, which AWS has from 3.12 on.
    """
    if not serves_sdk(minor):
        return CLIENT
    return CLIENT + SNAPSHOT + SDK


def serves_sdk(minor: int) -> bool:
    """Whether the installed boto3 and its dependencies all run on ``python3.<minor>``."""
    return all(_least_minor(distribution(name)) <= minor for name in SDK)


def _least_minor(package: Distribution) -> int:
    match = _LEAST.search(str(package.metadata.json.get("requires_python", "")))
    return int(match[1]) if match else 0


def sources(minor: int) -> tuple[Source, ...]:
    """Every file of the tree for ``python3.<minor>``; the box's own files replace others'.

    simplejson's native part is the one that is installed, or for another interpreter the box's.
        Raises PackageNotFoundError when the installation is not complete.
    """
    chosen: dict[PurePosixPath, Source] = {}
    for name in packages(minor):
        package = distribution(name)
        if package.files is None:
            raise PackageNotFoundError(name)
        for file in package.files:
            if _belongs(PurePosixPath(file), minor):
                chosen[PurePosixPath(file)] = Source(
                    Path(str(package.locate_file(file))), PurePosixPath(file)
                )
    native = any(place.suffix == ".so" and place.parts[0] == "simplejson" for place in chosen)
    for path in sorted(BOX.rglob("*.py")):
        place = PurePosixPath(path.relative_to(BOX))
        if not (native and place.parts[0] == "simplejson"):
            chosen[place] = Source(path, place)
    return tuple(chosen.values())


def _belongs(file: PurePosixPath, minor: int) -> bool:
    if ".." in file.parts or not _UNWANTED.isdisjoint(file.parts):
        return False
    if file.name.startswith("runtime_client."):
        return False
    if file.suffix == ".so":
        # A native module serves the interpreter it was built for, which is the server's own.
        return minor == version_info.minor and file.name.endswith(tuple(EXTENSION_SUFFIXES))
    return file.suffix not in {".pyc", ".pth"}


@cache
def tree_key(minor: int) -> str:
    """A name for the tree's content: it changes when a package's version or these rules do.

    Asked for whenever an environment starts; an installation does not change under its server.
    """
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for name in packages(minor):
        digest.update(f"{name} {distribution(name).version}\n".encode())
    for path in sorted(BOX.rglob("*.py")):
        digest.update(path.read_bytes())
    return f"python3.{minor}-{digest.hexdigest()[:32]}"


def runtime_tree(minor: int, into: Path) -> None:
    """Build the tree for ``python3.<minor>`` in ``into``, which must not exist or be empty.

    Files are hard links where ``into`` is on the same file system, else copies. Raises OSError.
    """
    made: set[Path] = set()
    for source in sources(minor):
        target = into / source.place
        if target.parent not in made:
            target.parent.mkdir(parents=True, exist_ok=True)
            made.add(target.parent)
        _link(source.origin, target)


def _link(origin: Path, target: Path) -> None:
    # A file that not everybody may read would be lost on the function's user.
    if origin.stat().st_mode & 0o444 == 0o444:
        try:
            os.link(origin, target)
        except OSError:
            shutil.copyfile(origin, target)
    else:
        shutil.copyfile(origin, target)
        target.chmod(0o644)
