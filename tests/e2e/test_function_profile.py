"""``lamella function profile``: whose the milliseconds of a cold start are, measured on a copy."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.commands import command
from tests.e2e.server import Cloud, Server, zipped

SLOW = "import time\ntime.sleep({seconds})\n"
CODE = """
import os
import early
import late
import wsgiref.util

if os.environ["_HANDLER"] != "app.handler" or os.environ["COLOUR"] != "blue":
    raise RuntimeError("not as the function is")

def handler(event, context):
    raise AssertionError("nobody is to call this")
"""


def run(server: Server, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    where = {"AWS_ENDPOINT_URL_LAMBDA": server.endpoint, "AWS_REGION": "eu-west-1"}
    done = command("function", "profile", *words, environ={**os.environ, **where})
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def function(cloud: Cloud) -> tuple[str, list[str]]:
    early = {"python/early.py": SLOW.format(seconds=0.06), "python/late.py": "import nowhere\n"}
    layers = [
        cloud.layer(zipped(early)),
        cloud.layer(zipped({"python/late.py": SLOW.format(seconds=0.03)})),
    ]
    variables = {"Variables": {"COLOUR": "blue"}}
    return cloud.function(CODE, layers=layers, Environment=variables, MemorySize=512), layers


@pytest.fixture(scope="module")
def told(
    server: Server, function: tuple[str, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], str]:
    html = tmp_path_factory.mktemp("html") / "f.html"
    done = run(server, function[0], "--runs", "3", "--json", "--html", str(html))
    assert f"Measuring {function[0]}: " in done.stderr
    return json.loads(done.stdout), html.read_text()


def test_each_layers_share_of_the_cold_start_is_told(
    told: tuple[dict[str, Any], str], function: tuple[str, list[str]]
) -> None:
    answer, (name, layers) = told[0], function
    early, late = (":".join(each.split(":")[-2:]) for each in layers)
    assert (answer["function"], answer["version"]) == (name, "$LATEST")
    assert (answer["runtime"], answer["handler"]) == ("python3.11", "app.handler")
    assert (answer["layers"], answer["error"]) == ([early, late], None)
    plain = answer["ways"]["plain"]
    owners = plain["byOwnerMs"]
    assert owners[early] > 60
    assert 30 < owners[late] < owners[early]
    assert owners["the function"] > 0
    assert owners["standard library"] > 0
    assert plain["restMs"] > 0
    assert plain["coldMs"] > owners[early] + owners[late]
    assert len(plain["runsMs"]) == 3
    modules = {each["name"]: each["owner"] for each in plain["modules"]}
    assert modules["app"] == "the function"
    assert (modules["early"], modules["late"]) == (early, late)
    assert modules["wsgiref.util"] == "standard library"


def test_what_is_imported_ahead_costs_the_cold_start_nothing(
    told: tuple[dict[str, Any], str],
) -> None:
    preloaded = told[0]["ways"]["preloaded"]
    assert [each["name"] for each in preloaded["modules"]] == ["app"]
    assert preloaded["byOwnerMs"].keys() == {"the function"}
    assert preloaded["coldMs"] < told[0]["ways"]["plain"]["coldMs"]


def test_the_chart_shows_loading_the_handler(told: tuple[dict[str, Any], str]) -> None:
    assert "<h2>Loading the handler, plain: " in told[1]
    assert "<h2>Loading the handler, preloaded: " in told[1]


def test_the_function_itself_is_as_it_was(
    cloud: Cloud, told: tuple[dict[str, Any], str], function: tuple[str, list[str]]
) -> None:
    about = cloud.client.get_function_configuration(FunctionName=function[0])
    assert (about["Handler"], about["Description"]) == ("app.handler", "")
    assert told[0]["function"] in {
        each["FunctionName"] for each in cloud.client.list_functions()["Functions"]
    }
    assert "AssertionError" in str(cloud.invoke(function[0]).payload)


@pytest.mark.skipif(shutil.which("node") is None, reason="this host has no Node.js")
def test_functions_of_node_are_told_apart_where_they_require(cloud: Cloud, server: Server) -> None:
    code = "const t = Date.now() + 30; while (Date.now() < t);"
    folder = "nodejs/node_modules/shared"
    layer = cloud.layer(zipped({f"{folder}/index.js": code, f"{folder}/index.mjs": code}))
    text = "require('shared'); exports.handler = () => 1;"
    name = cloud.function(text, file="app.js", runtime="nodejs20.x", layers=[layer])
    (plain, *_) = json.loads(run(server, name, "--runs", "1", "--json").stdout)["ways"].values()
    assert plain["byOwnerMs"][":".join(layer.split(":")[-2:])] > 29
    assert [each["name"] for each in plain["modules"]] == [
        "app.handler",
        "app.js",
        "shared/index.js",
    ]
    text = f"import '/opt/{folder}/index.mjs'; export const handler = () => 1;"
    name = cloud.function(text, file="app.mjs", runtime="nodejs20.x", layers=[layer])
    (plain, *_) = json.loads(run(server, name, "--runs", "1", "--json").stdout)["ways"].values()
    assert plain["byOwnerMs"]["ES modules"] > 29


def test_a_handler_that_cannot_be_loaded_says_why_and_what_it_cost(
    cloud: Cloud, server: Server
) -> None:
    layer = cloud.layer(zipped({"python/early.py": "X = 1\n"}))
    name = cloud.function("import early\nimport nowhere\n", layers=[layer])
    version = cloud.client.publish_version(FunctionName=name)["Version"]
    cloud.client.update_function_code(FunctionName=name, ZipFile=zipped({"app.py": "no python"}))
    done = run(server, f"{name}:{version}", "--runs", "1", code=1)
    assert "could not be loaded: ModuleNotFoundError: No module named 'nowhere'" in done.stderr
    assert done.stdout.startswith(f"# {name} on python3.11: 1 cold starts each, plain\n")
    assert f"\n{':'.join(layer.split(':')[-2:])}\t" in done.stdout
    assert "\nbox, runtime, its client\t" in done.stdout
    assert "\ncold start\t" in done.stdout
    assert "\nearly\t" in done.stdout


def test_what_cannot_be_measured_is_said(cloud: Cloud, server: Server) -> None:
    assert "is no name of a function" in run(server, "a b", code=2).stderr
    missing = run(server, "missing", code=1).stderr
    assert "missing: ResourceNotFoundException: Function not found: " in missing
    other = cloud.function({"bootstrap": "#!/bin/sh\n"}, runtime="provided.al2023")
    assert f"{other} runs on provided.al2023" in run(server, other, code=1).stderr
    gone = cloud.layer(zipped({"python/x.py": ""}))
    name = cloud.function("", layers=[gone])
    layer, version = gone.rsplit(":", 1)
    cloud.client.delete_layer_version(LayerName=layer, VersionNumber=int(version))
    said = run(server, name, code=1).stderr
    assert "Of a deleted version functions keep what they have." in said
    assert "Traceback" not in said


def test_a_server_that_is_not_there_is_said(server: Server, tmp_path: Path) -> None:
    said = run(server, "any", "--endpoint", "http://127.0.0.1:9", code=1).stderr
    assert "Is a server running? --endpoint says where." in said
