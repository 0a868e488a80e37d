"""serverless-offline: functions as child processes of a Node.js server, without layers or isolation.

Installed by npm into the cache. It starts a process for each function when that is called for the first time,
so a cold start is the first call of a function that was not called yet. A folder on the
search path stands in for a layer.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

from benchmarks.client import Connection, invocation
from benchmarks.emulator import Program, free_port, wait_for
from benchmarks.lamella import RUNTIME
from benchmarks.materials import npm, once

PINS = ("serverless@3.40.0", "serverless-offline@13.9.0")
READY_SECONDS = 60.0
IDLE_SECONDS = 2
"""After this long it ends an idle function's process, so that they do not fill the memory."""


def cold_starts(
    stack: contextlib.ExitStack, folder: Path, code: Path, program: Program, calls: int
) -> Callable[[], float] | str:
    """A server that runs until ``stack`` ends; each call of the answer is one cold start in ms.

    It can be called ``calls`` times. A text instead says why there is none.
    """
    missing = [name for name in ("node", "npm") if not shutil.which(name)]
    if missing:
        return f"not measured: it takes {' and '.join(missing)}"
    try:
        program_folder = once("serverless-offline", partial(npm, PINS))
    except subprocess.CalledProcessError:
        return "not measured: npm cannot install it here"
    home = folder / f"offline-{code.name}"
    port = _set_up(home, program_folder, code, calls)
    process = subprocess.Popen(
        ["node", str(program_folder / "node_modules/serverless/bin/serverless.js"), "offline"],
        cwd=home,
        env=_environ(home, program),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    stack.callback(_end, process)
    try:
        wait_for(port, READY_SECONDS)
    except RuntimeError:
        return "not measured: it does not start here"
    return partial(_cold, port, count())


def _set_up(home: Path, installed: Path, code: Path, calls: int) -> int:
    """The service's folder, with a function for each call; the port it will listen on."""
    home.mkdir()
    shutil.copyfile(code / "app.py", home / "app.py")
    (home / "node_modules").symlink_to(installed / "node_modules")
    port = free_port()
    options = {
        "lambdaPort": port,
        "httpPort": free_port(),
        "host": "127.0.0.1",
        "terminateIdleLambdaTime": IDLE_SECONDS,
    }
    service = {
        "service": "bench",
        "frameworkVersion": "3",
        "provider": {"name": "aws", "runtime": RUNTIME, "region": "eu-west-1", "timeout": 60},
        "plugins": ["serverless-offline"],
        "custom": {"serverless-offline": options},
        "functions": {f"f{number}": {"handler": "app.handler"} for number in range(calls)},
    }
    (home / "serverless.json").write_text(json.dumps(service))
    return port


def _environ(home: Path, program: Program) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": str(home),
        "CI": "1",
        "SLS_TELEMETRY_DISABLED": "1",
        "SLS_NOTIFICATIONS_MODE": "off",
        **program.environ,
    }


def _cold(port: int, numbers: count[int]) -> float:
    with Connection(port) as connection:
        return connection.timed(invocation(f"bench-dev-f{next(numbers)}"))


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, 9)
    process.wait()
