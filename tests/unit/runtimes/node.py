"""A Node.js runtime as a real process."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lamella.model.invocation import Reply
from lamella.runtimes import nodejs

Task = Callable[[Mapping[str, str]], Path]
Play = Callable[..., str]
R1 = "00000000-0000-4000-8000-000000000001"


class Node:
    def __init__(self, run: Play, task: Task, path: Path) -> None:
        self.run = run
        self.task = task
        self.path = path

    def play(
        self,
        scenario: Any,
        source: str | Mapping[str, str],
        handler: str = "index.handler",
        **env: str,
    ) -> str:
        files = {"index.js": source} if isinstance(source, str) else source
        variables = {
            "LAMBDA_TASK_ROOT": str(self.task(files)),
            "AWS_EXECUTION_ENV": "AWS_Lambda_nodejs20.x",
            "_HANDLER": handler,
            **env,
        }
        argv = [str(self.path), str(nodejs.BOX / "bootstrap.cjs")]
        return self.run(argv, variables, scenario)

    def answer(
        self,
        source: str | Mapping[str, str],
        payload: bytes = b"{}",
        handler: str = "index.handler",
        **env: str,
    ) -> Any:
        """The JSON that one invocation answers; fails if it is an error."""
        got: list[Reply] = []

        async def scenario(running: Any) -> None:
            got.append(await running.invoke(payload))

        self.play(scenario, source, handler, **env)
        assert got[0].error_type is None, got[0]
        return json.loads(got[0].payload)

    def error(self, source: str) -> Any:
        """The error that one invocation answers; the runtime goes on after it."""
        got: list[Any] = []

        async def scenario(running: Any) -> None:
            for _ in range(2):
                reply = await running.invoke(b"{}")
                assert reply.error_type is not None
                got.append(json.loads(reply.payload))

        self.play(scenario, source)
        assert got[0]["errorType"] == got[1]["errorType"]
        return got[0]


def _event() -> Any:
    from lamella.model.invocation import Event

    return Event(request_id="r", payload=b"{}", deadline_ms=0, function_arn="a", trace_id="t")
