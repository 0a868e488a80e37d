"""The story that ``lamella demo`` tells: the life of a layer, by AWS's own client.

Only calls that work on AWS unchanged. Starting a server and narrating are left to
`lamella.cli.demo`.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

Step = Callable[[str], AbstractContextManager[None]]
"""Says what is done next, and how long it took once it is done."""

LAYER = "shared-code"
ROLE = "arn:aws:iam::000000000000:role/r"


class WentWrong(Exception):
    """The story did not go as it should; the message says where."""


@dataclass(frozen=True, slots=True)
class Language:
    """A language the story is told in: a function that answers what the layer holds."""

    title: str
    runtime: str
    file: str
    code: str

    @property
    def function(self) -> str:
        return f"hello-{self.title.lower().replace('.', '')}"


def python(runtime: str) -> Language:
    code = "import shared\n\ndef handler(event, context):\n    return {'layer': shared.VERSION, **event}\n"
    return Language("Python", runtime, "app.py", code)


def nodejs(runtime: str) -> Language:
    code = (
        "const shared = require('shared');\n"
        "exports.handler = async event => ({layer: shared.VERSION, ...event});\n"
    )
    return Language("Node.js", runtime, "app.js", code)


def library(version: int) -> bytes:
    """A layer that both languages read: ``shared`` with a number in it."""
    return zipped(
        {
            "python/shared.py": f"VERSION = {version}\n",
            "nodejs/node_modules/shared/index.js": f"exports.VERSION = {version};\n",
        }
    )


def zipped(files: Mapping[str, str]) -> bytes:
    """A zip of ``files``, by their paths."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in files.items():
            info = zipfile.ZipInfo(path)
            info.external_attr = 0o100644 << 16
            archive.writestr(info, text)
    return buffer.getvalue()


def tell(client: Any, languages: tuple[Language, ...], step: Step) -> None:
    """Publish, attach, invoke, publish again, move, roll back, delete. Raises `WentWrong`."""
    with step("Publish version 1 of a layer with a Python and a Node.js library"):
        first = _publish(client, 1)
    for each in languages:
        _begin(client, each, first, step)
    with step("Publish version 2"):
        second = _publish(client, 2)
    for each in languages:
        with step(f"{each.title}: invoke; the function is pinned to version 1"):
            _expect(client, each, 1)
        with step(f"{each.title}: move to version 2 and invoke"):
            _attach(client, each, second)
            _expect(client, each, 2)
        with step(f"{each.title}: roll back to version 1 and invoke"):
            _attach(client, each, first)
            _expect(client, each, 1)
    with step("Delete version 1 while it is in use"):
        client.delete_layer_version(LayerName=LAYER, VersionNumber=1)
    for each in languages:
        with step(f"{each.title}: invoke; what runs keeps its layer"):
            _expect(client, each, 1)
    with step("Attach version 1 anew: refused, it is gone for others"):
        _expect_refusal(client, languages[0], first)


def _begin(client: Any, language: Language, layer: str, step: Step) -> None:
    with step(f"{language.title}: create a function ({language.runtime})"):
        client.create_function(
            FunctionName=language.function,
            Runtime=language.runtime,
            Handler="app.handler",
            Role=ROLE,
            Timeout=30,
            Code={"ZipFile": zipped({language.file: language.code})},
        )
        _wait(client, "function_active_v2", language)
    with step(f"{language.title}: attach version 1"):
        _attach(client, language, layer)
    with step(f"{language.title}: invoke, a cold start"):
        _expect(client, language, 1)
    with step(f"{language.title}: invoke again, warm"):
        _expect(client, language, 1)


def _publish(client: Any, version: int) -> str:
    answer = client.publish_layer_version(
        LayerName=LAYER, Description=f"number {version}", Content={"ZipFile": library(version)}
    )
    if answer["Version"] != version:
        raise WentWrong(f"expected version {version}, got {answer['Version']}")
    return str(answer["LayerVersionArn"])


def _attach(client: Any, language: Language, layer: str) -> None:
    client.update_function_configuration(FunctionName=language.function, Layers=[layer])
    _wait(client, "function_updated_v2", language)


def _wait(client: Any, waiter: str, language: Language) -> None:
    client.get_waiter(waiter).wait(
        FunctionName=language.function, WaiterConfig={"Delay": 0.05, "MaxAttempts": 400}
    )


def _expect(client: Any, language: Language, version: int) -> None:
    event = json.dumps({"hello": "layers"}).encode()
    answer = client.invoke(FunctionName=language.function, Payload=event)
    said = answer["Payload"].read()
    if "FunctionError" in answer or json.loads(said) != {"layer": version, "hello": "layers"}:
        raise WentWrong(
            f"{language.function} should have answered with layer version {version}, but said"
            f" {said.decode(errors='replace')}"
        )


def _expect_refusal(client: Any, language: Language, layer: str) -> None:
    from botocore.exceptions import ClientError

    other = f"{language.function}-2"
    try:
        client.create_function(
            FunctionName=other,
            Runtime=language.runtime,
            Handler="app.handler",
            Role=ROLE,
            Layers=[layer],
            Code={"ZipFile": zipped({language.file: language.code})},
        )
    except ClientError as error:
        if error.response["Error"]["Code"] == "InvalidParameterValueException":
            return
        raise
    raise WentWrong(f"{layer} is deleted, and yet {other} could be made with it")
