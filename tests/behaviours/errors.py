"""Rows: errors of the handler and the ends a runtime can come to."""

from __future__ import annotations

import re

from tests.behaviours.bench import Bench, Said
from tests.behaviours.language import Source
from tests.behaviours.rows import row

PART = "Errors"
LOADING = "Errors while loading"


def ended(said: Said, message: str) -> None:
    assert said.error == "Unhandled"
    assert said.payload == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {said.request_id} Error: {message}",
    }


@row(PART, "raised", "an error of the handler: its type, its message, its trace")
def raised(bench: Bench) -> None:
    said = bench.invoke(bench.shared, "raise", "no ☃")
    shape = bench.language.raised
    assert said.error == "Unhandled"
    assert tuple(said.payload) == shape.keys
    assert said.payload["errorType"] == shape.error_type
    assert said.payload["errorMessage"] == "no ☃"
    if shape.trace is not None:
        assert any("raise" in line or ":" in line for line in said.payload[shape.trace])
    if "requestId" in shape.keys:
        assert said.payload["requestId"] == said.request_id


@row(PART, "chained error", "an error with a cause")
def chained(bench: Bench) -> None:
    said = bench.invoke(bench.shared, "chain", "the effect")
    assert said.error == "Unhandled"
    assert said.payload["errorMessage"] == "the effect"
    assert bench.language.raised.chained in str(said.payload)


@row(PART, "recursion", "a recursion without end is an error; the next invocation is answered")
def recursion(bench: Bench) -> None:
    name = bench.own()
    said = bench.invoke(name, "recurse")
    assert said.error == "Unhandled"
    assert re.search("Recursion|RangeError|Stack", said.payload["errorType"]), said.payload
    assert bench.result(name, "echo", 1) == 1


@row(PART, "goes on", "after an error of the handler the runtime goes on, its state kept")
def goes_on(bench: Bench) -> None:
    name = bench.own()
    assert bench.result(name, "count") == 1
    assert bench.invoke(name, "raise", "no").error == "Unhandled"
    assert bench.result(name, "count") == 2


@row(PART, "exit 0", "the runtime exits with 0")
def exit_0(bench: Bench) -> None:
    ended(bench.invoke(bench.own(), "exit", 0), "Runtime exited without providing a reason")


@row(PART, "exit n", "the runtime exits with another status; the next invocation starts it anew")
def exit_n(bench: Bench) -> None:
    name = bench.own()
    said = bench.invoke(name, "exit", 7)
    ended(said, "Runtime exited with error: exit status 7")
    assert bench.result(name, "count") == 1


@row(PART, "signal", "a signal ends the runtime")
def signal(bench: Bench) -> None:
    said = bench.invoke(bench.own(), "crash")
    ended(said, "Runtime exited with error: signal: killed")


@row(PART, "memory", "more memory than the function has")
def memory(bench: Bench) -> None:
    name = bench.own(MemorySize=256)
    said = bench.invoke(name, "memory")
    assert said.error == "Unhandled"
    assert "signal: killed" in str(said.payload) or "Memory" in said.payload["errorType"]
    assert bench.result(name, "echo", 1) == 1


@row(PART, "timeout", "longer than the timeout; the next invocation starts the runtime anew")
def timeout(bench: Bench) -> None:
    name = bench.own(Timeout=2)
    bench.result(name, "count")
    said = bench.invoke(name, "sleep", 20)
    assert said.error == "Unhandled"
    assert said.payload == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {said.request_id} Error: Task timed out after 2.00 seconds",
    }
    # On a busy machine starting anew may itself take longer than the timeout.
    again = [bench.invoke(name, "count")]
    while again[-1].error is not None and len(again) < 10:
        again.append(bench.invoke(name, "count"))
    assert again[-1].payload == 1


@row(LOADING, "init error", "an error while the code is loaded, as the language has it")
def init_error(bench: Bench) -> None:
    said = bench.invoke(bench.own({"INIT": "raise"}), "echo", 1)
    assert said.error == "Unhandled"
    assert (said.payload["errorType"], said.payload["errorMessage"]) == bench.language.init_error


@row(LOADING, "init again", "what failed to load is loaded again within the first invocation")
def init_again(bench: Bench) -> None:
    assert bench.result(bench.own({"INIT": "once"}), "echo", 1) == 1


@row(LOADING, "init exit", "the runtime exits while it loads")
def init_exit(bench: Bench) -> None:
    said = bench.invoke(bench.own({"INIT": "exit"}), "echo", 1)
    ended(said, "Runtime exited with error: exit status 3")


@row(
    LOADING,
    "init timeout",
    "loading takes more than ten seconds: it is done again, within the invocation",
)
def init_timeout(bench: Bench) -> None:
    name = bench.own({"INIT": "sleep"}, Timeout=20)
    assert bench.result(name, "echo", 1) == 1
    said = bench.sh(name, "ls /tmp")
    assert "begun" in said


def broken(bench: Bench, case: str) -> None:
    wrong = bench.language.broken(bench.column, case)
    assert wrong is not None, case
    said = bench.invoke(bench.function(wrong.source), "echo", 1)
    assert said.error == "Unhandled"
    assert said.payload.get("errorType", "") == wrong.error_type, said.payload
    assert re.fullmatch(wrong.message, said.payload["errorMessage"]), said.payload


@row(LOADING, "module missing", "a module that is not there")
def module_missing(bench: Bench) -> None:
    broken(bench, "module missing")


@row(LOADING, "file missing", "the handler names a file that is not there")
def file_missing(bench: Bench) -> None:
    broken(bench, "file missing")


@row(LOADING, "handler missing", "the handler names a function that is not there")
def handler_missing(bench: Bench) -> None:
    broken(bench, "handler missing")


@row(LOADING, "malformed handler", "the handler has no dot")
def malformed_handler(bench: Bench) -> None:
    broken(bench, "malformed handler")


@row(LOADING, "syntax error", "the code is not the language's")
def syntax_error(bench: Bench) -> None:
    broken(bench, "syntax error")


@row(LOADING, "bootstrap missing", "no `bootstrap` anywhere: `Runtime.InvalidEntrypoint`")
def bootstrap_missing(bench: Bench) -> None:
    said = bench.invoke(bench.function(Source({"a.txt": "x"}, "main")), "echo")
    assert said.payload == {
        "errorType": "Runtime.InvalidEntrypoint",
        "errorMessage": f"RequestId: {said.request_id} Error: Couldn't find valid bootstrap(s): "
        "[/var/task/bootstrap /opt/bootstrap]",
    }


@row(LOADING, "callback", "`nodejs24.x` and newer refuse handlers with a callback, older run them")
def callback(bench: Bench) -> None:
    source = "exports.handler = (event, context, callback) => callback(null, 'called back');"
    name = bench.function(Source({"index.js": source}, "index.handler"))
    said = bench.invoke(name, "echo", 1)
    if int(bench.column.number) < 24:
        assert said.payload == "called back"
        return
    assert said.payload["errorType"] == "Runtime.CallbackHandlerDeprecated"
    assert said.payload["errorMessage"].startswith(
        "ERROR: AWS Lambda has removed support for callback-based function handlers"
    )
