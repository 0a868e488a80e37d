"""The heap's limits, and what is compiled ahead in spite of them."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
from typing import Any

from lamella.runtimes import nodejs
from tests.unit.runtimes.node import Node

HEAP = ("--max-semi-space-size=6", "--max-old-space-size=116")
ASK = "const v8 = require('node:v8'); const limit = () => v8.getHeapStatistics().heap_size_limit;"
WORKER = """
const inWorker = (Worker) => new Promise((resolve, reject) => {
  const worker = new Worker(
    "require('node:worker_threads').parentPort.postMessage("
    + "require('node:v8').getHeapStatistics().heap_size_limit)", {eval: true});
  worker.once('message', (value) => resolve([value, worker instanceof Worker, worker.constructor === Worker]));
  worker.once('error', reject);
});
"""


def play(
    node: Node, scenario: Any, source: str, *options: str, file: str = "index.js", **env: str
) -> str:
    variables = {
        "LAMBDA_TASK_ROOT": str(node.task({file: source})),
        "AWS_EXECUTION_ENV": "AWS_Lambda_nodejs20.x",
        "_HANDLER": "index.handler",
        **env,
    }
    argv = [str(node.path), *options, str(nodejs.BOX / "bootstrap.cjs")]
    return node.run(argv, variables, scenario)


def answer(node: Node, source: str, *options: str, file: str = "index.js", **env: str) -> Any:
    got: list[Any] = []

    async def scenario(running: Any) -> None:
        got.append(json.loads((await running.invoke(b"{}")).payload))

    play(node, scenario, source, *options, file=file, **env)
    return got[0]


def asked(node: Node, expression: str, *options: str) -> Any:
    done = subprocess.run(
        [str(node.path), *options, "-p", f"JSON.stringify({expression})"],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_what_was_compiled_ahead_fits_while_the_limits_hold(node: Node) -> None:
    source = ASK + "exports.handler = async () => [v8.cachedDataVersionTag(), limit()];"
    tag, limit = answer(node, source, *HEAP)
    assert tag == asked(node, "v8.cachedDataVersionTag()")
    assert limit == asked(node, "v8.getHeapStatistics().heap_size_limit", *HEAP)
    assert limit != asked(node, "v8.getHeapStatistics().heap_size_limit")


def test_a_heap_that_is_full_ends_the_runtime(node: Node) -> None:
    """The limit is kept, not only told."""

    async def scenario(running: Any) -> None:
        invocation = asyncio.ensure_future(running.invoke(b"{}"))
        assert await running.exit_code() == -signal.SIGABRT
        assert "heap out of memory" in await running.end()
        invocation.cancel()

    source = (
        "exports.handler = () => { for (const all = [];;) all.push(new Array(1e5).fill({})); };"
    )
    play(node, scenario, source, "--max-old-space-size=30")


def test_a_worker_has_the_limits_too(node: Node) -> None:
    limit = asked(node, "v8.getHeapStatistics().heap_size_limit", *HEAP)
    expected = [limit, True, True]
    source = WORKER + (
        "const {Worker} = require('node:worker_threads'); const early = inWorker(Worker);"
        "exports.handler = async () => [await early, await inWorker(class extends Worker {})];"
    )
    assert answer(node, source, *HEAP) == [expected, expected]


def test_an_imported_worker_has_the_limits_too(node: Node) -> None:
    limit = asked(node, "v8.getHeapStatistics().heap_size_limit", *HEAP)
    source = "import {Worker} from 'node:worker_threads';" + WORKER
    source += "export const handler = () => inWorker(Worker);"
    assert answer(node, source, *HEAP, file="index.mjs") == [limit, True, True]


def test_a_functions_own_limits_stay_its_own(node: Node) -> None:
    source = ASK + "exports.handler = async () => [v8.cachedDataVersionTag(), limit()];"
    given = "--max-old-space-size=99"
    tag, limit = answer(node, source, NODE_OPTIONS=given)
    assert tag == asked(node, "v8.cachedDataVersionTag()", given)
    assert limit == asked(node, "v8.getHeapStatistics().heap_size_limit", given)


def test_nothing_of_it_is_seen(node: Node) -> None:
    source = """
const warnings = [];
process.on('warning', (warning) => warnings.push(String(warning)));
exports.handler = async () => [
  warnings, 'noDeprecation' in process, process.execArgv, require('node:worker_threads').Worker.name];
"""
    seen = [[], False, list(HEAP), "Worker"]
    assert answer(node, source, *HEAP) == seen
    pending = [*HEAP, "--pending-deprecation"]
    assert answer(node, source, *pending) == [[], False, pending, "Worker"]
    silent = [*HEAP, "--no-deprecation"]
    assert answer(node, source, *silent) == [[], True, silent, "Worker"]


def test_the_options_are_those_that_are_looked_for() -> None:
    chosen = nodejs.options("nodejs22.x", "22.22.0", 1024, "")
    heap = [each for each in chosen if re.fullmatch(r"--max-(?:semi|old)-space-size=\d+", each)]
    assert len(heap) == 2
