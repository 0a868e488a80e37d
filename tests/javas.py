"""Java sources of tests, compiled by a javac of this host."""

from __future__ import annotations

import io
import os
import subprocess
import zipfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest

from lamella.invoke.java_client import QUICK
from lamella.runtimes.catalog import Catalog
from lamella.runtimes.java import find

SOURCES = Path(__file__).parent / "java"
ENTRY_DATE = (2026, 1, 2, 3, 4, 6)


@cache
def found() -> Catalog:
    """What this host has. Skips the test that asks where there is no JDK."""
    catalog = Catalog.discover(os.environ)
    if not catalog.javas or catalog.javac is None:
        pytest.skip("this host has no JDK")
    return catalog


def compile_java(
    files: Sequence[Path], into: Path, *, release: int = 8, path: Sequence[Path] = ()
) -> Path:
    javac = found().javac
    argv = [str(javac), *QUICK, "--release", str(release), "-g", "-nowarn", "-Xlint:-options"]
    argv += ["-d", str(into), "-cp", os.pathsep.join(map(str, path))]
    subprocess.run([*argv, *map(str, files)], check=True, timeout=120)
    return into


def core(into: Path) -> Path:
    """Stand-ins of our own for the interfaces of aws-lambda-java-core: names and signatures."""
    return compile_java(sorted((SOURCES / "core").rglob("*.java")), into)


def functions(into: Path) -> Path:
    """The functions of the tests, and those stand-ins beside them."""
    found = [path for name in ("core", "functions") for path in (SOURCES / name).rglob("*.java")]
    return compile_java(sorted(found), into)


def files(*folders: Path) -> dict[str, bytes]:
    """Class files by the name that they have in a zip."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for folder in folders
        for path in sorted(folder.rglob("*.class"))
    }


def jar(content: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in content.items():
            archive.writestr(zipfile.ZipInfo(name, ENTRY_DATE), data)
    return buffer.getvalue()


def is_newer(release: int) -> bool:
    """Whether this host's javac compiles for `release`."""
    javac = found().javac
    return javac is not None and find.major_of(find.version_of(javac) or "") >= release
