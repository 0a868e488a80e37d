"""Runtimes and extensions that misbehave, and what has to hold after each.

One program, a custom runtime that speaks the Runtime API over bare sockets, runs whatever Python it
is told: while it initialises (its variable ``INIT``) or in place of an invocation (``fault`` of the
event). Otherwise it answers with how often it was started and what it has noted. An
extension does the same with the variable ``EXTENSION``.
"""

from __future__ import annotations

import os
import re
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.queues import until
from tests.e2e.server import ROLE, Cloud, Server, zipped

WORDS = """#!/usr/bin/env -S python3 -IS
import json, os, select, signal, socket, struct, subprocess, sys, threading, time

RUNTIME = "/2018-06-01/runtime/"
EXTENSION = "/2020-01-01/extension/"
ID = "none"

def connect():
    host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
    return socket.create_connection((host, int(port)), 20)

def send(line, method, path, body=b"", **fields):
    head = f"{method} {path} HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: {len(body)}\\r\\n"
    head += "".join(f"{name.replace('_', '-')}: {value}\\r\\n" for name, value in fields.items())
    line.sendall(head.encode() + b"\\r\\n" + body)

def read(line):
    # Status, fields and body; 0 where the connection was closed instead.
    said = b""
    try:
        while b"\\r\\n\\r\\n" not in said:
            part = line.recv(65536)
            if not part:
                return 0, {}, b""
            said += part
        head, _, body = said.partition(b"\\r\\n\\r\\n")
        first, *lines = head.decode("latin-1").split("\\r\\n")
        fields = {name.lower(): value for name, _, value in (each.partition(": ") for each in lines)}
        while len(body) < int(fields.get("content-length", 0)):
            part = line.recv(65536)
            if not part:
                return 0, {}, b""
            body += part
        return int(first.split()[1]), fields, body
    except ConnectionError:
        return 0, {}, b""

def ask(method, path, body=b"", **fields):
    with connect() as line:
        try:
            send(line, method, path, body, **fields)
        except ConnectionError:
            pass
        return read(line)

def raw(data):
    with connect() as line:
        try:
            line.sendall(data)
        except ConnectionError:
            pass
        return read(line)

def post(action, body=b'"answered"', of=None, **fields):
    return ask("POST", f"{RUNTIME}invocation/{of or ID}/{action}", body, **fields)

def head(*lines):
    # The beginning of an answer, by hand.
    first = f"POST {RUNTIME}invocation/{ID}/response HTTP/1.1"
    return "\\r\\n".join([first, "Host: x", *lines, "", ""]).encode()

def note(answer):
    # An answer's status and the type of its error, or anything, for the invocation that asks for it.
    if isinstance(answer, tuple):
        status, _, body = answer
        kind = json.loads(body).get("errorType") if body[:1] == b"{" else None
        answer = [status, kind] if kind else status
    with open("/tmp/seen", "a") as file:
        file.write(json.dumps(answer) + "\\n")

def seen():
    return [json.loads(line) for line in open("/tmp/seen")] if os.path.exists("/tmp/seen") else []

def count(name):
    with open("/tmp/" + name, "a") as file:
        file.write("x")
        return file.tell()
"""

BOOTSTRAP = (
    WORDS
    + """
def answer_well():
    return post("response", json.dumps({"starts": starts, "seen": seen()}).encode())

def serve(status, fields, body):
    global ID, event
    ID = fields["lambda-runtime-aws-request-id"]
    event = json.loads(body)
    if event.get("fault"):
        exec(event["fault"], globals())
    else:
        answer_well()

starts = count("starts")
if starts <= int(os.environ.get("TIMES", 0)):
    exec(os.environ.get("INIT", ""))
LINE = connect()
refused = 0
while True:
    send(LINE, "GET", RUNTIME + "invocation/next")
    answer = read(LINE)
    if answer[0] == 200:
        refused = 0
        serve(*answer)
    elif refused > 3:
        sys.exit(9)
    else:
        refused += 1
        LINE = connect()
"""
)

