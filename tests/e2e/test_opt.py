"""What functions see under /opt, each by a real invocation."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.server import Cloud, Server, serving, zipped

READ = """
import os

def handler(event, context):
    return {path: open(path).read() for path in event}
"""

WALK = """
import os

def handler(event, context):
    found = {}
    for folder, folders, files in os.walk(event, followlinks=False):
        for name in folders + files:
            path = os.path.join(folder, name)
            found[path] = (
                "-> " + os.readlink(path) if os.path.islink(path)
                else "dir" if os.path.isdir(path) else open(path).read()
            )
    return found
"""


def test_the_last_of_five_layers_wins_and_all_are_there(cloud: Cloud) -> None:
    arns = [
        cloud.layer(zipped({"same.txt": f"from {n}", f"own{n}.txt": str(n), f"dir/{n}": "x"}))
        for n in range(1, 6)
    ]
    name = cloud.function(WALK, layers=arns)
    seen = cloud.result(name, "/opt")
    assert seen["/opt/same.txt"] == "from 5"
    assert {seen[f"/opt/own{n}.txt"] for n in range(1, 6)} == {"1", "2", "3", "4", "5"}
    assert {f"/opt/dir/{n}" for n in range(1, 6)} <= set(seen)

    cloud.configure(name, Layers=arns[::-1])
    assert cloud.result(name, "/opt")["/opt/same.txt"] == "from 1"


def test_a_file_takes_the_place_of_a_folder_and_a_folder_that_of_a_file(cloud: Cloud) -> None:
    lower = cloud.layer(zipped({"a/inside.txt": "folder", "b": "file"}))
    upper = cloud.layer(zipped({"a": "file", "b/inside.txt": "folder"}))
    name = cloud.function(WALK, layers=[lower, upper])
    assert cloud.result(name, "/opt") == {
        "/opt/a": "file",
        "/opt/b": "dir",
        "/opt/b/inside.txt": "folder",
    }


def test_a_later_layer_writes_through_a_symlinked_folder(cloud: Cloud) -> None:
    lower = cloud.layer(
        zipped({"real/one.py": "ONE = 1"}, links={"python": "real", "lib/link.so": "real.so"})
    )
    upper = cloud.layer(zipped({"python/two.py": "TWO = 2"}))
    code = """
import one, two

def handler(event, context):
    return [one.ONE, two.TWO, one.__file__]
"""
    assert cloud.run(code, layers=[lower, upper]) == [1, 2, "/opt/python/one.py"]


def test_symlinks_and_execute_bits_are_kept_and_bin_is_on_the_path(cloud: Cloud) -> None:
    layer = cloud.layer(
        zipped(
            {"bin/tool": "#!/bin/sh\necho tool says $1\n", "bin/plain": "x"},
            modes={"bin/tool": 0o755},
            links={"bin/alias": "tool", "bin/absolute": "/opt/bin/tool"},
        )
    )
    code = """
import os, shutil, subprocess

def handler(event, context):
    return [
        subprocess.run(["tool", "hello"], capture_output=True, text=True).stdout,
        subprocess.run(["alias", "again"], capture_output=True, text=True).stdout,
        subprocess.run(["absolute", "too"], capture_output=True, text=True).stdout,
        shutil.which("plain"),
        os.readlink("/opt/bin/alias"),
    ]
"""
    assert cloud.run(code, layers=[layer]) == [
        "tool says hello\n",
        "tool says again\n",
        "tool says too\n",
        None,
        "tool",
    ]


def test_set_uid_bits_are_stripped(cloud: Cloud) -> None:
    layer = cloud.layer(zipped({"bin/su": "#!/bin/sh\nid\n"}, modes={"bin/su": 0o6755}))
    code = "import os\n\ndef handler(event, context):\n    return os.stat('/opt/bin/su').st_mode"
    assert cloud.run(code, layers=[layer]) == 0o100755


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no C compiler to build a library with")
def test_shared_libraries_of_a_layer_are_found(cloud: Cloud, tmp_path: Path) -> None:
    source = tmp_path / "answer.c"
    source.write_text("int answer(void) { return 42; }\n")
    library = tmp_path / "libanswer.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
    layer = cloud.layer(zipped({"lib/libanswer.so": library.read_bytes()}))
    code = """
import ctypes

def handler(event, context):
    return ctypes.CDLL("libanswer.so").answer()
"""
    assert cloud.run(code, layers=[layer]) == 42


def test_python_packages_are_found_in_both_folders_in_lambdas_order(cloud: Cloud) -> None:
    layer = cloud.layer(
        zipped(
            {
                "python/plain.py": "W = 'plain'",
                "python/both.py": "W = 'python'",
                "python/lib/python3.11/site-packages/both.py": "W = 'site-packages'",
                "python/lib/python3.11/site-packages/deep.py": "W = 'deep'",
                "python/mine.py": "W = 'layer'",
            }
        )
    )
    files = {
        "mine.py": "W = 'function'",
        "app.py": """
import sys, plain, both, deep, mine

