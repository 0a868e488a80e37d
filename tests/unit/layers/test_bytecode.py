"""Bytecode of trees, by every Python that this host has."""

from __future__ import annotations

import os
import select
import shutil
import struct
import subprocess
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from lamella.errors import HostError
from lamella.layers.bytecode import BytecodeTrees, PlainRunner, compile_tree

RUN = PlainRunner(seconds=60)


@dataclass(frozen=True)
class Interpreter:
    path: Path | None
    minor: int

    @property
    def tag(self) -> str:
        return f"cpython-3{self.minor}"

    def run(self, code: str, *paths: Path) -> str:
        done = subprocess.run(
            [str(self.path), "-I", "-S", "-B", "-W", "error", "-c", code, *map(str, paths)],
            capture_output=True,
            text=True,
        )
        return done.stdout + done.stderr


def interpreters() -> Iterator[Interpreter]:
    homes = sorted(Path.home().glob(".pyenv/versions/3.*/bin"))
    for minor in range(8, 15):
        for folder in (Path("/usr/bin"), *homes):
            path = folder / f"python3.{minor}"
            if path.exists():
                yield Interpreter(path.resolve(), minor)
                break


PYTHONS = list(interpreters())


@pytest.fixture(params=PYTHONS, ids=lambda python: f"3.{python.minor}")
def python(request: pytest.FixtureRequest) -> Interpreter:
    assert isinstance(request.param, Interpreter)
    return request.param


@pytest.fixture
def any_python() -> Interpreter:
    return PYTHONS[0]


def tree_of(root: Path, sources: Mapping[str, str | bytes]) -> Path:
    root.mkdir()
    for name, source in sources.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source if isinstance(source, bytes) else textwrap.dedent(source).encode())
    return root


def compiled(
    python: Interpreter, tree: Path, into: Path, prefix: str = "/opt", below: str = ""
) -> int:
    assert python.path is not None
    into.mkdir()
    return compile_tree(
        tree, into, python.path, tag=python.tag, prefix=prefix, below=below, run=RUN
    )


def stacked(at: Path, *lowest_first: Path) -> Path:
    """The directories as an overlay of them would look, by copying: none has odd kinds in it."""
    for each in lowest_first:
        shutil.copytree(each, at, dirs_exist_ok=True, symlinks=True)
    return at


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


IMPORT = "import sys; sys.path.insert(0, sys.argv[1]); import a; print(a.WHO, a.__cached__)"


def test_python_imports_the_bytecode_without_looking_at_the_source(
    python: Interpreter, tmp_path: Path
) -> None:
    tree = tree_of(tmp_path / "tree", {"python/a.py": "WHO = 'compiled'", "python/p/q/b.py": "1"})
    assert compiled(python, tree, tmp_path / "pyc") == 0
    cached = f"python/__pycache__/a.{python.tag}.pyc"
    assert files(tmp_path / "pyc") == {cached, f"python/p/q/__pycache__/b.{python.tag}.pyc"}
    assert (tmp_path / "pyc" / cached).read_bytes()[4:8] == b"\1\0\0\0"
    opt = stacked(tmp_path / "opt", tree, tmp_path / "pyc")
    (opt / "python/a.py").write_text("WHO = 'source'")
    assert python.run(IMPORT, opt / "python").split()[0] == "compiled"


def test_code_knows_its_place_in_the_box(python: Interpreter, tmp_path: Path) -> None:
    tree = tree_of(tmp_path / "tree", {"app.py": "def handler():\n    raise ValueError\n"})
    compiled(python, tree, tmp_path / "pyc", prefix="/var/task")
    cached = tmp_path / "pyc/__pycache__" / f"app.{python.tag}.pyc"
    code = "import marshal, sys; d = open(sys.argv[1], 'rb'); d.seek(16); c = marshal.load(d); d.close(); print(c.co_filename, c.co_consts[0].co_filename)"
    assert python.run(code, cached) == "/var/task/app.py /var/task/app.py\n"


