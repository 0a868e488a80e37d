"""Java functions and layers, in boxes."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from lamella.runtimes.java import find
from lamella.runtimes.java.command import ARCHIVE, ARCHIVES_SINCE
from tests import javas
from tests.e2e.server import Cloud, zipped


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return javas.files(javas.functions(tmp_path_factory.mktemp("java")))


def part(compiled: dict[str, bytes], *packages: str) -> dict[str, bytes]:
    return {name: data for name, data in compiled.items() if name.startswith(packages)}


@pytest.fixture(scope="module")
def layer(cloud: Cloud, compiled: dict[str, bytes]) -> str:
    """A layer with the interfaces of aws-lambda-java-core and with what functions share."""
    content = {
        "java/lib/core.jar": javas.jar(part(compiled, "com/", "org/")),
        "java/lib/shared.jar": javas.jar({"which": b"of the layer"}),
        "wrap": b'#!/bin/sh\nexport WRAPPED="$1"\nexec "$@"\n',
    }
    return cloud.layer(zipped(content, modes={"wrap": 0o755}))


class Java:
    def __init__(self, cloud: Cloud, code: dict[str, bytes], layer: str) -> None:
        self.cloud = cloud
        self._code = code
        self._layer = layer

    def function(self, handler: str, runtime: str = "java21", **more: Any) -> str:
        return self.cloud.function(
            self._code,
            runtime=runtime,
            handler=f"example.{handler}",
            layers=[self._layer],
            **{"MemorySize": 256, **more},
        )


@pytest.fixture(scope="module")
def java(cloud: Cloud, compiled: dict[str, bytes], layer: str) -> Java:
    return Java(cloud, part(compiled, "example/"), layer)


def chosen(runtime: str) -> str:
    return javas.found().find(runtime).version


@pytest.mark.parametrize("runtime", ["java17", "java25"])
def test_a_function_on_each_java_of_this_host(java: Java, runtime: str) -> None:
    name = java.function("Seen", runtime)
    seen = java.cloud.result(name, {"käse": [1.5, "ä"]})
    archive = f"/var/runtime/{ARCHIVE}"
    assert seen == {
        "event": {"käse": [1.5, "ä"]},
        "java": chosen(runtime),
        "home": "/var/lang",
        "which": "of the layer",
        "name": name,
        "memory": 256,
        "execution": f"AWS_Lambda_{runtime}",
        "directory": "/var/task",
        "heap": 192,
        "wrote": "ä in /tmp",
        "refused": "/var/task",
        "archive": find.major_of(chosen(runtime)) >= ARCHIVES_SINCE and archive,
        "threads": 200,
        "secure": True,
    }


def test_options_and_a_wrapper_of_a_functions_own(java: Java) -> None:
    options = "-Xmx100m -XX:+UseParallelGC -Dlamella.options=own"
    environment = {"JAVA_TOOL_OPTIONS": options, "AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrap"}
    name = java.function("Seen", Environment={"Variables": environment})
    invoked = java.cloud.invoke(name, {})
    seen = invoked.payload
    assert (seen["options"], seen["wrapped"]) == ("own", "/var/lang/bin/java")
    assert 80 <= seen["heap"] <= 100
    assert f"Picked up JAVA_TOOL_OPTIONS: {options}" in invoked.log


def test_an_error_and_its_report(java: Java) -> None:
    name = java.function("Failing")
    invoked = java.cloud.invoke(name, "x")
    assert invoked.error == "Unhandled"
    assert list(invoked.payload) == ["errorMessage", "errorType", "stackTrace", "cause"]
    assert invoked.payload["errorType"] == "java.lang.IllegalStateException"
    assert "x: java.lang.IllegalStateException\njava.lang.IllegalStateException" in invoked.log
    assert java.cloud.result(name, "7") == "7"


def test_what_cannot_be_loaded(java: Java) -> None:
    missing = java.cloud.invoke(java.function("Gone"), "")
    assert missing.payload == {
        "errorMessage": "Class not found: example.Gone",
        "errorType": "java.lang.ClassNotFoundException",
    }
    broken = java.cloud.invoke(java.function("Failing$Static::go"), "")
    assert broken.payload["errorType"] == "java.lang.ExceptionInInitializerError"


def test_what_ends_the_runtime_ends_no_more_than_it(java: Java) -> None:
    name = java.function("Failing::leaves")
    left = java.cloud.invoke(name, 3).payload
    assert left["errorType"] == "Runtime.ExitError"
    assert left["errorMessage"].endswith("Runtime exited with error: exit status 3")
    hoarding = java.function("Failing::hoard", MemorySize=128)
    assert java.cloud.invoke(hoarding, {}).payload["errorType"] == "java.lang.OutOfMemoryError"
    again = java.cloud.invoke(hoarding, {}).payload
    assert again["errorMessage"] == "Java heap space"


def test_six_megabytes(java: Java) -> None:
    name = java.function("Streamer")
    event = ["ä" * 3_000_000]
    answer = java.cloud.client.invoke(
        FunctionName=name, Payload=json.dumps(event, ensure_ascii=False).encode()
    )
    assert json.loads(answer["Payload"].read()) == event


def test_json_logs(java: Java) -> None:
    logging = {"LogFormat": "JSON", "ApplicationLogLevel": "INFO"}
    log = java.cloud.invoke(java.function("Told::says", LoggingConfig=logging), "").log
    assert "printed ä🧀\n" in log
    assert re.search(
        r'"message":"a \\"warning\\"","level":"WARN","AWSRequestId":"[-0-9a-f]{36}"', log
    )
    assert "hidden" not in log


def test_nothing_is_asked_of_the_host_but_a_jdk() -> None:
    catalog = javas.found()
    for runtime in find.RUNTIMES:
        assert catalog.find(runtime).binary == "/var/lang/bin/java"
    assert Path(os.path.realpath(str(catalog.javac))).name == "javac"
