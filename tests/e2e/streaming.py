"""Functions that stream, and a way to tell a running function to go on."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from tests.e2e.server import ROLE, Cloud, zipped

SECONDS = 20

NODE = """
// A process whose title the test knows waits for the test's signal.
process.title = {title!r};
let signalled = 0;
const waiting = [];
process.on('SIGUSR2', () => {{ signalled += 1; while (waiting.length) waiting.shift()(); }});
const go = () => new Promise((resolve) => {{
  const alive = setInterval(() => {{}}, 1000);
  waiting.push(() => {{ clearInterval(alive); resolve(); }});
}});
exports.handler = awslambda.streamifyResponse(async (event, stream, context) => {{
{body}
}});
"""

# A custom runtime: Python's standard library and the Runtime API.
BOOTSTRAP = """#!/usr/bin/env python3
import base64, http.client, json, os, signal, socket, sys

host, _, port = os.environ["AWS_LAMBDA_RUNTIME_API"].rpartition(":")
kept = socket.create_connection((host, int(port)))

def answer():
    reply = http.client.HTTPResponse(kept)
    reply.begin()
    return reply, reply.read()

def begin(content_type="application/octet-stream"):
    kept.sendall((
        f"POST /2018-06-01/runtime/invocation/{request_id}/response HTTP/1.1\\r\\nHost: x\\r\\n"
        f"Content-Type: {content_type}\\r\\n"
        "Lambda-Runtime-Function-Response-Mode: streaming\\r\\nTransfer-Encoding: chunked\\r\\n"
        "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\\r\\n\\r\\n"
    ).encode())

def write(data):
    kept.sendall(b"%x\\r\\n%s\\r\\n" % (len(data), data))

def end(trailers=""):
    kept.sendall(f"0\\r\\n{trailers}\\r\\n".encode())
    answer()

while True:
    kept.sendall(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    head, body = answer()
    request_id = head.getheader("Lambda-Runtime-Aws-Request-Id")
    event = json.loads(body)
    begin()
    if event == "error":
        write(b"half")
        said = base64.b64encode(b'{"errorType":"E","errorMessage":"m"}').decode()
        end(f"Lambda-Runtime-Function-Error-Type: E\\r\\nLambda-Runtime-Function-Error-Body: {said}\\r\\n")
    elif event == "die":
        write(b"half")
        sys.exit(3)
    elif event == "cut":
        write(b"half")
        kept.shutdown(socket.SHUT_WR)
        signal.pause()
    elif event == "large":
        for _ in range(256):
            write(bytes(32_768))
        end()
    else:
        write(b"one,")
        write(b"two")
        end()
"""


def node(cloud: Cloud, body: str, *, title: str = "a-stream", **more: Any) -> str:
    """A streaming function of Node.js; its name."""
    return cloud.function(
        NODE.format(title=title, body=body),
        runtime="nodejs20.x",
        handler="index.handler",
        file="index.js",
        **more,
    )


def custom(cloud: Cloud, **more: Any) -> str:
    """The custom runtime; its name."""
    name = cloud.name()
    cloud.client.create_function(
        FunctionName=name,
        Runtime="provided.al2023",
        Handler="x",
        Role=ROLE,
        Code={"ZipFile": zipped({"bootstrap": BOOTSTRAP}, modes={"bootstrap": 0o755})},
        **{"Timeout": 20, **more},
    )
    cloud.client.get_waiter("function_active_v2").wait(
        FunctionName=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 600}
    )
    return name


def processes(title: str) -> list[int]:
    found = []
    for each in Path("/proc").iterdir():
        if each.name.isdigit():
            try:
                command = (each / "cmdline").read_bytes()
            except OSError:
                continue
            if command.rstrip(b"\0 ") == title.encode():
                found.append(int(each.name))
    return found


def go_on(title: str) -> None:
    """Tell the function whose process has this title what it waits for."""
    until = time.monotonic() + SECONDS
    while not (found := processes(title)):
        assert time.monotonic() < until, f"there is no process {title}"
        time.sleep(0.01)
    for pid in found:
        os.kill(pid, signal.SIGUSR2)
