"""AWS's Runtime Interface Emulator, as a bare process beside the function's code.

It has no box and no layers: a layer is a folder on PYTHONPATH. It serves one caller at a time
and ends when two call at once, so several callers are not measured on it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.client import Connection, invocation
from benchmarks.materials import Materials

READY_SECONDS = 20.0


@contextlib.contextmanager
def emulator(
    materials: Materials, code: Path, *, layer: Path | None = None, bytecode: bool = True
) -> Iterator[int]:
    """The emulator with ``app.handler`` of the folder ``code``; yields its port.

    Without ``bytecode`` the interpreter may not write any either, as in a read-only layer.
    """
    port, api = _free_port(), _free_port()
    paths = [str(path) for path in (layer, materials.runtime_client) if path is not None]
    environ = {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "LANG": "C.UTF-8",
        "PYTHONPATH": os.pathsep.join(paths),
        "AWS_LAMBDA_FUNCTION_TIMEOUT": "60",
        "AWS_REGION": "eu-west-1",
    }
    if not bytecode:
        environ["PYTHONDONTWRITEBYTECODE"] = "1"
    command = [
        str(materials.emulator),
        *("--runtime-interface-emulator-address", f"127.0.0.1:{port}"),
        *("--runtime-api-address", f"127.0.0.1:{api}"),
        *(str(materials.python), "-m", "awslambdaric", "app.handler"),
    ]
    process = subprocess.Popen(
        command,
        cwd=code,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_for(port)
        yield port
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()


def cold(materials: Materials, code: Path, *, layer: Path | None, bytecode: bool) -> float:
    """Milliseconds of the first invocation of a new emulator, which starts the runtime then.

    The emulator's own start is not counted.
    """
    running = emulator(materials, code, layer=layer, bytecode=bytecode)
    with running as port, Connection(port) as connection:
        return connection.timed(invocation("function"))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int) -> None:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.002)
    raise RuntimeError("the emulator did not get ready")
