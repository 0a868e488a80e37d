"""Where a cell of the table is tried: a column's functions on a running server."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from tests.behaviours.language import PROGRAMS, Column, Source, event
from tests.e2e.server import ROLE, Cloud, zipped

WRAPPER = """#!/bin/sh
echo "wrapped $AWS_LAMBDA_FUNCTION_NAME"
exec "$@"
"""


@dataclass(frozen=True)
class Said:
    """What an invocation answered."""

    payload: Any
    error: str | None
    log: str
    request_id: str


class Bench:
    """The functions of one column. Rows that leave no trace share one, others make their own."""

    def __init__(self, cloud: Cloud, column: Column, build: Path) -> None:
        self.cloud = cloud
        self.column = column
        self.language = column.language
        self._build = build
        self._lock = threading.Lock()
        self._shared: str | None = None
        self._layer: str | None = None
        self.logs: Any = boto3.client(
            "logs",
            endpoint_url=cloud.endpoint,
            region_name="eu-west-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"max_attempts": 0}),
        )

    @property
    def source(self) -> Source:
        return self.language.main(self.column, self._build)

    @property
    def shared(self) -> str:
        """The function of the main program that leaves nothing behind."""
        with self._lock:
            if self._shared is None:
                self._shared = self.function()
            return self._shared

    @property
    def layer(self) -> str:
        """The layer with the column's own files, a wrapper, a program and its library."""
        with self._lock:
            if self._layer is None:
                files = {**self.language.layer(self.column, self._build), **self._common()}
                programs = [name for name in files if name.startswith("bin/") or "/" not in name]
                modes = dict.fromkeys(programs, 0o755)
                self._layer = self.cloud.layer(
                    zipped(files, modes=modes), f"behaviour-{uuid.uuid4().hex}"
                )
            return self._layer

    def _common(self) -> dict[str, str | bytes]:
        files: dict[str, str | bytes] = {
            "wrap": WRAPPER,
            "within": (PROGRAMS / "within.sh").read_text(),
            "bin/tool": "#!/bin/sh\nprintf 'the tool'\n",
        }
        library = self._build / "libanswer.so"
        program = self._build / "linked"
        if shutil.which("gcc"):
            with _compiling:
                if not program.exists():
                    _compile(self._build, library, program)
            files["lib/libanswer.so"] = library.read_bytes()
            files["bin/linked"] = program.read_bytes()
        return files

    def function(self, source: Source | None = None, **more: Any) -> str:
        """Create a function of the column's runtime, of the main program by default."""
        source = source or self.source
        name = f"behaviour-{uuid.uuid4().hex}"
        modes = dict.fromkeys(source.executable, 0o755)
        self.cloud.client.create_function(
            FunctionName=name,
            Runtime=self.column.runtime,
            Handler=source.handler,
            Role=ROLE,
            Code={"ZipFile": zipped(source.files, modes=modes)},
            **{"Timeout": 30, "MemorySize": 512, **more},
        )
        self.cloud.client.get_waiter("function_active_v2").wait(
            FunctionName=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 600}
        )
        return name

    def own(self, variables: dict[str, str] | None = None, **more: Any) -> str:
        """A function of the main program that no other row invokes."""
        return self.function(Environment={"Variables": variables or {}}, **more)

    def invoke(self, name: str, do: str, value: Any = None, **more: Any) -> Said:
        answer = self.cloud.client.invoke(
            FunctionName=name, Payload=event(do, value), LogType="Tail", **more
        )
        return Said(
            payload=json.loads(answer["Payload"].read()),
            error=answer.get("FunctionError"),
            log=base64.b64decode(answer.get("LogResult", "")).decode(errors="replace"),
            request_id=answer["ResponseMetadata"]["RequestId"],
        )

    def result(self, name: str, do: str, value: Any = None, **more: Any) -> Any:
        said = self.invoke(name, do, value, **more)
        assert said.error is None, said
        return said.payload

    def sh(self, name: str, command: str) -> str:
        """What a command of the shell prints in the function's box."""
        return str(self.result(name, "sh", command)).strip()

    def log(self, name: str) -> list[str]:
        """Everything that the function has logged so far."""
        found: list[str] = []
        more: dict[str, Any] = {}
        while True:
            try:
                answer = self.logs.filter_log_events(logGroupName=f"/aws/lambda/{name}", **more)
            except self.logs.exceptions.ResourceNotFoundException:
                return []  # nothing has been written yet
            found += [each["message"] for each in answer["events"]]
            if "nextToken" not in answer:
                return found
            more = {"nextToken": answer["nextToken"]}


_compiling = threading.Lock()


def _compile(build: Path, library: Path, program: Path) -> None:
    source, main = build / "answer.c", build / "linked.c"
    source.write_text("int answer(void) { return 42; }\n")
    main.write_text(
        '#include <stdio.h>\nint answer(void);\nint main(void) { printf("%d", answer()); }\n'
    )
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
    subprocess.run(["gcc", "-o", program, main, f"-L{build}", "-lanswer"], check=True)


def until(holds: Callable[[], bool], seconds: float = 40) -> None:
    """Wait until something holds. Raises AssertionError where it does not come to."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come to hold"
        time.sleep(0.05)
