"""The story of the README, by AWS's own clients: the real AWS CLI and boto3."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.e2e.server import ROLE, Cloud, Server, zipped

LIBRARY = {
    "python/shared.py": "VERSION = {version}\n",
    "nodejs/node_modules/shared/index.js": "exports.VERSION = {version};\n",
}
PYTHON_CODE = """
import shared

def handler(event, context):
    print("hello from the handler")
    return {"version": shared.VERSION, "event": event}
"""
NODE_CODE = """
const shared = require('shared');
exports.handler = async event => ({version: shared.VERSION, event});
"""
BOOTSTRAP = """#!/bin/sh
set -eu
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime"
while true; do
  headers=$(mktemp)
  event=$(curl -sS -D "$headers" "$api/invocation/next")
  id=$(grep -i '^lambda-runtime-aws-request-id:' "$headers" | tr -d '\\r' | cut -d' ' -f2)
  curl -sS -o /dev/null -d "{\\"handler\\": \\"$_HANDLER\\", \\"event\\": $event}" "$api/invocation/$id/response"
done
"""


def library(version: int) -> bytes:
    return zipped({name: text.format(version=version) for name, text in LIBRARY.items()})


def aws(server: Server, folder: Path, *words: str) -> str:
    """Run the real AWS CLI; its standard output."""
    cli = Path(sys.executable).with_name("aws")
    done = subprocess.run(
        [
            sys.executable,
            str(cli),
            "--endpoint-url",
            server.endpoint,
            "--region",
            "eu-west-1",
            *words,
        ],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_PAGER": "",
            "AWS_EC2_METADATA_DISABLED": "true",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_five_commands_with_the_aws_cli(server: Server, tmp_path: Path) -> None:
    (tmp_path / "layer.zip").write_bytes(library(1))
    (tmp_path / "fn.zip").write_bytes(zipped({"app.py": PYTHON_CODE}))
    name = f"MyFunction-{os.getpid()}"

    published = json.loads(
        aws(
            server,
            tmp_path,
            *("lambda", "publish-layer-version", "--layer-name", f"shared-code-{os.getpid()}"),
            *("--zip-file", "fileb://layer.zip", "--compatible-runtimes", "python3.11"),
        )
    )
    assert published["Version"] == 1
    assert published["CompatibleRuntimes"] == ["python3.11"]
    aws(
        server,
        tmp_path,
        *("lambda", "create-function", "--function-name", name, "--runtime", "python3.11"),
        *("--handler", "app.handler", "--role", ROLE, "--zip-file", "fileb://fn.zip"),
    )
    arn = published["LayerVersionArn"]
    aws(
        server,
        tmp_path,
        *("lambda", "update-function-configuration", "--function-name", name, "--layers", arn),
    )
    answer = json.loads(
        aws(
            server,
            tmp_path,
            *("lambda", "invoke", "--function-name", name, "out.json", "--log-type", "Tail"),
        )
    )
    assert answer["StatusCode"] == 200
    assert answer["ExecutedVersion"] == "$LATEST"
    assert json.loads((tmp_path / "out.json").read_text()) == {"version": 1, "event": {}}
    aws(server, tmp_path, "lambda", "wait", "function-updated-v2", "--function-name", name)
    aws(server, tmp_path, "lambda", "wait", "function-active-v2", "--function-name", name)


@pytest.mark.parametrize(
    ("runtime", "handler", "file", "code"),
    [
        ("python3.11", "app.handler", "app.py", PYTHON_CODE),
        pytest.param(
            *("nodejs20.x", "index.handler", "index.js", NODE_CODE),
            marks=pytest.mark.skipif(
                shutil.which("node") is None, reason="this host has no Node.js"
            ),
        ),
    ],
)
def test_publish_attach_pin_move_roll_back_delete(
    cloud: Cloud, runtime: str, handler: str, file: str, code: str
) -> None:
    layer = cloud.name("shared-code")
    first = cloud.layer(library(1), layer)
    function = cloud.function(code, runtime=runtime, handler=handler, file=file)
    cloud.configure(function, Layers=[first])
    assert cloud.result(function, {"k": "v"}) == {"version": 1, "event": {"k": "v"}}

    second = cloud.layer(library(2), layer)
    assert second == first[:-1] + "2"
    assert cloud.result(function)["version"] == 1
    cloud.configure(function, Layers=[second])
    assert cloud.result(function)["version"] == 2
    cloud.configure(function, Layers=[first])
    assert cloud.result(function)["version"] == 1

    cloud.client.delete_layer_version(LayerName=layer, VersionNumber=1)
    assert cloud.result(function)["version"] == 1
    cloud.configure(function, Environment={"Variables": {"NEW": "environment"}})
    assert cloud.result(function)["version"] == 1
    with pytest.raises(ClientError, match="does not exist"):
        cloud.client.create_function(
            FunctionName=cloud.name(),
            Runtime=runtime,
            Handler=handler,
            Role=ROLE,
            Code={"ZipFile": zipped({file: code})},
            Layers=[first],
        )


def test_the_log_of_an_invocation_is_lambdas(cloud: Cloud) -> None:
    layer = cloud.layer(library(1))
    function = cloud.function(PYTHON_CODE, layers=[layer])
    invoked = cloud.invoke(function)
    request = invoked.raw["ResponseMetadata"]["RequestId"]
    pattern = (
        rf"START RequestId: {request} Version: \$LATEST\n"
        r"hello from the handler\n"
        rf"END RequestId: {request}\n"
        rf"REPORT RequestId: {request}\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\t"
        r"Memory Size: 128 MB\tMax Memory Used: \d+ MB\tInit Duration: \d+\.\d\d ms\t\n"
    )
    assert re.fullmatch(pattern, invoked.log), invoked.log
    again = cloud.invoke(function).log
    assert "Init Duration" not in again
    assert again.startswith("START RequestId: ")


@pytest.mark.skipif(shutil.which("curl") is None, reason="the bootstrap of this test uses curl")
def test_a_custom_runtime_whose_bootstrap_comes_in_a_layer(cloud: Cloud) -> None:
    layer = cloud.layer(zipped({"bootstrap": BOOTSTRAP}, modes={"bootstrap": 0o755}))
    for runtime in ("provided.al2023", "provided.al2"):
        function = cloud.function(
            {"unused.txt": "x"}, runtime=runtime, handler="my.handler", layers=[layer]
        )
        for turn in range(3):
            assert cloud.result(function, {"turn": turn}) == {
                "handler": "my.handler",
                "event": {"turn": turn},
            }