def test_a_source_that_does_not_compile_hides_what_lies_below(
    python: Interpreter, tmp_path: Path
) -> None:
    lower = tree_of(tmp_path / "lower", {"python/a.py": "WHO = 'lower'"})
    upper = tree_of(tmp_path / "upper", {"python/a.py": "WHO = = 'upper'"})
    assert compiled(python, lower, tmp_path / "lower.pyc") == 0
    assert compiled(python, upper, tmp_path / "upper.pyc") == 1
    without = stacked(tmp_path / "without", lower, tmp_path / "lower.pyc", upper)
    assert python.run(IMPORT, without / "python").split()[0] == "lower", "else this proves nothing"
    opt = stacked(tmp_path / "opt", lower, tmp_path / "lower.pyc", upper, tmp_path / "upper.pyc")
    assert "SyntaxError" in python.run(IMPORT, opt / "python")


def test_empty_bytecode_is_passed_over(python: Interpreter, tmp_path: Path) -> None:
    opt = tree_of(
        tmp_path / "opt",
        {"python/a.py": "WHO = 'source'", f"python/__pycache__/a.{python.tag}.pyc": b""},
    )
    assert python.run(IMPORT, opt / "python").split()[0] == "source"


ODD = {
    "python/nul.py": b"a = 1\0",
    "python/latin.py": b"# coding: latin-1\nNAME = '\xe9'\n",
    "python/undeclared.py": b"NAME = '\xe9'\n",
    "python/codec.py": b"# coding: no-such-thing\n",
    "python/warns.py": b"a = '\\d'\nb = 1 is 1\n",
    "python/empty.py": b"",
    "python/a.b.py": b"1\n",
    "python/\xc3\xbc\n.py".encode("latin-1").decode(): b"1\n",
}


def test_odd_sources_are_compiled_where_python_can(python: Interpreter, tmp_path: Path) -> None:
    tree = tree_of(tmp_path / "tree", ODD)
    assert compiled(python, tree, tmp_path / "pyc") == 3
    sizes = {
        path.name.split(".cpython")[0]: path.stat().st_size
        for path in (tmp_path / "pyc").rglob("*.pyc")
    }
    assert {name for name, size in sizes.items() if not size} == {"nul", "undeclared", "codec"}
    assert len(sizes) == len(ODD)


def hostile() -> dict[str, str | bytes]:
    deep = {f"python/deep{n}.py": sign * 200_000 + "1" for n, sign in enumerate(("-", "(", "not "))}
    return {
        **deep,
        "python/huge.py": "a = (1 << 1000000) ** 1 * b'x' * 10**9",
        "python/lists.py": "[" * 90_000,
    }


def test_a_source_that_kills_the_compiler_takes_no_other_with_it(
    python: Interpreter, tmp_path: Path
) -> None:
    good = {f"python/good{n}.py": f"n = {n}" for n in range(20)}
    tree = tree_of(tmp_path / "tree", {**hostile(), **good})
    compiled(python, tree, tmp_path / "pyc")
    made = {
        path.name.split(".")[0]: path.stat().st_size for path in (tmp_path / "pyc").rglob("*.pyc")
    }
    assert made.keys() == {Path(name).stem for name in (*hostile(), *good)}
    assert all(made[f"good{n}"] for n in range(20))


def test_a_worker_that_dies_is_replaced(any_python: Interpreter, tmp_path: Path) -> None:
    assert any_python.path is not None
    tree = tree_of(
        tmp_path / "tree", {f"{n}.py": "x = 1" for n in range(6)} | {"big.py": "x=1\n" * 999}
    )
    (tmp_path / "pyc").mkdir()

    def killing(argv: Sequence[str], readable: Sequence[Path], writable: Path) -> None:
        at = argv.index("-c") + 1
        trap = "compiled.__globals__['marshal'].dumps = lambda c: __import__('os').abort()\n"
        script = argv[at].replace(
            "        code = compile(",
            f"        if shown.endswith('big.py'): {trap}        code = compile(",
        )
        assert script != argv[at]
        RUN([*argv[:at], script, *argv[at + 1 :]], readable, writable)

    empty = compile_tree(
        tree, tmp_path / "pyc", any_python.path, tag=any_python.tag, prefix="/x", run=killing
    )
    assert empty == 1
    assert (tmp_path / "pyc/__pycache__" / f"big.{any_python.tag}.pyc").read_bytes() == b""


