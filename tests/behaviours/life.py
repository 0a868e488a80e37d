"""Rows: the life of an environment, its extensions and its log."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from functools import partial
from itertools import count

from tests.behaviours.bench import Bench, until
from tests.behaviours.rows import row
from tests.e2e.server import zipped

PART = "Life"
LOGS = "Logs"

EXTENSION = """#!/bin/bash
# An external extension for no event but the end.
call() { # METHOD PATH HEADER BODY
  exec 5<>"/dev/tcp/${AWS_LAMBDA_RUNTIME_API/:/\\/}"
  printf '%s /2020-01-01/extension/%s HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n%s\\r\\nContent-Length: %d\\r\\n\\r\\n%s' \\
    "$1" "$2" "$3" "${#4}" "$4" >&5
  cat <&5
}
said=$(call POST register 'Lambda-Extension-Name: outside' '{"events":["SHUTDOWN"]}')
me=$(tr -d '\\r' <<<"$said" | sed -n 's/^Lambda-Extension-Identifier: //Ip')
call GET event/next "Lambda-Extension-Identifier: $me" '' | tail -1
"""


@row(PART, "hundred", "a hundred invocations of one environment, its state kept")
def hundred(bench: Bench) -> None:
    name = bench.own()
    assert [bench.result(name, "count") for _ in range(100)] == list(range(1, 101))


@row(PART, "background", "work that a handler leaves behind goes on")
def background(bench: Bench) -> None:
    name = bench.own()
    bench.result(name, "later")
    for turn in count():
        bench.result(name, "sleep", 0.05)
        if bench.sh(name, "ls /tmp").split().count("later"):
            return
        assert turn < 100


@row(PART, "processes", "programs that it starts, with pipes and signals")
def processes(bench: Bench) -> None:
    said = bench.sh(
        bench.shared, "sleep 60 & kill $!; wait $! 2> /dev/null; printf 'a b' | tr ' ' '-'"
    )
    assert said == "a-b"


@row(PART, "update", "new configuration reaches the next invocation")
def update(bench: Bench) -> None:
    name = bench.own({"MINE": "1"})
    assert bench.result(name, "env")["MINE"] == "1"
    bench.cloud.configure(name, Environment={"Variables": {"MINE": "2"}})
    assert bench.result(name, "env")["MINE"] == "2"


@row(PART, "internal extension", "an internal extension is told of each invocation")
def internal(bench: Bench) -> None:
    variables = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/within", "WITHIN": "1"}
    name = bench.own(variables, Layers=[bench.layer])
    until(lambda: "INVOKE" in bench.sh(name, "grep -o INVOKE /tmp/within"))


def _more(count: Callable[[], int], than: int) -> bool:
    return count() > than


@row(PART, "end", "with an extension: SIGTERM before the end, and the extension's SHUTDOWN")
def end(bench: Bench) -> None:
    files = {"extensions/outside": EXTENSION}
    layer = bench.cloud.layer(
        zipped(files, modes=dict.fromkeys(files, 0o755)), f"outside-{uuid.uuid4().hex}"
    )
    name = bench.own(Layers=[layer])

    def ends() -> int:
        return sum('"SHUTDOWN"' in line for line in bench.log(name))

    # On a busy machine the runtime's share of the two seconds may be over before it was heard.
    told = False
    for turn in range(5):
        before = ends()
        assert bench.result(name, "echo", 1) == 1
        bench.cloud.configure(name, Environment={"Variables": {"MINE": str(turn)}})
        until(partial(_more, ends, before))
        told = told or any("told to end" in line for line in bench.log(name))
        if told:
            break
    assert told
    assert not [line for line in bench.log(name) if re.search("crew|Killed|Terminated", line)]


@row(LOGS, "output", "what is printed, to the output and to the error, several lines at once")
def output(bench: Bench) -> None:
    name = bench.own()
    said = bench.invoke(name, "print")
    assert said.error is None
    for line in ("to the output", "to the error", "two", "lines"):
        assert line in said.log.splitlines()
    until(lambda: any(line.startswith("REPORT") for line in bench.log(name)))
    logged = [line for each in bench.log(name) for line in each.splitlines()]
    assert [line for line in logged if line in ("two", "lines")] == ["two", "lines"]


@row(LOGS, "lines", "`INIT_START`, `START`, `END` and `REPORT` around an invocation")
def lines(bench: Bench) -> None:
    name = bench.own()
    said = bench.invoke(name, "echo", 1)
    words = [line.split()[0] for line in said.log.splitlines() if line]
    assert words[-2:] == ["END", "REPORT"]
    assert "START" in words
    assert "\tInit Duration: " in said.log
    assert f"Memory Size: {512} MB" in said.log
    until(lambda: any(line.startswith("INIT_START") for line in bench.log(name)))
    assert "Init Duration" not in bench.invoke(name, "echo", 1).log


@row(LOGS, "timeout line", "a timeout is told in the log")
def timeout_line(bench: Bench) -> None:
    said = bench.invoke(bench.own(Timeout=1), "sleep", 20)
    assert "Task timed out after 1.00 seconds" in said.log
    assert "\tStatus: timeout" in said.log


@row(LOGS, "json", "log format JSON: the platform's records")
def json_lines(bench: Bench) -> None:
    name = bench.own(LoggingConfig={"LogFormat": "JSON"})
    said = bench.invoke(name, "echo", 1)
    records = [json.loads(line) for line in said.log.splitlines() if line.startswith("{")]
    kinds = [each.get("type") for each in records]
    assert "platform.start" in kinds
    assert "platform.report" in kinds


@row(LOGS, "own log format", "log format JSON: the language's own logger, by level")
def own_records(bench: Bench) -> None:
    name = bench.own(LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "WARN"})
    said = bench.invoke(name, "log")
    records = [json.loads(line) for line in said.log.splitlines() if "a record" in line]
    assert len(records) == 1
    assert records[0]["level"] in ("WARN", "WARNING")
    assert records[0]["message"] == "a record"
    assert said.request_id in (records[0].get("requestId"), records[0].get("AWSRequestId"))
    assert "hidden" not in said.log
