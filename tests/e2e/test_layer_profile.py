"""``lamella layer profile``: what it says of a layer is measured, by its file and by its ARN."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from lamella.model import limits
from tests.commands import command
from tests.e2e.server import Cloud, Server, zipped

LAYER = {
    "python/slow/__init__.py": "import time\nfrom slow import inner\ntime.sleep(0.05)\n",
    "python/slow/inner.py": "import wsgiref.util\n",
    "python/lib/python3.11/site-packages/versioned.py": "X = 1\n",
    "python/lib/python3.10/site-packages/other.py": "X = 1\n",
    "python/space/below/__init__.py": "import importlib; importlib.import_module('slow.inner')\n",
    "python/late.py": "import threading\nthreading.Thread(target=threading.Event().wait).start()\n",
    "python/missing.py": "import nowhere\n",
    "python/fatal.py": "import os\nos._exit(3)\n",
    "python/leaves.py": "raise SystemExit('bye \\x1b[1m')\n",
    "python/nonsense.py": "def (:\n",
    "python/data.txt": "no module",
    "python/not-a-name.py": "no module",
}


def run(*words: str, code: int = 0, **environ: str) -> subprocess.CompletedProcess[str]:
    done = command("layer", "profile", *words, environ={**os.environ, **environ})
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    folder = tmp_path_factory.mktemp("layer")
    (folder / "l.zip").write_bytes(zipped(LAYER))
    html = folder / "l.html"
    words = (str(folder / "l.zip"), "--runs", "2", "--json", "--html", str(html))
    # Settings of a server that the user runs are not those of the one that measures.
    done = run(*words, "--runtime", "python3.11", LAMELLA_AUTH="sigv4", LAMELLA_PORT="wrong")
    assert "Measuring l.zip: " in done.stderr
    return json.loads(done.stdout), html.read_text()


def test_packages_are_what_can_be_imported_each_with_its_price(
    told: tuple[dict[str, Any], str],
) -> None:
    packages = {each["name"]: each for each in told[0]["packages"]}
    failing = {"missing", "fatal", "leaves", "nonsense"}
    assert packages.keys() == {"slow", "versioned", "space.below", "late", *failing}
    assert {name for name, each in packages.items() if each["error"]} == failing
    slow = packages["slow"]
    assert slow["ms"] > 50
    assert len(slow["runsMs"]) == 2
    assert slow["byOwnerMs"]["l.zip"] > 50
    assert slow["byOwnerMs"]["standard library"] > 0
    modules = {each["name"]: each for each in slow["modules"]}
    assert modules["slow"]["ms"] > modules["slow.inner"]["ms"] > modules["wsgiref"]["ms"]
    assert modules["slow.inner"]["owner"] == "l.zip"
    assert modules["wsgiref.util"]["owner"] == "standard library"
    # What goes by way of importlib is seen as well.
    assert "slow.inner" in {each["name"] for each in packages["space.below"]["modules"]}


def test_a_package_that_fails_says_why_and_the_others_are_measured(
    told: tuple[dict[str, Any], str],
) -> None:
    errors = {each["name"]: each["error"] for each in told[0]["packages"]}
    assert errors["missing"] == "ModuleNotFoundError: No module named 'nowhere'"
    assert errors["fatal"] == "the process ended during the import (exit code 3)"
    assert errors["leaves"] == "SystemExit: bye  [1m"
    assert errors["nonsense"].startswith("SyntaxError: ")
    together = told[0]["together"]
    assert together["error"] is None
    assert told[0]["importMs"] > 50
    assert {"slow", "versioned", "late"} <= {each["name"] for each in together["modules"]}


def test_unpacking_and_compiling_have_a_price(told: tuple[dict[str, Any], str]) -> None:
    answer = told[0]
    assert (answer["layer"], answer["runtime"]) == ("l.zip", "python3.11")
    assert answer["files"] == len(LAYER)
    assert answer["unzippedSize"] == sum(len(text) for text in LAYER.values())
    assert answer["unpackMs"] > 0
    assert answer["compileMs"] > 0
    assert (answer["sources"], answer["sourcesNotCompiled"]) == (11, 2)
    assert answer["importWithoutBytecodeMs"] > 50


def test_the_chart_holds_every_package_that_could_be_imported(
    told: tuple[dict[str, Any], str],
) -> None:
    assert "The price of l.zip" in told[1]
    assert "<h2>slow, alone: " in told[1]
    assert "<h2>Everything, in one process: " in told[1]
    assert "<h2>missing" not in told[1]


def test_a_layer_version_of_a_server_is_fetched_with_what_it_needs(
    cloud: Cloud, server: Server, tmp_path: Path
) -> None:
    (tmp_path / "base.zip").write_bytes(zipped({"python/base_of_all.py": "X = 1\n"}))
    code = {"python/on_top.py": "import base_of_all\n"}
    arn = cloud.layer(zipped(code), "top", CompatibleRuntimes=["dotnet8", "python3.11"])
    words = (arn, "--runs", "1", "--endpoint", server.endpoint)
    answer = json.loads(run(*words, "--with", str(tmp_path / "base.zip"), "--json").stdout)
    (package,) = answer["packages"]
    assert (answer["layer"], answer["runtime"]) == (f"top:{arn.rpartition(':')[2]}", "python3.11")
    assert (package["name"], package["error"]) == ("on_top", None)
    assert package["byOwnerMs"].keys() == {answer["layer"], "base.zip"}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("nothing.zip",), 2, "nothing.zip cannot be read: No such file or directory"),
        (("arn:aws:lambda:eu-west-1:000000000000:layer:x",), 2, "names no version"),
        (
            ("arn:aws:lambda:eu-west-1:000000000000:layer:absent:1",),
            1,
            "ResourceNotFoundException: The resource you requested does not exist.",
        ),
    ],
)
def test_what_cannot_be_measured_is_said(
    server: Server, words: tuple[str, ...], code: int, said: str
) -> None:
    done = run(*words, code=code, AWS_ENDPOINT_URL_LAMBDA=server.endpoint)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_layer_that_is_too_large_for_a_request_is_measured(tmp_path: Path) -> None:
    data: dict[str, str | bytes] = {
        "python/tiny.py": "X = 1\n",
        "data.bin": bytes(limits.ZIP_BYTES),
    }
    (tmp_path / "l.zip").write_bytes(zipped(data, method=zipfile.ZIP_STORED))
    answer = json.loads(run(str(tmp_path / "l.zip"), "--runs", "1", "--json").stdout)
    assert answer["zippedSize"] > limits.ZIP_BYTES
    assert [(each["name"], each["error"]) for each in answer["packages"]] == [("tiny", None)]


@pytest.mark.parametrize(
    "made", ["lamella-*", "lamella-ephemeral-*", "lamella-*/lamella-profile-*"]
)
def test_a_command_that_is_told_to_end_leaves_no_server_behind(tmp_path: Path, made: str) -> None:
    """Before it starts one, while that starts, while it measures: by what it ``made`` by then."""
    (tmp_path / "l.zip").write_bytes(zipped({"python/a.py": "X = 1\n"}))
    (tmp_path / "t").mkdir()
    process = subprocess.Popen(
        [*(sys.executable, "-m", "lamella", "layer", "profile"), "l.zip", "--runs", "500"],
        env={**os.environ, "TMPDIR": str(tmp_path / "t")},
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not list((tmp_path / "t").glob(made)):
        assert process.poll() is None
    process.terminate()
    assert process.wait(30) == 128 + signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    assert list((tmp_path / "t").iterdir()) == []


NODE_LAYER = {
    "nodejs/node_modules/slow/index.js": "const t = Date.now() + 40; while (Date.now() < t);"
    " require('@scope/two');",
    "nodejs/node_modules/@scope/two/index.js": "exports.two = 2;",
    "nodejs/node_modules/@types/two/index.d.ts": "",
    "nodejs/node_modules/alone/package.json": '{"type": "module", "exports": {"import": "./a.mjs"}}',
    "nodejs/node_modules/alone/a.mjs": "await new Promise(done => setTimeout(done, 20));",
    "nodejs/node_modules/fails/index.js": "throw new Error('no\\nway');",
    "nodejs/node_modules/leaves/index.js": "process.exit(4);",
    "nodejs/node_modules/.bin/tool": "",
}


@pytest.mark.skipif(shutil.which("node") is None, reason="this host has no Node.js")
def test_packages_of_node_are_required_or_imported(tmp_path: Path) -> None:
    (tmp_path / "l.zip").write_bytes(zipped(NODE_LAYER))
    answer = json.loads(run(str(tmp_path / "l.zip"), "--runs", "1", "--json").stdout)
    assert answer["runtime"].startswith("nodejs")
    packages = {each["name"]: each for each in answer["packages"]}
    assert packages.keys() == {"slow", "@scope/two", "alone", "fails", "leaves"}
    assert packages["slow"]["byOwnerMs"].keys() == {"l.zip"}
    assert packages["slow"]["ms"] > 40
    names = [each["name"] for each in packages["slow"]["modules"]]
    assert names == ["slow/index.js", "@scope/two/index.js"]
    assert packages["alone"]["byOwnerMs"]["l.zip"] > 19
    assert packages["fails"]["error"] == "Error: no"
    assert packages["leaves"]["error"] == "the process ended during the import (exit code 4)"
    assert answer["together"]["error"] is None
    assert (answer["sources"], answer["importWithoutBytecodeMs"]) == (0, None)


def test_a_layer_for_another_language_has_nothing_to_import(tmp_path: Path) -> None:
    (tmp_path / "l.zip").write_bytes(zipped({"bin/tool": "x", "python/a.py": "X = 1\n"}))
    done = run(str(tmp_path / "l.zip"), "--runtime", "provided.al2023")
    assert "Unpack\t" in done.stdout
    assert "There is nothing in it that provided.al2023 could import." in done.stdout
    assert "Compile" not in done.stdout


def test_a_file_that_is_no_layer_and_a_runtime_that_is_not_here_are_said(tmp_path: Path) -> None:
    (tmp_path / "no.zip").write_text("no zip")
    assert "Could not unzip uploaded file" in run(str(tmp_path / "no.zip"), code=1).stderr
    (tmp_path / "l.zip").write_bytes(zipped({"python/a.py": ""}))
    done = run(str(tmp_path / "l.zip"), "--runtime", "python2.7", code=1)
    assert "python2.7" in done.stderr
    for chart in (tmp_path, tmp_path / "absent" / "x.html"):
        done = run(str(tmp_path / "l.zip"), "--html", str(chart), code=2)
        assert f"{chart} cannot be written" in done.stderr
