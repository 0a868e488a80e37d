"""Measuring: functions that exist to be measured, on a server that exists for nothing else.

Everything goes by the API that functions are made with, so what is measured runs in the boxes
that functions run in. Starting the server is left to the commands; what the numbers mean, to
`lamella.toolchain.profile.trace`.
"""

from __future__ import annotations

import base64
import io
import json
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

from lamella.layers import bytecode
from lamella.model import limits
from lamella.toolchain.profile import bucket
from lamella.toolchain.profile.bucket import Bucket
from lamella.toolchain.profile.trace import NotMeasured, Trace, read

ROLE: Final = "arn:aws:iam::000000000000:role/profile"
SECONDS: Final = 900
MEMORY: Final = 3_008
TMP: Final = 2_048
WAIT_SECONDS: Final = 600
CALM_SECONDS: Final = 0.3
"""What a server has to end the environment before, and to make ready what it makes ahead."""
WORKERS: Final = 2
"""Processes that compile at once: as many as the server uses."""
HANDLER: Final = "lamella_profile.handler"


class WentWrong(Exception):
    """Something could not be measured; the message says what and why."""


@dataclass(frozen=True, slots=True)
class ColdStart:
    """One cold start, in milliseconds: as the caller saw it, a warm call after it, and what
    ``trace`` recorded of the initialisation."""

    called: float
    warm: float
    trace: Trace

    @property
    def cold(self) -> float:
        """What the cold start added to the call."""
        return max(0.0, self.called - self.warm)


class Laboratory:
    """Makes functions through ``client``, boto3's Lambda client for a server of one's own, which
    reads from ``large`` what a request has no room for."""

    def __init__(self, client: Any, large: Bucket) -> None:
        self._client = client
        self._bucket = large
        self._layers = self._turns = 0

    def publish(self, content: bytes) -> str:
        """Publish a layer's zip; the ARN of the version."""
        self._layers += 1
        answer = self._client.publish_layer_version(
            LayerName=f"layer-{self._layers}", Content=self._sent(content)
        )
        return str(answer["LayerVersionArn"])

    def _sent(self, content: bytes) -> Mapping[str, Any]:
        if len(content) <= limits.ZIP_BYTES:
            return {"ZipFile": content}
        return {"S3Bucket": bucket.NAME, "S3Key": self._bucket.put(content)}

    def bench(self, name: str, runtime: str, layers: Sequence[str]) -> None:
        """Make a function that measures what it is asked to, with ``layers``."""
        more = {"MemorySize": MEMORY, "EphemeralStorage": {"Size": TMP}, "Timeout": SECONDS}
        self._create(name, runtime, packed(runtime), layers, more)

    def copy(
        self, name: str, runtime: str, code: bytes, layers: Sequence[str], more: Mapping[str, Any]
    ) -> None:
        """Make a function of which every cold start is measured; ``code`` from `packed`."""
        self._create(name, runtime, code, layers, more)

    def _create(
        self, name: str, runtime: str, code: bytes, layers: Sequence[str], more: Mapping[str, Any]
    ) -> None:
        self._client.create_function(
            FunctionName=name,
            Runtime=runtime,
            Handler=HANDLER,
            Role=ROLE,
            Code=self._sent(code),
            Layers=list(layers),
            **more,
        )
        self._settled(name)

    def packages(self, name: str) -> tuple[str, ...]:
        """What the layers of a bench bring that can be imported."""
        found = self._ask(name, {"packages": True})
        if not isinstance(found, list):
            raise NotMeasured("The box has answered something else than names.")
        return tuple(each for each in found if isinstance(each, str))

    def imports(self, name: str, modules: Sequence[str], *, compiled: bool = True) -> Trace:
        """Import ``modules`` in a fresh process of a bench; without the layers' bytecode if not
        ``compiled``."""
        return read(self._ask(name, {"import": list(modules), "compiled": compiled}))

    def compiled(self, name: str, sources: Sequence[str]) -> tuple[float, int]:
        """Compile sources below ``/opt`` of a bench; milliseconds, and how many could be."""
        told = self._ask(name, {"compile": list(sources), "workers": WORKERS})
        match told:
            case {"seconds": int() | float() as seconds, "compiled": int(count)}:
                return seconds * 1000, count
        raise NotMeasured("The box has answered something else than how long compiling took.")

    def cold_start(self, name: str) -> ColdStart:
        """Bring about a cold start of a copy and record it."""
        self._turns += 1
        self._client.update_function_configuration(
            FunctionName=name, Description=f"turn {self._turns}"
        )
        self._settled(name)
        time.sleep(CALM_SECONDS)
        called, answer = self._timed(name)
        warm = min(self._timed(name)[0] for _ in range(3))
        return ColdStart(called, warm, read(answer))

    def _timed(self, name: str) -> tuple[float, Any]:
        began = time.perf_counter()
        answer = self._ask(name, {})
        return (time.perf_counter() - began) * 1000, answer

    def _ask(self, name: str, event: Mapping[str, Any]) -> Any:
        answer = self._client.invoke(
            FunctionName=name, Payload=json.dumps(event).encode(), LogType="Tail"
        )
        said = answer["Payload"].read()
        if "FunctionError" in answer:
            raise WentWrong(_failure(said, answer.get("LogResult", "")))
        return json.loads(said)

    def _settled(self, name: str) -> None:
        """Wait until the function can be invoked with its newest configuration."""
        until = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < until:
            about = self._client.get_function_configuration(FunctionName=name)
            if "Failed" in (about["State"], about.get("LastUpdateStatus")):
                reason = about.get("StateReason") or about.get("LastUpdateStatusReason")
                raise WentWrong(f"The server cannot run it: {reason}")
            if about["State"] == "Active" and about.get("LastUpdateStatus") != "InProgress":
                return
            time.sleep(0.02)
        raise WentWrong(f"The server was not ready to run it within {WAIT_SECONDS} seconds.")


