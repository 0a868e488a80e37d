"""Which layer version an error came from: in the log, on the page of metrics, and by command."""

from __future__ import annotations

import json
import os
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lamella.cli.main import app
from lamella.errors import RuntimeMissing
from lamella.functions import failures
from lamella.runtimes.catalog import Catalog
from lamella.wiring.accounts import account_records
from tests.e2e.queues import until
from tests.e2e.server import Cloud, Server, serving, zipped
from tests.e2e.test_extensions import function as with_extensions
from tests.e2e.test_extensions import layer as extensions

APP = "import x\ndef handler(event, context):\n    return x.f(event)\n"
LIBRARY = "def f(event):\n    if callable(event):\n        return event()\n    return 1 / event\n"


@pytest.fixture(scope="module")
def node() -> str:
    return _runtime("nodejs22.x")


@pytest.fixture(scope="module")
def ruby() -> str:
    return _runtime("ruby3.3")


def _runtime(name: str) -> str:
    try:
        Catalog.discover(os.environ).find(name)
    except RuntimeMissing as missing:
        pytest.skip(str(missing))
    return name


def command(server: Server, *words: str) -> str:
    done = CliRunner().invoke(app, ["function", "errors", *words, "--data", str(server.data)])
    assert done.exit_code == 0, done.output
    return done.output


def errors(server: Server, name: str, count: int = 1) -> list[dict[str, Any]]:
    """The function's errors, once there are so many."""

    def there() -> bool:
        with account_records(server.data) as records:
            of_all = failures.found(records, name)
        return bool(of_all) and len(of_all[0].errors) >= count

    until(there)
    shown = json.loads(command(server, name, "--json"))[0]["errors"]
    assert isinstance(shown, list)
    return shown


def logged(server: Server, name: str, word: str) -> list[str]:
    found: list[str] = []

    def there() -> bool:
        found[:] = [
            message
            for path in server.data.joinpath("logs").rglob("*.jsonl")
            if name in str(path)
            for line in path.read_text().splitlines()
            if word in (message := json.loads(line)["message"])
        ]
        return bool(found)

    until(there)
    return found


def counted(server: Server, layer: str) -> float:
    with urllib.request.urlopen(f"{server.endpoint}/metrics") as answer:
        page = answer.read().decode()
    start = f'lamella_layer_errors_total{{layer="{layer}"}} '
    return next(
        (float(line[len(start) :]) for line in page.splitlines() if line.startswith(start)), 0
    )


def blamed(
    layer: str, file: str, line: int | None, *hides: str, raised: bool = True
) -> dict[str, Any]:
    return {"layer": layer, "file": file, "line": line, "hides": list(hides), "raised": raised}


def test_an_error_in_python_names_the_layer_and_what_it_hides(cloud: Cloud, server: Server) -> None:
    below = cloud.layer(zipped({"python/x.py": "def f(event): return 0\n"}))
    above = cloud.layer(zipped({"python/x.py": LIBRARY}))
    name = cloud.function(APP, layers=[below, above])
    failed = cloud.invoke(name, 0)
    assert failed.payload == {
        "errorMessage": "division by zero",
        "errorType": "ZeroDivisionError",
        "requestId": failed.raw["ResponseMetadata"]["RequestId"],
        "stackTrace": [
            '  File "/var/task/app.py", line 3, in handler\n    return x.f(event)\n',
            '  File "/opt/python/x.py", line 4, in f\n    return 1 / event\n',
        ],
    }
    assert "LAYER_ERROR" not in failed.log
    request = failed.payload["requestId"]
    (error,) = errors(server, name)
    assert error.pop("time").endswith("Z")
    assert error == {
        "requestId": request,
        "version": "$LATEST",
        "qualifier": None,
        "errorType": "ZeroDivisionError",
        "errorMessage": "division by zero",
        "layers": [blamed(above, "/opt/python/x.py", 4, below)],
    }
    assert logged(server, name, "LAYER_ERROR") == [
        f"LAYER_ERROR RequestId: {request}\tLayer: {above}\tFile: /opt/python/x.py\tLine: 4\t"
        f"Hides: {below}\n"
    ]
    assert counted(server, above) == 1
    assert counted(server, below) == 0


def test_a_failed_import_names_the_layer_and_json_logs_say_so(cloud: Cloud, server: Server) -> None:
    layer = cloud.layer(
        zipped({"python/x/__init__.py": "\nfrom x.y import z\n", "python/x/y.py": ""})
    )
    name = cloud.function(APP, layers=[layer], LoggingConfig={"LogFormat": "JSON"})
    assert cloud.invoke(name, 1).payload["errorType"] == "Runtime.ImportModuleError"
    assert errors(server, name)[0]["layers"] == [blamed(layer, "/opt/python/x/y.py", None)]
    record = json.loads(logged(server, name, "lamella.layerError")[0])
    assert record["record"]["layer"] == layer

    missing = cloud.layer(zipped({"python/x.py": "\nimport no_such_module\n"}))
    name = cloud.function(APP, layers=[missing])
    assert (
        cloud.invoke(name, 1).payload["errorMessage"].endswith("No module named 'no_such_module'")
    )
    assert errors(server, name)[0]["errorType"] == "Runtime.ImportModuleError"