BESIDE = (
    WORDS
    + """
NAME = os.path.basename(sys.argv[0])

def register(events='["INVOKE", "SHUTDOWN"]', name=NAME):
    answer = ask("POST", EXTENSION + "register", b'{"events": %s}' % events.encode(), Lambda_Extension_Name=name)
    return answer[1].get("lambda-extension-identifier") or answer

def wait(me):
    return ask("GET", EXTENSION + "event/next", Lambda_Extension_Identifier=me)

def fail(when, me, kind="Extension.Own"):
    return ask("POST", f"{EXTENSION}{when}/error", b"{}", Lambda_Extension_Identifier=me, Lambda_Extension_Function_Error_Type=kind)

def subscribe(me, path="/2022-07-01/telemetry", **more):
    wanted = {
        "schemaVersion": "2022-12-13", "types": ["platform", "function"], "buffering": {"timeoutMs": 25},
        "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:8080/"}, **more,
    }
    return ask("PUT", path, json.dumps(wanted).encode(), Lambda_Extension_Identifier=me)

me = None
if count(NAME) <= int(os.environ.get("TIMES", 0)):
    exec(os.environ.get("EXTENSION", ""))
me = me or register()
while b'"SHUTDOWN"' not in wait(me)[2]:
    pass
"""
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A way to misbehave, and what AWS's rules make of it.

    ``error`` is the type that the caller gets, ``message`` how its message ends; without ``error``
    the caller gets ``payload``. ``seen`` is what the program noted of the answers that it got,
    ``starts`` how often it has been started when all is well again. Each of ``log`` is in the log.
    """

    fault: str
    error: str | None = None
    message: str = ""
    payload: Any = "answered"
    seen: list[Any] = field(default_factory=list)
    starts: int = 1
    log: tuple[str, ...] = ()
    timeout: int = 10
    memory: int = 256


def rows(table: dict[str, Row]) -> list[Any]:
    return [pytest.param(row, id=name.replace(" ", "-")) for name, row in table.items()]


@dataclass
class Ground:
    """A server on which nothing runs between one test and the next."""

    server: Server
    cloud: Cloud
    descriptors: int = 0
    processes: int = 0
    _layer: str | None = None

    @property
    def layer(self) -> str:
        """A layer with one extension, named beside."""
        if self._layer is None:
            members: dict[str, str | bytes] = {"extensions/beside": BESIDE}
            self._layer = self.cloud.layer(zipped(members, modes={"extensions/beside": 0o755}))
        return self._layer

    @contextmanager
    def function(
        self, row: Row, *, layers: tuple[str, ...] = (), **variables: str
    ) -> Iterator[str]:
        """A function of the misbehaving runtime, for the length of a block; afterwards nothing
        may be left of it."""
        name = self.cloud.name("bad")
        said = len(self.server.log())
        self.cloud.client.create_function(
            FunctionName=name,
            Runtime="provided.al2023",
            Handler="x",
            Role=ROLE,
            Code={"ZipFile": zipped({"bootstrap": BOOTSTRAP}, modes={"bootstrap": 0o755})},
            Timeout=row.timeout,
            MemorySize=row.memory,
            Layers=list(layers),
            Environment={"Variables": variables},
        )
        self.cloud.client.get_waiter("function_active_v2").wait(
            FunctionName=name, WaiterConfig={"Delay": 0.02, "MaxAttempts": 600}
        )
        try:
            yield name
        finally:
            self.cloud.client.delete_function(FunctionName=name)
        until(lambda: not living(name))
        until(self.is_clear)
        assert "Traceback" not in self.server.log()[said:]

    def is_clear(self) -> bool:
        """Whether no invocation is open, and no environment, process or descriptor is left."""
        return (
            not any(self.figures().values())
            and len(self.open_descriptors()) <= self.descriptors
            and self.left() <= self.processes
        )

    def left(self) -> int:
        """How many processes the server has made that are there."""
        return len(descendants(self.server.pid))

    def figures(self) -> dict[str, float]:
        """Invocations that run and environments that are there, by the server's own count."""
        with urllib.request.urlopen(f"{self.server.endpoint}/metrics") as answer:
            text = answer.read().decode()
        wanted = r"^(lamella_(?:concurrent_executions|environments)\{.*?\}) (\S+)$"
        return {name: float(value) for name, value in re.findall(wanted, text, re.MULTILINE)}

    def open_descriptors(self) -> list[str]:
        return os.listdir(f"/proc/{self.server.pid}/fd")

    def settle(self) -> None:
        """Take the present as that to which everything has to come back."""
        with self.function(Row(fault="")) as name:
            self.descriptors = self.processes = 1_000_000
            self.cloud.result(name, {})
        self.descriptors = len(self.open_descriptors()) + 2  # connections of a client
        self.processes = self.left() + 1  # a spare that is replaced

    def log(self, name: str) -> str:
        """What a function has logged so far."""
        logs = self.server.data.joinpath("logs").rglob("*.jsonl")
        return "".join(path.read_text() for path in sorted(logs) if name in str(path))


def descendants(number: int) -> list[int]:
    """Everything below a process."""
    try:
        text = Path(f"/proc/{number}/task/{number}/children").read_text()
    except OSError:
        return []
    found = [int(each) for each in text.split()]
    return found + [below for each in found for below in descendants(each)]


def living(name: str) -> set[str]:
    """The process namespaces in which something of a function runs, seen from the host."""
    mark = f"AWS_LAMBDA_FUNCTION_NAME={name}\0".encode()
    found = set()
    for each in Path("/proc").iterdir():
        try:
            if each.name.isdigit() and mark in (each / "environ").read_bytes():
                found.add(os.readlink(each / "ns" / "pid"))
        except OSError:  # it ended, or is somebody else's
            continue
    return found


def check(ground: Ground, row: Row, name: str, event: dict[str, Any]) -> None:
    """Invoke, compare with what the row says, and invoke well."""
    bad = ground.cloud.invoke(name, event)
    if row.error is None:
        assert bad.error is None, (bad.payload, bad.log)
        assert bad.payload == row.payload
    else:
        assert bad.error == "Unhandled", bad.payload
        assert bad.payload["errorType"] == row.error, bad.payload
        assert bad.payload["errorMessage"].endswith(row.message), bad.payload
        assert bad.raw["StatusCode"] == 200
    recovers(ground, row, name)


def recovers(ground: Ground, row: Row, name: str) -> None:
    """The next invocation goes well, in one environment, and nothing of another is left."""
    good = ground.cloud.result(name, {})
    assert good == {"starts": row.starts, "seen": row.seen}, good
    until(lambda: len(living(name)) == 1)
    until(lambda: all(re.search(each, ground.log(name)) for each in row.log))
