"""AWS's Runtime Interface Emulator, as a bare process beside the function's code.

It has no box and no layers: a layer is a folder on the language's search path. It serves one caller at
a time and ends when two call at once, so several callers are not measured on it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.client import Connection, invocation
from benchmarks.materials import Layer, Materials

READY_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Program:
    """What the emulator starts: the function's folder, a command that runs it, its variables."""

    emulator: Path
    code: Path
    command: tuple[str, ...]
    environ: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[Path, ...] = ()
    """What it reads beside the code and the system."""

    def line(self, port: int, api: int) -> list[str]:
        """The emulator's command line."""
        return [
            str(self.emulator),
            *("--runtime-interface-emulator-address", f"127.0.0.1:{port}"),
            *("--runtime-api-address", f"127.0.0.1:{api}"),
            *self.command,
        ]


def python(
    materials: Materials, code: Path, *, layers: Sequence[Layer] = (), bytecode: bool = True
) -> Program:
    """``app.handler`` of the folder ``code``, by AWS's client for Python.

    Without ``bytecode`` the interpreter may not write any either, as in a read-only layer.
    """
    folders = [layer.compiled if bytecode else layer.bare for layer in layers]
    folders.append(materials.runtime_client)
    environ = {"PYTHONPATH": os.pathsep.join(map(str, folders))}
    if not bytecode:
        environ["PYTHONDONTWRITEBYTECODE"] = "1"
    command = (str(materials.python), "-m", "awslambdaric", "app.handler")
    return Program(materials.emulator, code, command, environ, tuple(folders))


def node(materials: Materials, code: Path) -> Program:
    """``app.handler`` of the folder ``code``, by AWS's client for Node.js."""
    client = materials.node_client
    assert isinstance(client, Path)
    command = (str(materials.node), str(client / "index.mjs"), "app.handler")
    return Program(materials.emulator, code, command, folders=(client,))


@contextlib.contextmanager
def emulator(program: Program) -> Iterator[tuple[int, int]]:
    """The emulator at work; yields its port and its process's number."""
    port, api = free_port(), free_port()
    process = subprocess.Popen(
        program.line(port, api),
        cwd=program.code,
        env=environ(program),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for(port)
        yield port, process.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()


def environ(program: Program) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "LANG": "C.UTF-8",
        "LAMBDA_TASK_ROOT": str(program.code),
        "AWS_LAMBDA_FUNCTION_TIMEOUT": "60",
        "AWS_REGION": "eu-west-1",
        **program.environ,
    }


def cold(program: Program) -> float:
    """Milliseconds of the first invocation of a new emulator, which starts the runtime then.

    The emulator's own start is not counted.
    """
    with emulator(program) as (port, _), Connection(port) as connection:
        return connection.timed(invocation("function"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, seconds: float = READY_SECONDS) -> None:
    """Wait until somebody listens on ``port``."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.002)
    raise RuntimeError("the emulator did not get ready")
