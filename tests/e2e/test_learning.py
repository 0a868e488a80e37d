"""What functions import from their layers is learned, without their noticing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from lamella.cli.main import app
from lamella.invoke.learned import Learned
from lamella.model.document import Document, Kind
from lamella.model.function import Function
from lamella.records.sqlite import open_records
from lamella.wiring.accounts import account_records
from lamella.wiring.host import RECORDS
from tests.e2e.server import Cloud, Server, serving, zipped

PLAIN = {"LAMELLA_PRELOAD": "off"}
HANDLER = """
import sys

import colorsys

import shared
import helper

with open("/proc/self/cmdline") as line:
    COMMAND = line.read()


def handler(event, context):
    ours = [name for name in ("imports", "preload", "reseed") if name in sys.modules]
    argv = [*sys.argv, *sys.orig_argv]
    return {"argv": argv, "ours": ours, "asked": "--learn" in COMMAND}
"""


PRELOADS = '''
import json, os, subprocess, sys

SCRIPT = """
import json, logging, os, sys
sys.path[:] = ["/var/runtime", *sys.path]
import preload
sys.path.insert(0, "/opt/python")
sys.path.insert(0, "/var/task")
os.environ["OPENBLAS_NUM_THREADS"] = "1"
print(json.dumps(preload.preload(["below", "shared", "boto3", "bad"])))
"""


def handler(event, context):
    environment = {name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH")}
    command = [sys.executable, "-S", "-c", SCRIPT]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr
'''


def lessons(server: Server) -> Mapping[str, Document]:
    """What a server that has ended knows, by runtime."""
    records = open_records(server.data / RECORDS)
    try:
        return {document.at.name: document for document in records.all_documents(Kind.LEARNED)}
    finally:
        records.close()


def test_the_first_initialisations_tell_what_they_imported(tmp_path: Path) -> None:
    with serving(tmp_path / "data", environ=PLAIN) as server:
        cloud = Cloud(server.endpoint)
        layer = cloud.layer(zipped({"python/shared.py": "import below", "python/below.py": ""}))
        name = cloud.function({"app.py": HANDLER, "helper.py": ""}, layers=[layer])
        found: Any = cloud.result(name)
        assert found["asked"]
        assert not any("--learn" in word for word in found["argv"])
        assert found["ours"] == []
    (document,) = lessons(server).values()
    assert document.at.name == "python3.11"
    modules = document.value["modules"]
    assert [each for each in modules if each in ("colorsys", "shared", "below", "helper")] == [
        "colorsys",
        "below",
        "shared",
    ]
    assert list(document.value["inits"].values()) == [1]
    assert not {"app", "imports", "bootstrap", "awslambdaric", "sys"} & set(modules)


def test_what_is_known_is_asked_no_more_after_a_restart(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving(data, environ=PLAIN) as server:
        cloud = Cloud(server.endpoint)
        name = cloud.function({"app.py": HANDLER, "helper.py": "", "shared.py": ""})
        asked: list[bool] = []
        while len(asked) < 12 and False not in asked:
            cloud.configure(name, Description=f"number {len(asked)}")
            asked.append(cloud.result(name)["asked"])
        assert asked[:3] == [True, True, True]
        # What they told is taken in a moment later, for several together.
        assert asked[-1] is False
    with serving(data, environ=PLAIN) as server:
        assert not Cloud(server.endpoint).result(name)["asked"]


def test_a_function_that_fails_to_load_teaches_nothing(tmp_path: Path) -> None:
    with serving(tmp_path / "data", environ=PLAIN) as server:
        cloud = Cloud(server.endpoint)
        invoked = cloud.invoke(cloud.function("import colorsys\nraise ValueError"))
        assert invoked.error == "Unhandled"
    assert lessons(server) == {}


def test_modules_are_tried_and_imported_in_a_box(tmp_path: Path) -> None:
    with serving(tmp_path / "data", environ=PLAIN) as server:
        cloud = Cloud(server.endpoint)
        bad = "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()"
        files = {"python/shared.py": "import below", "python/below.py": "", "python/bad.py": bad}
        layer = cloud.layer(zipped(files))
        report = cloud.result(cloud.function(PRELOADS, layers=[layer], MemorySize=512))
    assert report["imported"] == ["below", "shared", "boto3"]
    assert report["refused"] == {"bad": "leaves a thread behind"}
    assert report["fault"] is None


def test_what_was_learned_is_shown(tmp_path: Path) -> None:
    with serving(tmp_path / "data", environ=PLAIN) as server:
        cloud = Cloud(server.endpoint)
        name = cloud.function({"app.py": HANDLER, "helper.py": "", "shared.py": ""})
        cloud.result(name)
    (shown,) = json.loads(command(server, name, "--json"))
    assert (shown["runtime"], shown["layers"], shown["imported"]) == ("python3.11", [], None)
    assert "colorsys" in shown["modules"]
    said = command(server, name)
    assert said.startswith("python3.11, no layers: ")
    assert said.endswith("modules were imported.\nNone was tried yet.\n")
    assert command(server, "nobody") == "Nothing is known yet of what nobody imports.\n"
    with account_records(server.data) as records:
        known = Learned(records)
        known.load()
        (which,) = known.verdicts()
        function = records.function(which.account, "eu-west-1", name, "$LATEST")
        assert function is not None
        asyncio.run(judge(known, function))
    said = command(server, name)
    assert "1 of them can be imported ahead." in said
    assert "Variables that they look at: LEVEL\n" in said
    assert "odd\tleaves a thread behind\n" in said


async def judge(known: Learned, function: Function) -> None:
    refused = {"odd": "leaves a thread behind"}
    known.verdict(function, {"imported": ["colorsys"], "refused": refused, "read": ["LEVEL"]})
    await known.close()


def command(server: Server, *words: str) -> str:
    done = CliRunner().invoke(app, ["function", "imports", *words, "--data", str(server.data)])
    assert done.exit_code == 0, done.output
    return done.output
