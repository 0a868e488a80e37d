"""What vendors ship for Lambda, as layers: installed from their packages, attached, and run as they document it.

Installed once into this checkout's cache, in pinned versions; skipped where a package index cannot be reached.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.queues import until
from tests.e2e.server import Cloud, Server, serving, zipped

pytestmark = pytest.mark.slow

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "vendors"
POWERTOOLS = ("aws-lambda-powertools[validation,tracer]==3.37.0", "aws-xray-sdk==2.15.0")
OPENTELEMETRY = (
    "opentelemetry-instrumentation-aws-lambda==0.66b1",
    "opentelemetry-sdk==1.45.1",
)
DATADOG = ("datadog-lambda==8.130.0",)
POWERTOOLS_JS = ("@aws-lambda-powertools/logger@2.36.0", "@aws-lambda-powertools/metrics@2.36.0")
EXTENSION = ("@serverless/aws-lambda-otel-extension-dist@0.1.11",)
NODE = "nodejs20.x"


def installed(command: list[str], name: str, folder: str) -> Path:
    """The folder ``name`` of the cache, with a zip of what ``command`` installs below ``folder``."""
    home = CACHE / name
    archive = home / "layer.zip"
    if archive.exists():
        return home
    shutil.rmtree(home, ignore_errors=True)
    target = home / folder
    target.mkdir(parents=True)
    try:
        done = subprocess.run(
            [*command, str(target)], capture_output=True, text=True, timeout=200, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"{name} cannot be installed here: {error}")
    if done.returncode:
        pytest.skip(f"{name} cannot be installed here: {done.stderr.strip()[-300:]}")
    partial = home / "partial"
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as into:
        for path in sorted(target.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                into.write(path, path.relative_to(home))
    partial.rename(archive)
    return home


def from_pypi(*pins: str) -> Path:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    name = "-".join(pins).replace("/", "_")
    return installed([*pip, *pins, "--target"], f"{name}-{sys.version_info[1]}", "python")


def from_npm(*pins: str) -> Path:
    npm = ["npm", "install", "--silent", "--no-audit", "--no-fund", *pins, "--prefix"]
    return installed(npm, "-".join(pins).replace("/", "_"), "nodejs")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("vendors") / "data") as server:
        yield server


@pytest.fixture(scope="module")
def cloud(server: Server) -> Cloud:
    return Cloud(server.endpoint)


def layer(cloud: Cloud, home: Path) -> str:
    return cloud.layer((home / "layer.zip").read_bytes())


def records(log: str) -> list[dict[str, Any]]:
    """The lines of a log that are JSON objects."""
    return [json.loads(line) for line in log.splitlines() if line.startswith("{")]


POWERTOOLS_APP = """
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.validation import validate

logger, tracer, metrics = Logger(), Tracer(), Metrics()
app = APIGatewayHttpResolver()
SCHEMA = {"type": "object", "required": ["version"]}

@app.get("/orders/<order>")
@tracer.capture_method
def order(order: str):
    logger.info("looking", order=order)
    metrics.add_metric(name="Orders", unit=MetricUnit.Count, value=1)
    return {"order": int(order)}

@logger.inject_lambda_context(log_event=True)
@tracer.capture_lambda_handler
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event, context):
    validate(event=event, schema=SCHEMA)
    return app.resolve(event, context)
"""


def http_event(path: str) -> dict[str, Any]:
    return {
        "version": "2.0",
        "rawPath": path,
        "headers": {},
        "requestContext": {"http": {"method": "GET", "path": path}, "stage": "$default"},
    }


def test_powertools_for_python(cloud: Cloud) -> None:
    layers = [layer(cloud, from_pypi(*POWERTOOLS))]
    variables = {
        "POWERTOOLS_SERVICE_NAME": "shop",
        "POWERTOOLS_METRICS_NAMESPACE": "Shop",
        "POWERTOOLS_TRACE_DISABLED": "true",
    }
    name = cloud.function(POWERTOOLS_APP, layers=layers, Environment={"Variables": variables})
    invoked = cloud.invoke(name, http_event("/orders/7"))
    assert invoked.error is None, invoked
    assert json.loads(invoked.payload["body"]) == {"order": 7}
    logged = records(invoked.log)
    looked = next(each for each in logged if each.get("message") == "looking")
    assert looked["order"] == "7"
    assert looked["function_name"] == name
    assert looked["cold_start"] is True
    assert looked["function_request_id"] == invoked.raw["ResponseMetadata"]["RequestId"]
    emf = [each for each in logged if "_aws" in each]
    assert {
        tuple(metric["Name"] for metric in each["_aws"]["CloudWatchMetrics"][0]["Metrics"])
        for each in emf
    } == {
        ("ColdStart",),
        ("Orders",),
    }
    refused = cloud.invoke(name, {})
    assert refused.payload["errorType"] == "SchemaValidationError"


@pytest.mark.parametrize(
    ("file", "begin"),
    [
        ("app.js", "const {{ {0} }} = require('{1}');"),
        ("app.mjs", "import {{ {0} }} from '{1}';"),
    ],
)
def test_powertools_for_typescript(cloud: Cloud, file: str, begin: str) -> None:
    layers = [layer(cloud, from_npm(*POWERTOOLS_JS))]
    exported = "exports.handler" if file == "app.js" else "export const handler"
    source = "\n".join(
        [
            begin.format("Logger", "@aws-lambda-powertools/logger"),
            begin.format("Metrics, MetricUnit", "@aws-lambda-powertools/metrics"),
            "const logger = new Logger({ serviceName: 'shop' });",
            "const metrics = new Metrics({ namespace: 'Shop' });",
            exported + " = async (event, context) => {",
            "  logger.addContext(context);",
            "  logger.info('looking', { order: event.order });",
            "  metrics.addMetric('Orders', MetricUnit.Count, 1);",
            "  metrics.publishStoredMetrics();",
            "  return event.order;",
            "};",
        ]
    )
    name = cloud.function(source, file=file, runtime=NODE, layers=layers)
    invoked = cloud.invoke(name, {"order": 7})
    assert (invoked.payload, invoked.error) == (7, None), invoked
    looked = next(each for each in records(invoked.log) if each.get("message") == "looking")
    assert looked["order"] == 7
    assert looked["function_request_id"] == invoked.raw["ResponseMetadata"]["RequestId"]
    assert any("_aws" in each for each in records(invoked.log))


WRAPPER = """#!/bin/bash
export ORIG_HANDLER="$_HANDLER"
export _HANDLER=otel_wrapper.handler
exec "$@"
"""
OTEL_WRAPPER = """
import os
from importlib import import_module
from opentelemetry import trace
from opentelemetry.instrumentation.aws_lambda import AwsLambdaInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

