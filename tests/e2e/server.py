"""A real server as a child process, and short ways to use it through boto3."""

from __future__ import annotations

import base64
import contextlib
import io
import itertools
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from lamella.sandbox import cgroup
from lamella.sandbox.cgroup import Groups
from lamella.wiring.host import instance

ROLE = "arn:aws:iam::000000000000:role/r"
READY_SECONDS = 60
PYTHON = "python3.11"
_NUMBERS = itertools.count(1)


def unmeasured() -> dict[str, str]:
    """The environment of programs whose coverage is nobody's question: to measure it takes time."""
    return {name: text for name, text in os.environ.items() if not name.startswith("COVERAGE_")}


def zipped(
    files: Mapping[str, str | bytes],
    *,
    modes: Mapping[str, int] | None = None,
    links: Mapping[str, str] | None = None,
    method: int = zipfile.ZIP_DEFLATED,
) -> bytes:
    """A zip of ``files``; ``modes`` sets permission bits, ``links`` adds symbolic links."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, (2026, 1, 2, 3, 4, 6))
            info.compress_type = method
            kind = 0o040000 if name.endswith("/") else 0o100000
            default = 0o755 if name.endswith("/") else 0o644
            info.external_attr = (kind | (modes or {}).get(name, default)) << 16
            archive.writestr(info, content)
        for name, target in (links or {}).items():
            info = zipfile.ZipInfo(name, (2026, 1, 2, 3, 4, 6))
            info.create_system = 3
            info.external_attr = 0o120777 << 16
            archive.writestr(info, target)
    return buffer.getvalue()


@dataclass
class Invoked:
    """What came back from one invocation."""

    payload: Any
    error: str | None
    log: str
    raw: dict[str, Any] = field(repr=False)


class Cloud:
    """A boto3 client of a server, and shorthand for what the tests do most."""

    def __init__(
        self,
        endpoint: str,
        *,
        account: str = "test",
        region: str = "eu-west-1",
        secret: str = "test",
        token: str | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.client: Any = boto3.client(
            "lambda",
            endpoint_url=endpoint,
            region_name=region,
            aws_access_key_id=account,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=Config(retries={"max_attempts": 0}, read_timeout=120, max_pool_connections=20),
        )

    def name(self, stem: str = "f") -> str:
        """A name that nobody else has, though tests share their server."""
        return f"{stem}-{os.getpid()}-{next(_NUMBERS)}"

    def layer(self, content: bytes, name: str | None = None, **more: Any) -> str:
        """Publish a layer version; its ARN."""
        answer = self.client.publish_layer_version(
            LayerName=name or self.name("layer"), Content={"ZipFile": content}, **more
        )
        return str(answer["LayerVersionArn"])

    def function(
        self,
        code: str | Mapping[str, str | bytes],
        *,
        name: str | None = None,
        runtime: str = PYTHON,
        handler: str = "app.handler",
        layers: list[str] | None = None,
        file: str = "app.py",
        role: str = ROLE,
        **more: Any,
    ) -> str:
        """Create a function and wait until it is active; its name."""
        name = name or self.name()
        files = {file: code} if isinstance(code, str) else code
        self.client.create_function(
            FunctionName=name,
            Runtime=runtime,
            Handler=handler,
            Role=role,
            Code={"ZipFile": zipped(files)},
            Layers=layers or [],
            **{"Timeout": 20, **more},
        )
        self.client.get_waiter("function_active_v2").wait(
            FunctionName=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 600}
        )
        return name

    def configure(self, name: str, **changes: Any) -> None:
        """Update the configuration and wait until that is done."""
        self.client.update_function_configuration(FunctionName=name, **changes)
        self.client.get_waiter("function_updated_v2").wait(
            FunctionName=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 600}
        )

    def invoke(self, name: str, event: Any = None, **more: Any) -> Invoked:
        answer = self.client.invoke(
            FunctionName=name, Payload=json.dumps(event).encode(), LogType="Tail", **more
        )
        body = answer["Payload"].read()
        return Invoked(
            payload=json.loads(body) if body else None,
            error=answer.get("FunctionError"),
            log=base64.b64decode(answer.get("LogResult", "")).decode(),
            raw=answer,
        )

    def result(self, name: str, event: Any = None) -> Any:
        """The result of an invocation that must go well."""
        invoked = self.invoke(name, event)
        assert invoked.error is None, (invoked.payload, invoked.log)
        return invoked.payload

    def run(self, code: str, event: Any = None, **more: Any) -> Any:
        """Create a function from ``code`` (a module with ``handler``) and invoke it once."""
        return self.result(self.function(code, **more), event)


class Server:
    """``lamella serve`` as a child process on a port of its own."""

    def __init__(
        self,
        data: Path,
        *options: str,
        environ: Mapping[str, str] | None = None,
        within: Sequence[str] = (),
    ) -> None:
        """``within`` is a command that runs the one that follows it as the same process."""
        self.data = data
        command = [sys.executable, "-m", "lamella", "serve", "--port", "0", "--data", str(data)]
        with (data.parent / f"{data.name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*within, *command, *options],
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **(environ or {})},
            )
        try:
            self.endpoint = self._wait_until_ready()
        except BaseException:
            self.kill()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    def _wait_until_ready(self) -> str:
        assert self._process.stdout is not None
        said = b""
        until = time.monotonic() + READY_SECONDS
        while time.monotonic() < until:
            ready, _, _ = select.select([self._process.stdout], [], [], 0.5)
            if ready:
                part = os.read(self._process.stdout.fileno(), 4096)
                said += part
                found = re.search(rb"http://[0-9.]+:\d+", said)
                if found and b"\n" in said:
                    return found[0].decode()
                if not part:
                    break
        raise RuntimeError(f"the server did not get ready: {said!r} {self.log()}")

    def log(self) -> str:
        return (self.data.parent / f"{self.data.name}.log").read_text()

    def stop(self) -> int:
        """Ctrl-C; the exit code."""
        self._process.send_signal(signal.SIGINT)
        return self._finish()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._finish()

    def clear(self) -> None:
        """Remove the control groups of a killed server that no other will follow."""
        Groups(cgroup.find(), instance(self.data)).clear()

    def _finish(self) -> int:
        code = self._process.wait(20)
        if self._process.stdout is not None:
            self._process.stdout.close()
        return code


@contextlib.contextmanager
def serving(
    data: Path,
    *options: str,
    environ: Mapping[str, str] | None = None,
    within: Sequence[str] = (),
) -> Iterator[Server]:
    server = Server(data, *options, environ=environ, within=within)
    try:
        yield server
    finally:
        if server._process.poll() is None:
            server.stop()
        else:
            server.clear()