def test_a_layer_that_wraps_the_handler_is_not_to_blame(cloud: Cloud, server: Server) -> None:
    layer = cloud.layer(zipped({"python/x.py": LIBRARY}))
    code = "import x\ndef handler(event, context):\n    return x.f(lambda: 1 / 0)\n"
    name = cloud.function(code, layers=[layer])
    assert cloud.invoke(name).payload["errorType"] == "ZeroDivisionError"
    found = errors(server, name)[0]
    assert found["layers"] == [blamed(layer, "/opt/python/x.py", 3, raised=False)]
    assert counted(server, layer) == 0


def test_errors_in_nodejs(cloud: Cloud, server: Server, node: str) -> None:
    common = "exports.f = () => {\n  throw new TypeError('no');\n};\n"
    module = "export const f = () => {\n\n  throw new TypeError('no');\n};\n"
    package = json.dumps({"name": "y", "exports": "./i.mjs"})
    layer = cloud.layer(
        zipped(
            {
                "nodejs/node_modules/x/index.js": common,
                "nodejs/node_modules/y/i.mjs": module,
                "nodejs/node_modules/y/package.json": package,
                "nodejs/node_modules/z/index.js": "require('none');",
            }
        )
    )
    root = "/opt/nodejs/node_modules"
    handlers = {
        "app.js": ("exports.handler = async () => require('x').f();", f"{root}/x/index.js", 2),
        "app.mjs": (
            "import { f } from 'y'; export const handler = async () => f();",
            f"{root}/y/i.mjs",
            3,
        ),
        "index.js": ("require('z');", f"{root}/z/index.js", None),
    }
    for file, (source, path, line) in handlers.items():
        name = cloud.function(
            source,
            file=file,
            handler=f"{file[:-3].rstrip('.')}.handler",
            runtime=node,
            layers=[layer],
        )
        assert cloud.invoke(name).error == "Unhandled"
        found = errors(server, name)[0]["layers"]
        assert found[:1] == [blamed(layer, path, found[0]["line"])]
        assert line is None or found[0]["line"] == line


def test_errors_in_ruby(cloud: Cloud, server: Server, ruby: str) -> None:
    layer = cloud.layer(zipped({"ruby/lib/x.rb": "def f\n  raise 'no'\nend\n"}))
    source = "require 'x'\ndef lambda_handler(event:, context:)\n  f\nend\n"
    name = cloud.function(
        source, file="app.rb", handler="app.lambda_handler", runtime=ruby, layers=[layer]
    )
    assert cloud.invoke(name).payload["errorMessage"] == "no"
    found = errors(server, name)[0]
    assert found["layers"] == [blamed(layer, "/opt/ruby/lib/x.rb", 2)]
    assert found["errorType"] == "Function<RuntimeError>"


@pytest.mark.parametrize("mode", ["exit at once", "die while invoked"])
def test_an_extension_that_fails_is_an_error_of_its_layer(
    cloud: Cloud, server: Server, mode: str
) -> None:
    layer = extensions(cloud, "alpha")
    name = with_extensions(cloud, [layer], {"alpha": mode})
    cloud.invoke(name)
    found = errors(server, name)[0]
    assert found["layers"] == [blamed(layer, "/opt/extensions/alpha", None)]
    assert found["errorType"].startswith("Extension.")
    assert logged(server, name, "LAYER_ERROR")


def test_errors_outlive_the_server_and_go_with_the_function(data: Path) -> None:
    with serving(data) as server:
        cloud = Cloud(server.endpoint)
        layer = cloud.layer(zipped({"python/x.py": LIBRARY}))
        name = cloud.function(APP, layers=[layer], Publish=True)
        cloud.client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
        for qualifier in ("$LATEST", "1", "live"):
            cloud.invoke(name, 0, Qualifier=qualifier)
    assert command(server, "other") == "No errors of other are kept.\n"
    text = command(server, name)
    assert text.count("\tZeroDivisionError\t") == 3
    assert text.endswith(f"# By layer version\n{layer}\t3\n")
    (of_alias,) = json.loads(command(server, name, "--qualifier", "live", "--json"))
    assert [each["qualifier"] for each in of_alias["errors"]] == ["live"]
    assert of_alias["byLayer"] == {layer: 1}
    assert (
        len(json.loads(command(server, f"{name}:1", "--since", "1h", "--json"))[0]["errors"]) == 2
    )
    later = command(server, name, "--since", "2999-01-01")
    assert later == f"No errors of {name} are kept.\n"
    with serving(data) as server:
        assert len(errors(server, name, 3)) == 3
        Cloud(server.endpoint).client.delete_function(FunctionName=name)
        assert json.loads(command(server, name, "--json")) == []