def test_what_a_hostile_process_leaves_is_not_believed(
    any_python: Interpreter, tmp_path: Path
) -> None:
    tree = tree_of(tmp_path / "tree", {f"{n}.py": "x = 1" for n in "abcd"})
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (tmp_path / "pyc").mkdir()

    def hostile_run(argv: Sequence[str], readable: Sequence[Path], writable: Path) -> None:
        assert readable == (tree,)
        (writable / "tag").write_text(any_python.tag)
        (writable / "0").symlink_to(secret)
        os.mkfifo(writable / "1")
        (writable / "2").mkdir()
        (writable / "__pycache__").symlink_to(secret)

    path = Path("/nowhere/python")
    assert (
        compile_tree(tree, tmp_path / "pyc", path, tag=any_python.tag, prefix="/x", run=hostile_run)
        == 4
    )
    assert all(not path.stat().st_size for path in (tmp_path / "pyc").rglob("*.pyc"))
    assert {path.name for path in (tmp_path / "pyc").iterdir()} == {"__pycache__"}


def ended(pid: int) -> bool:
    """Whether the process has ended, or does so now; False if it goes on."""
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([watched], [], [], 20.0)[0])
    finally:
        os.close(watched)


def test_time_is_bounded_and_nothing_goes_on_running(
    any_python: Interpreter, tmp_path: Path
) -> None:
    code = "import os, time\nfor n in range(3): os.fork()\nopen(f'{os.getpid()}', 'w').close()\ntime.sleep(600)"
    PlainRunner(seconds=1.0)([str(any_python.path), "-I", "-c", code], (), tmp_path)
    pids = [int(path.name) for path in tmp_path.iterdir()]
    assert pids
    for pid in pids:
        assert ended(pid)


def test_an_interpreter_that_cannot_run_or_is_another_is_an_error(
    any_python: Interpreter, tmp_path: Path
) -> None:
    tree = tree_of(tmp_path / "tree", {"a.py": "1"})
    trees = BytecodeTrees(tmp_path / "pyc", RUN)
    with pytest.raises(HostError, match="cannot be run"):
        trees.ensure("1", any_python.tag, tree, "/opt-x", Path("/nowhere/python"))
    with pytest.raises(HostError, match="it did not run"):
        trees.ensure("1", any_python.tag, tree, "/opt-x", Path("/bin/true"))
    with pytest.raises(HostError, match=f"it is {any_python.tag}"):
        trees.ensure("1", "cpython-399", tree, "/opt-x", any_python.path or Path())
    assert list((tmp_path / "pyc").iterdir()) == []


def test_links_to_sources_are_compiled_and_links_to_folders_are_not_followed(
    any_python: Interpreter, tmp_path: Path
) -> None:
    tree = tree_of(tmp_path / "tree", {"python/real/a.py": "WHO = 1"})
    (tree / "python/link.py").symlink_to("real/a.py")
    (tree / "python/dead.py").symlink_to("gone.py")
    (tree / "python/folder").symlink_to("real")
    (tree / "python/real/up").symlink_to("..")
    assert compiled(any_python, tree, tmp_path / "pyc") == 1
    tag = any_python.tag
    assert files(tmp_path / "pyc") == {
        f"python/__pycache__/link.{tag}.pyc",
        f"python/__pycache__/dead.{tag}.pyc",
        f"python/real/__pycache__/a.{tag}.pyc",
    }