provider = TracerProvider()
one_line = lambda span: span.to_json(indent=None) + "\\n"
provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(formatter=one_line)))
trace.set_tracer_provider(provider)
AwsLambdaInstrumentor().instrument()
module, name = os.environ["ORIG_HANDLER"].rsplit(".", 1)
handler = getattr(import_module(module), name)
"""


def test_opentelemetry_instruments_a_handler_from_a_wrapper(cloud: Cloud) -> None:
    packages = layer(cloud, from_pypi(*OPENTELEMETRY))
    files = {"otel-instrument": WRAPPER, "python/otel_wrapper.py": OTEL_WRAPPER}
    wrapper = cloud.layer(zipped(files, modes={"otel-instrument": 0o755}))
    name = cloud.function(
        "def handler(event, context):\n    return event\n",
        layers=[packages, wrapper],
        Environment={"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/otel-instrument"}},
    )
    invoked = cloud.invoke(name, 7)
    assert (invoked.payload, invoked.error) == (7, None), invoked
    span = next(each for each in records(invoked.log) if "trace_id" in each.get("context", {}))
    assert span["attributes"]["faas.invocation_id"] == invoked.raw["ResponseMetadata"]["RequestId"]


def test_datadog_redirects_the_handler(cloud: Cloud) -> None:
    layers = [layer(cloud, from_pypi(*DATADOG))]
    variables = {
        "DD_LAMBDA_HANDLER": "app.handler",
        "DD_TRACE_ENABLED": "false",
        "DD_FLUSH_TO_LOG": "true",
        "DD_API_KEY": "none",
    }
    source = (
        "from datadog_lambda.metric import lambda_metric\n"
        "def handler(event, context):\n    lambda_metric('shop.orders', 3)\n    return event\n"
    )
    name = cloud.function(
        source,
        handler="datadog_lambda.handler.handler",
        layers=layers,
        MemorySize=512,
        Environment={"Variables": variables},
    )
    invoked = cloud.invoke(name, 7)
    assert (invoked.payload, invoked.error) == (7, None), invoked
    assert any(each.get("m") == "shop.orders" for each in records(invoked.log)), invoked.log


def test_an_extension_that_npm_ships_runs_unchanged(cloud: Cloud, server: Server) -> None:
    """An external extension with its wrapper, which subscribes to logs and prints traces."""
    home = from_npm(*EXTENSION)
    (found,) = home.rglob("extension.zip")
    name = cloud.function(
        "exports.handler = async (event) => event;",
        file="app.js",
        runtime=NODE,
        layers=[cloud.layer(found.read_bytes())],
        MemorySize=512,
        Environment={
            "Variables": {
                "AWS_LAMBDA_EXEC_WRAPPER": "/opt/otel-extension/otel-handler",
                "SLS_OTEL_REPORT_TYPE": "json",
            }
        },
    )
    for order in (7, 8):
        invoked = cloud.invoke(name, order)
        assert (invoked.payload, invoked.error) == (order, None), (invoked, _log(server, name))
    until(lambda: "resourceSpans" in _log(server, name))
    assert "EXTENSION\tName: otel-extension\tState: Ready" in _log(server, name)


def _log(server: Server, name: str) -> str:
    return "".join(
        json.loads(line)["message"]
        for path in sorted(server.data.joinpath("logs").rglob("*.jsonl"))
        if name in str(path)
        for line in path.read_text().splitlines()
    )
