"""Finding Rubies, and what a box needs for one.

A Ruby of the wanted minor version runs a runtime, else the nearest newer, else the nearest; the
interpreter's note says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from lamella.runtimes.interpreter import BOX_PREFIX, Family, Interpreter, placed, prefix_of
from lamella.runtimes.search import Places, ask, real_files

VERSIONS = ((3, 2), (3, 3), (3, 4), (4, 0))
"""The minor versions that AWS has runtimes of."""
OLDEST = (2, 7)

_RUNTIME = re.compile(r"ruby(\d)\.(\d)")
_NAMES = ("ruby", *(f"ruby{major}.{minor}" for major, minor in reversed(((3, 1), *VERSIONS))))
_ANSWER = re.compile(r"ruby (\d+)\.(\d+)\.\d+")
_SITE = "/usr/local/lib/site_ruby"

Minor = tuple[int, int]
Rubies = Mapping[Minor, tuple[str, Path]]


def wanted(runtime: str) -> Minor | None:
    """The minor version of an AWS runtime's name, None for another language's or an ended one."""
    match = _RUNTIME.fullmatch(runtime)
    minor = (int(match[1]), int(match[2])) if match else None
    return minor if minor in VERSIONS else None


def rubies(places: Places) -> dict[Minor, tuple[str, Path]]:
    """The first Ruby of each minor version: the system's, PATH's, rbenv's, asdf's."""
    folders = [*places.folders, *places.managed("RBENV_ROOT", ".rbenv"), *places.asdf("ruby")]
    found: dict[Minor, tuple[str, Path]] = {}
    for path in dict.fromkeys(real_files(folders, *_NAMES)):
        version = version_of(path)
        if version is not None:
            found.setdefault(_minor(version), (version, path))
    return found


def version_of(path: Path) -> str | None:
    """``3.3.5``, or None from a file that does not answer or is too old for the client here."""
    match = _ANSWER.match(ask(path, "--version"))
    if match is None or (int(match[1]), int(match[2])) < OLDEST:
        return None
    return match[0].removeprefix("ruby ")


def choose(runtime: str, minor: Minor, found: Rubies) -> Interpreter:
    """The interpreter for ``runtime`` from ``found``, which is not empty."""
    version, path = found[min(found, key=lambda each: (each < minor, _distance(each, minor)))]
    return interpreter(runtime, minor, version, path)


def interpreter(runtime: str, minor: Minor, version: str, path: Path) -> Interpreter:
    """``path``, a Ruby of ``version``, as the interpreter of ``runtime``."""
    number = f"{minor[0]}.{minor[1]}"
    note = "" if _minor(version) == minor else f"Ruby {version} stands in for version {number}"
    return placed(
        Interpreter(
            runtime=runtime,
            family=Family.RUBY,
            version=version,
            options=(*_quiet(version), *_moved(version, path)),
            hides=(_SITE,),
            note=note,
        ),
        path,
        "ruby",
    )


def api_version(version: str) -> str:
    """The version that gems are sorted by: ``3.3.0`` for any 3.3."""
    major, minor = _minor(version)
    return f"{major}.{minor}.0"


def mend(runtime: str) -> str:
    return (
        f"{runtime}: this host has no Ruby. Install it from your distribution (for example "
        f"`apt-get install ruby`) or with `rbenv install {runtime.removeprefix('ruby')}`, then "
        "start Lamella again."
    )


def _minor(version: str) -> Minor:
    major, minor, *_ = (int(number) for number in version.split("."))
    return major, minor


def _distance(one: Minor, other: Minor) -> int:
    return abs(one[0] - other[0]) * 100 + abs(one[1] - other[1])


def _quiet(version: str) -> Iterator[str]:
    """Hints in exceptions' messages, which AWS's Rubies keep out of them, stay out here too."""
    if _minor(version) < (3, 2):
        yield "--disable=did_you_mean"
    if _minor(version) == (3, 1):
        yield "--disable=error_highlight"


def _moved(version: str, path: Path) -> Iterator[str]:
    """Where the standard library is, for a Ruby that is shown elsewhere than it was built for."""
    if prefix_of(path) == Path("/usr"):
        return
    library = prefix_of(path) / "lib" / "ruby" / api_version(version)
    shown = f"{BOX_PREFIX}/lib/ruby/{api_version(version)}"
    yield f"-I{shown}"
    for configuration in sorted(library.glob("*/rbconfig.rb")):
        yield f"-I{shown}/{configuration.parent.name}"
