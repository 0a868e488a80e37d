"""Java functions in processes of their own, served by the real client over loopback."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from lamella.invoke.java_client import pack, sources
from lamella.model.invocation import Reply
from lamella.runtimes.java.command import COMMON
from tests import javas
from tests.unit.runtimes.node import Play


class Built:
    """The client and the functions of the tests, compiled."""

    def __init__(self, root: Path) -> None:
        self.root = root
        catalog = javas.found()
        _, self.java = max(catalog.javas.items())[1]
        client = javas.compile_java(sources(), root / "client")
        self.jar = root / "lamella.jar"
        pack(client, self.jar)
        self.task = javas.functions(root / "task")


class Jvm:
    def __init__(self, run: Play, built: Built, folder: Path) -> None:
        self._run = run
        self._built = built
        self._folder = folder

    def play(self, scenario: Any, handler: str, *, task: Path | None = None, **env: str) -> str:
        """What the process wrote while ``scenario`` was played."""
        variables = {
            "LAMBDA_TASK_ROOT": str(task or self._built.task),
            "_HANDLER": handler,
            **env,
        }
        layers = f"-Dlamella.layers={self._folder / 'opt'}"
        argv = [str(self._built.java), "-Xmx256m", *COMMON, layers]
        return self._run([*argv, "-jar", str(self._built.jar)], variables, scenario)

    def replies(
        self, handler: str, *payloads: bytes, task: Path | None = None, **env: str
    ) -> list[Reply]:
        got: list[Reply] = []

        async def scenario(running: Any) -> None:
            for payload in payloads or (b"{}",):
                got.append(await running.invoke(payload))

        self.play(scenario, handler, task=task, **env)
        return got

    def answer(self, handler: str, payload: bytes = b"{}", task: Path | None = None) -> Any:
        (reply,) = self.replies(handler, payload, task=task)
        assert reply.error_type is None, reply
        return json.loads(reply.payload)

    def error(self, handler: str, payload: bytes = b'""') -> Any:
        (reply,) = self.replies(handler, payload)
        assert reply.error_type is not None, reply
        return json.loads(reply.payload)

    def last_error(self, handler: str, payload: bytes) -> tuple[Any, int]:
        """The error that an invocation answers, and the code with which the runtime then ends."""
        got: list[Any] = []

        async def scenario(running: Any) -> None:
            got.append(json.loads((await running.invoke(payload)).payload))
            got.append(await running.exit_code())

        self.play(scenario, handler)
        return got[0], got[1]

    def init_error(self, handler: str) -> tuple[Any, int]:
        got: list[Any] = []

        async def scenario(running: Any) -> None:
            got.append(json.loads((await running.init()).payload))
            got.append(await running.exit_code())

        self.play(scenario, handler)
        return got[0], got[1]

    def printed(self, handler: str, payload: bytes, **env: str) -> str:
        """What one invocation prints."""

        async def scenario(running: Any) -> None:
            await running.invoke(payload)

        return self.play(scenario, handler, task=None, **env)

    def with_records(self, handler: str, payload: bytes) -> Any:
        if not javas.is_newer(16):
            pytest.skip("this host's javac knows no records")
        found = sorted((javas.SOURCES / "records").rglob("*.java"))
        folder = javas.compile_java(found, self._folder / "records", release=16)
        return self.answer(handler, payload, folder)

    def with_services(self, serializers: Iterable[str]) -> Path:
        """A function's folder that names serializers of its own."""
        task = self._folder / "task"
        shutil.copytree(self._built.task, task)
        name = "com.amazonaws.services.lambda.runtime.CustomPojoSerializer"
        (task / "META-INF" / "services").mkdir(parents=True)
        (task / "META-INF" / "services" / name).write_text("\n".join(serializers))
        return task

    def class_path(self, places: Iterable[str]) -> Any:
        """What a function finds of one name, in order: in its own folder and in these jars."""
        task = self._folder / "task"
        shutil.copytree(self._built.task, task)
        (task / "which").write_text("task")
        for place in places:
            at = self._folder / place
            at.parent.mkdir(parents=True, exist_ok=True)
            at.write_bytes(javas.jar({"which": place.encode()}))
        return self.answer("example.Methods::which", b'"which"', task)
