"""Lamella, as ``lamella serve`` in a process of its own, set up through the Lambda API."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from benchmarks.client import REGION, Connection, invocation, request

READY_SECONDS = 30.0
RUNTIME = f"python3.{sys.version_info.minor}"
MEMORY_MB = 1_769
ROLE = "arn:aws:iam::000000000000:role/r"
PRELOAD = "LAMELLA_PRELOAD"
OFF = "off"
SETTLE_SECONDS = 0.05
"""From a change to the call that is timed: the ending of the environments before is not measured.

What is made ahead may be made again meanwhile, as far as the time lasts."""
UPDATE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Lamella:
    """A running server: its port, and a boto3 client for what is not timed."""

    port: int
    client: Any
    pid: int
    key: tuple[str, str] = ("test", "test")
    preloads: bool = True
    """Whether it may make something ahead for functions that were called before."""

    def signed(self, function: str) -> bytes:
        """The bytes of an invocation signed now; they may be sent again and again for 15 minutes."""
        body = b"{}"
        url = f"http://127.0.0.1:{self.port}/2015-03-31/functions/{function}/invocations"
        asked = AWSRequest("POST", url, {"Content-Type": "application/json"}, body)
        SigV4Auth(Credentials(*self.key), "lambda", REGION).add_auth(asked)
        sent = {**asked.headers, "Host": f"127.0.0.1:{self.port}", "Content-Length": str(len(body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        path = url.split(str(self.port), 1)[1]
        return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body

    def publish(self, name: str, archive: Path) -> str:
        """Publish ``archive`` as a layer version; its ARN."""
        answer = self.client.publish_layer_version(
            LayerName=name, Content={"ZipFile": archive.read_bytes()}
        )
        return str(answer["LayerVersionArn"])

    def publish_timed(self, name: str, archive: Path) -> float:
        """Milliseconds of a publish, from the first byte sent; the body is made before."""
        content = base64.b64encode(archive.read_bytes()).decode()
        body = json.dumps({"Content": {"ZipFile": content}}).encode()
        data = request("POST", f"/2018-10-31/layers/{name}/versions", body)
        with Connection(self.port) as connection:
            return connection.timed(data)

    def function(
        self, name: str, code: bytes, layers: Sequence[str] = (), runtime: str = RUNTIME
    ) -> None:
        """Create a function with ``app.handler`` and wait until it can be invoked."""
        self.client.create_function(
            FunctionName=name,
            Runtime=runtime,
            Handler="app.handler",
            Role=ROLE,
            Code={"ZipFile": code},
            Layers=list(layers),
            Timeout=60,
            MemorySize=MEMORY_MB,
        )
        self._wait("function_active_v2", name)

    def renew(self, names: Sequence[str], number: int) -> None:
        """Change each function's variables, which ends its environments; wait until it is done."""
        body = json.dumps({"Environment": {"Variables": {"NUMBER": str(number)}}}).encode()
        with Connection(self.port) as connection:
            for name in names:
                said = connection.send(request("PUT", f"{_function(name)}/configuration", body))
                if not said.good:
                    raise RuntimeError(f"{said.status}: {said.body[:500]!r}")
            until = time.monotonic() + UPDATE_SECONDS
            for name in names:
                ask = request("GET", f"{_function(name)}/configuration")
                while json.loads(connection.send(ask).body)["LastUpdateStatus"] != "Successful":
                    if time.monotonic() > until:
                        raise RuntimeError(f"{name} was not updated within {UPDATE_SECONDS:g} s")
                    time.sleep(0.005)
        time.sleep(SETTLE_SECONDS)

    def cold(self, name: str, number: int) -> float:
        """Milliseconds of the first invocation after a change that ended its environments."""
        self.renew([name], number)
        with Connection(self.port) as connection:
            return connection.timed(invocation(name))

    def _wait(self, waiter: str, name: str) -> None:
        self.client.get_waiter(waiter).wait(
            FunctionName=name, WaiterConfig={"Delay": 0.02, "MaxAttempts": 1000}
        )


def _function(name: str) -> str:
    return f"/2015-03-31/functions/{name}"


@contextlib.contextmanager
def lamella(
    folder: Path,
    *,
    signed: bool = False,
    options: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
) -> Iterator[Lamella]:
    """A server that keeps its data in ``folder``; with ``signed`` one that checks signatures."""
    folder.mkdir(exist_ok=True)
    data = str(folder / "data")
    key = _key(data) if signed else ("test", "test")
    command = [sys.executable, "-m", "lamella", "serve", "--port", "0"]
    if signed:
        command += ["--auth", "sigv4"]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--data", data, *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, PRELOAD: "on", **(environ or {})},
        )
    try:
        assert process.stdout is not None
        readable, _, _ = select.select([process.stdout], [], [], READY_SECONDS)
        line = process.stdout.readline().decode() if readable else ""
        found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        if found is None:
            raise RuntimeError(
                f"the server did not get ready: {(folder / 'server.log').read_text()}"
            )
        preloads = (environ or {}).get(PRELOAD) != OFF
        yield Lamella(int(found[1]), _client(found[0], key), process.pid, key, preloads)
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()


def _key(data: str) -> tuple[str, str]:
    """A new access key of the account, and its secret."""
    create = [sys.executable, "-m", "lamella", "keys", "create", "--account", "000000000000"]
    made = subprocess.run([*create, "--data", data, "--json"], check=True, capture_output=True)
    told = json.loads(made.stdout)
    return told["id"], told["secret"]


def _client(endpoint: str, key: tuple[str, str]) -> Any:
    return boto3.client(
        "lambda",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=key[0],
        aws_secret_access_key=key[1],
        config=Config(retries={"max_attempts": 0}, read_timeout=120),
    )
