"""Pinned interpreters, from the command to the function."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lamella.runtimes.catalog import Catalog
from tests.commands import command
from tests.e2e.server import Cloud, serving

VERSION = f"python3.{sys.version_info.minor}"
REAL = Path(os.path.realpath(sys.executable))


def runtimes(data: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return command("runtimes", *words, "--data", str(data), environ=os.environ.copy())


def rows(data: Path) -> dict[str, Any]:
    done = runtimes(data, "--json")
    assert done.returncode == 0, done.stderr
    return {each["runtime"]: each for each in json.loads(done.stdout)}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A Node.js in an installation of its own."""
    found = Catalog.discover(os.environ).nodes
    if not found:
        pytest.skip("this host has no Node.js")
    _, node = next(iter(found.values()))
    (tmp_path / "own" / "bin").mkdir(parents=True)
    return Path(shutil.copy(node, tmp_path / "own" / "bin" / "node"))


def test_a_pin_is_shown_used_and_taken_back(data: Path, bundle: Path) -> None:
    done = runtimes(data, "pin", "nodejs22.x", str(bundle))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"nodejs22.x runs on {bundle} (version ")
    assert json.loads((data / "runtimes.json").read_text()) == {"nodejs22.x": str(bundle)}

    gone = bundle.with_name("gone")
    shutil.copy(bundle, gone)
    assert runtimes(data, "pin", "nodejs20.x", str(gone)).returncode == 0
    gone.unlink()
    shown = rows(data)
    pinned = shown["nodejs22.x"]
    assert (pinned["available"], pinned["interpreter"]) == (True, str(bundle))
    missing = shown["nodejs20.x"]
    assert (missing["available"], missing["interpreter"]) == (False, None)
    reason = f"nodejs20.x: its pinned interpreter {gone} is not there."
    assert missing["remark"].startswith(reason)
    assert [name for name, each in shown.items() if each["pinned"]] == ["nodejs20.x", "nodejs22.x"]

    with serving(data) as server:
        cloud = Cloud(server.endpoint)
        source = "exports.handler = async () => process.execPath"
        name = cloud.function(source, runtime="nodejs22.x", file="app.js")
        assert cloud.result(name) == "/var/lang/bin/node"
        broken = cloud.function(source, runtime="nodejs20.x", file="app.js")
        with pytest.raises(cloud.client.exceptions.ClientError, match=reason):
            cloud.invoke(broken)
    assert reason in (data.parent / f"{data.name}.log").read_text()

    done = runtimes(data, "unpin", "nodejs20.x")
    assert done.stdout.startswith(f"nodejs20.x is not pinned to {gone} any more")
    assert json.loads((data / "runtimes.json").read_text()) == {"nodejs22.x": str(bundle)}


def test_what_cannot_be_pinned_is_not_kept(data: Path) -> None:
    done = runtimes(data, "pin", "ruby3.3", str(REAL))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"ruby3.3: {REAL} is no interpreter that could run it.\n"
    assert not (data / "runtimes.json").exists()


def test_a_python_is_pinned_to_its_own_version(data: Path) -> None:
    done = runtimes(data, "pin", VERSION, sys.executable, "--json")
    assert json.loads(done.stdout)["runtime"] == VERSION, done.stderr


def test_unpinning_what_is_not_pinned(data: Path) -> None:
    done = runtimes(data, "unpin", "ruby3.3")
    assert (done.returncode, done.stderr) == (2, "ruby3.3 is not pinned.\n")


def test_pins_that_cannot_be_read_are_named(data: Path) -> None:
    data.mkdir()
    (data / "runtimes.json").write_text("no json")
    done = runtimes(data)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"The pinned runtimes in {data}/runtimes.json cannot be read" in done.stderr