def test_bytecode_that_python_would_use_unchecked_stays(
    python: Interpreter, tmp_path: Path
) -> None:
    tree = tree_of(tmp_path / "tree", {"a.py": "1", "b.py": "1", "__pycache__/x.py": "1"})
    for name, flags in (("a", 1), ("b", 0)):
        header = struct.pack("<4sI", b"abcd", flags)
        (tree / f"__pycache__/{name}.{python.tag}.pyc").write_bytes(header + bytes(20))
    compiled(python, tree, tmp_path / "pyc")
    assert files(tmp_path / "pyc") == {f"__pycache__/b.{python.tag}.pyc"}


def test_a_pycache_that_is_no_folder_is_left_alone(any_python: Interpreter, tmp_path: Path) -> None:
    tree = tree_of(tmp_path / "tree", {"p/a.py": "1", "p/__pycache__": "a file", "q/a.py": "1"})
    (tree / "q/__pycache__").symlink_to("../p")
    assert compiled(any_python, tree, tmp_path / "pyc") == 0
    assert files(tmp_path / "pyc") == set()


def test_of_a_layer_only_what_python_looks_into_is_compiled(
    any_python: Interpreter, tmp_path: Path
) -> None:
    tree = tree_of(tmp_path / "tree", {"python/a.py": "1", "nodejs/b.py": "1", "c.py": "1"})
    trees = BytecodeTrees(tmp_path / "pyc", RUN).of(any_python)
    tag = any_python.tag
    assert files(trees.tree("d", tree, "/opt")) == {f"python/__pycache__/a.{tag}.pyc"}
    assert len(files(trees.tree("d", tree, "/var/task"))) == 3


def test_each_tree_is_compiled_once_for_an_interpreter_and_a_place(
    any_python: Interpreter, tmp_path: Path
) -> None:
    runs: list[str] = []

    def counting(argv: Sequence[str], readable: Sequence[Path], writable: Path) -> None:
        runs.append(argv[-2])
        RUN(argv, readable, writable)

    tree = tree_of(tmp_path / "tree", {"python/a.py": "1"})
    trees = BytecodeTrees(tmp_path / "pyc", counting)
    first = trees.of(any_python).tree("d", tree, "/opt")
    assert trees.of(any_python).tree("d", tree, "/opt") == first
    assert BytecodeTrees(tmp_path / "pyc", counting).of(any_python).tree("d", tree, "/opt") == first
    assert trees.of(any_python).tree("d", tree, "/var/task") != first
    assert runs == ["/opt", "/var/task"]
    trees.remove("d")
    assert not first.exists()
    trees.of(any_python).tree("d", tree, "/opt")
    assert runs == ["/opt", "/var/task", "/opt"]


def test_a_tree_that_comes_from_no_zip_is_made_and_compiled(
    any_python: Interpreter, tmp_path: Path
) -> None:
    def make(minor: int, into: Path) -> None:
        (into / "client.py").write_text(f"MINOR = {minor}")

    trees = BytecodeTrees(tmp_path / "pyc", RUN)
    bytecode, tree = trees.of(any_python).runtime("key", make)
    assert (tree / "client.py").read_text() == f"MINOR = {any_python.minor}"
    assert files(bytecode) == {f"__pycache__/client.{any_python.tag}.pyc"}
    assert trees.of(any_python).runtime("key", make) == (bytecode, tree)


def test_a_tree_without_sources_runs_nothing(any_python: Interpreter, tmp_path: Path) -> None:
    tree = tree_of(tmp_path / "tree", {"bin/tool": "#!/bin/sh"})
    trees = BytecodeTrees(tmp_path / "pyc", RUN)
    assert files(trees.ensure("d", any_python.tag, tree, "/opt", Path("/nowhere"))) == set()


def test_a_runtime_without_an_interpreter_has_no_bytecode(tmp_path: Path) -> None:
    with pytest.raises(HostError):
        BytecodeTrees(tmp_path, RUN).of(Interpreter(None, 11))
