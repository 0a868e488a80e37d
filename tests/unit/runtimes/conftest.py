"""Real runtime processes over loopback against the real Runtime API."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvloop

from lamella.errors import RuntimeMissing
from lamella.model.invocation import Event, Reply
from lamella.runtime_api.server import RuntimeApi
from lamella.runtimes.catalog import Catalog
from tests.unit.runtimes.jvm import Built, Jvm
from tests.unit.runtimes.node import Node, Play, Task

COMMON = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "TZ": ":UTC",
    "AWS_LAMBDA_FUNCTION_NAME": "F",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/F",
    "AWS_LAMBDA_LOG_STREAM_NAME": "2026/01/01/[$LATEST]0",
}
ARN = "arn:aws:lambda:eu-west-1:000000000000:function:F"


@dataclass
class Running:
    """A runtime process and its Runtime API."""

    api: RuntimeApi
    process: asyncio.subprocess.Process
    count: int = 0
    output: str = field(default="", init=False)

    def event(self, payload: bytes, **more: Any) -> Event:
        self.count += 1
        return Event(
            request_id=f"00000000-0000-4000-8000-{self.count:012d}",
            payload=payload,
            deadline_ms=int(time.time() * 1000) + 10_000,
            function_arn=ARN,
            trace_id=f"Root=1-0-{self.count}",
            **more,
        )

    async def invoke(self, payload: bytes, **more: Any) -> Reply:
        return await asyncio.wait_for(self.api.invoke(self.event(payload, **more)), 15)

    async def init(self) -> Reply | None:
        return await asyncio.wait_for(self.api.initialised(), 15)

    async def exit_code(self) -> int:
        return await asyncio.wait_for(self.process.wait(), 15)

    async def end(self) -> str:
        """Everything the process wrote, after it was ended."""
        if self.process.returncode is None:
            self.process.kill()
        assert self.process.stdout is not None
        self.output += (await self.process.stdout.read()).decode()
        await self.process.wait()
        return self.output


Scenario = Callable[[Running], Awaitable[None]]
Run = Callable[..., str]


async def _started(argv: list[str], env: Mapping[str, str]) -> Running:
    api = RuntimeApi()
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    await api.serve(listener)
    process = await asyncio.create_subprocess_exec(
        *argv,
        env={**COMMON, **env, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}"},
        cwd=env["LAMBDA_TASK_ROOT"],
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        limit=1 << 26,
    )
    return Running(api, process)


@pytest.fixture
def run() -> Run:
    """Start ``argv`` with ``env``, play a scenario, return what the process wrote."""

    def play(argv: list[str], env: Mapping[str, str], scenario: Scenario) -> str:
        async def main() -> str:
            running = await _started(argv, env)
            try:
                await scenario(running)
            finally:
                running.api.close()
                output = await running.end()
            return output

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(main())

    return play


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return Catalog.discover(os.environ)


def write(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture
def task(tmp_path: Path) -> Callable[[Mapping[str, str]], Path]:
    """Write a function's files; the folder stands for /var/task."""
    return lambda files: write(tmp_path / "task", files)


@pytest.fixture
def node(run: Play, task: Task, catalog: Catalog) -> Node:
    try:
        path = catalog.find("nodejs20.x").path
    except RuntimeMissing as missing:
        pytest.skip(str(missing))
    assert path is not None
    return Node(run, task, path)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return Built(tmp_path_factory.mktemp("java"))


@pytest.fixture
def jvm(run: Play, built: Built, tmp_path: Path) -> Jvm:
    return Jvm(run, built, tmp_path)