def packed(runtime: str) -> bytes:
    """A zip of what measures on ``runtime``."""
    buffer = io.BytesIO()
    _add(buffer, _tools(runtime))
    return buffer.getvalue()


def beside(code: bytes, runtime: str, handler: str) -> bytes:
    """A function's zip with what measures beside its own files. WentWrong if it is no zip."""
    buffer = io.BytesIO(code)
    try:
        _add(buffer, {**_tools(runtime), "lamella_profile.txt": handler.encode()})
    except zipfile.BadZipFile as error:
        raise WentWrong(f"The function's code is no zip: {error}") from error
    return buffer.getvalue()


def is_measured(runtime: str) -> bool:
    """Whether loading can be measured on ``runtime``: there is somebody to do it."""
    return runtime.startswith(("python", "nodejs"))


def _tools(runtime: str) -> Mapping[str, bytes]:
    box = resources.files(__package__).joinpath("box")
    if runtime.startswith("nodejs"):
        return {"lamella_profile.cjs": box.joinpath("lamella_profile.cjs").read_bytes()}
    return {
        "lamella_profile.py": box.joinpath("lamella_profile.py").read_bytes(),
        "lamella_compile.py": bytecode.script().encode(),
    }


def _add(buffer: io.BytesIO, files: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            info = zipfile.ZipInfo(path)
            info.external_attr = 0o100644 << 16
            archive.writestr(info, content)


def _failure(said: bytes, log: str) -> str:
    tail = base64.b64decode(log).decode(errors="replace")[-2000:]
    try:
        reason = json.loads(said)
        message = f"{reason.get('errorType')}: {reason.get('errorMessage')}"
    except (ValueError, AttributeError):
        message = said.decode(errors="replace")[:2000]
    return f"{message}\nIts log ends with:\n{tail}" if tail else message