def handler(event, context):
    return [plain.W, both.W, deep.W, mine.W, sys.path[:4]]
""",
    }
    name = cloud.function(files, layers=[layer])
    assert cloud.result(name) == [
        "plain",
        "site-packages",
        "deep",
        "function",
        ["/var/task", "/opt/python/lib/python3.11/site-packages", "/opt/python", "/var/runtime"],
    ]


@pytest.mark.skipif(shutil.which("node") is None, reason="this host has no Node.js")
def test_node_modules_of_a_layer_are_required(cloud: Cloud) -> None:
    layer = cloud.layer(
        zipped({"nodejs/node_modules/greet/index.js": "exports.hi = n => `hi ${n}`;"})
    )
    code = "const {hi} = require('greet'); exports.handler = async e => hi(e.name);"
    name = cloud.function(
        code, runtime="nodejs20.x", handler="index.handler", file="index.js", layers=[layer]
    )
    assert cloud.result(name, {"name": "you"}) == "hi you"


def test_an_empty_layer_changes_nothing(cloud: Cloud) -> None:
    empty, full = cloud.layer(zipped({"a/": ""})), cloud.layer(zipped({"x": "1"}))
    name = cloud.function(WALK, layers=[empty, full])
    assert cloud.result(name, "/opt") == {"/opt/a": "dir", "/opt/x": "1"}


def test_without_layers_opt_is_an_empty_folder(cloud: Cloud) -> None:
    assert cloud.run(WALK, "/opt") == {}


def test_a_layer_of_200_megabytes(cloud: Cloud) -> None:
    # 100 files of 2 MB that compress to about 20 MB in all, so that the zip may be sent directly.
    block = os.urandom(200_000) + bytes(1_800_000)
    layer = cloud.layer(zipped({f"data/{n}.bin": block for n in range(100)}))
    code = """
import os

def handler(event, context):
    return sum(os.path.getsize(os.path.join("/opt/data", n)) for n in os.listdir("/opt/data"))
"""
    assert cloud.run(code, layers=[layer]) == 200_000_000


def test_opt_and_task_cannot_be_written(cloud: Cloud) -> None:
    layer = cloud.layer(zipped({"python/lib.py": "x = 1"}))
    code = """
import os

def handler(event, context):
    out = {}
    for path in ("/opt/new", "/opt/python/lib.py", "/var/task/new", "/var/task/app.py"):
        try:
            with open(path, "a") as file:
                file.write("x")
            out[path] = "written"
        except OSError as error:
            out[path] = error.strerror
    return out
"""
    assert set(cloud.run(code, layers=[layer]).values()) == {"Read-only file system"}


def test_python_bytecode_is_there_for_layers_and_functions(cloud: Cloud) -> None:
    layer = cloud.layer(zipped({"python/lib.py": "x = 1", "python/pkg/__init__.py": ""}))
    code = """
import lib, pkg, app

def handler(event, context):
    import os
    return [os.path.exists(m.__cached__) for m in (lib, pkg, app)]
"""
    assert cloud.run(code, layers=[layer]) == [True, True, True]


def test_an_overwritten_module_never_runs_with_the_bytecode_of_the_lower_layer(
    cloud: Cloud,
) -> None:
    lower = cloud.layer(zipped({"python/lib.py": "x = 'lower'"}))
    upper = cloud.layer(zipped({"python/lib.py": "x = 'upper'"}))
    broken = cloud.layer(zipped({"python/lib.py": "x = = 'broken'"}))
    code = "import lib\n\ndef handler(event, context):\n    return lib.x"
    name = cloud.function(code, layers=[lower, upper])
    assert cloud.result(name) == "upper"
    cloud.configure(name, Layers=[upper, lower])
    assert cloud.result(name) == "lower"
    cloud.configure(name, Layers=[lower, broken])
    assert cloud.invoke(name).payload["errorType"] == "Runtime.UserCodeSyntaxError"


def test_a_layer_of_two_functions_is_one_tree_on_the_disk(data: Path) -> None:
    with serving(data) as server:
        cloud = Cloud(server.endpoint)
        layer = cloud.layer(zipped({"only-once.txt": "x" * 1000}))
        one, two = cloud.function(READ, layers=[layer]), cloud.function(READ, layers=[layer])
        for name in (one, two):
            assert cloud.result(name, ["/opt/only-once.txt"])["/opt/only-once.txt"] == "x" * 1000
        assert len(list(data.rglob("only-once.txt"))) == 1


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_the_hosts_mounts_are_as_before_when_the_server_has_ended(data: Path, end: str) -> None:
    before = Path("/proc/self/mounts").read_text()
    server = Server(data)
    try:
        cloud = Cloud(server.endpoint)
        layers = [cloud.layer(zipped({f"{n}.txt": "x"})) for n in range(3)]
        assert len(cloud.run(WALK, "/opt", layers=layers)) == 3
        during = Path("/proc/self/mounts").read_text()
    finally:
        getattr(server, end)()
        server.clear()
    assert during == before
    assert Path("/proc/self/mounts").read_text() == before
