"""Rows: what goes in and what comes out."""

from __future__ import annotations

import json
from typing import Any

from tests.behaviours.bench import Bench
from tests.behaviours.language import Source, event
from tests.behaviours.rows import row

PART = "Answers"

VALUES: list[Any] = [None, True, 0, -1.5, "", "text", [], {}, {"a": [1, None, {"b": "c"}]}]
UNICODE = "käse ☃ 😀 漢字 \u2028"


@row(PART, "echo", "every type of JSON comes out as it went in")
def echo(bench: Bench) -> None:
    for value in VALUES:
        assert bench.result(bench.shared, "echo", value) == value


@row(PART, "unicode", "text beyond ASCII, in and out")
def unicode(bench: Bench) -> None:
    assert bench.result(bench.shared, "echo", UNICODE) == UNICODE


@row(PART, "nothing", "a handler without a result answers `null`")
def nothing(bench: Bench) -> None:
    assert bench.result(bench.shared, "nothing") is None


@row(PART, "nested", "a handler in a folder, `folder/file.handler`")
def nested(bench: Bench) -> None:
    ((name, program),) = bench.source.files.items()
    source = Source({f"some/folder/{name}": program}, f"some/folder/{bench.source.handler}")
    assert bench.result(bench.function(source), "echo", "nested") == "nested"


@row(PART, "large in", "6 MB in")
def large_in(bench: Bench) -> None:
    assert bench.result(bench.shared, "size", "x" * 6_000_000) == 6_000_000


@row(PART, "large out", "6 MB out")
def large_out(bench: Bench) -> None:
    assert bench.result(bench.shared, "large", 6_000_000) == "x" * 6_000_000


@row(PART, "too large", "a larger answer is `Function.ResponseSizeTooLarge`")
def too_large(bench: Bench) -> None:
    name = bench.own()
    said = bench.invoke(name, "large", 6_291_600)
    assert said.error == "Unhandled"
    assert said.payload["errorType"] == "Function.ResponseSizeTooLarge"
    assert (
        said.payload["errorMessage"]
        == "Response payload size exceeded maximum allowed payload size (6291556 bytes)."
    )
    assert bench.result(name, "echo", 1) == 1


@row(PART, "unanswerable", "a result that JSON cannot hold is an error, and the runtime goes on")
def unanswerable(bench: Bench) -> None:
    said = bench.invoke(bench.shared, "unanswerable")
    assert said.error == "Unhandled"
    assert said.payload["errorType"]
    assert said.payload["errorMessage"]
    assert bench.result(bench.shared, "echo", 1) == 1


@row(PART, "streamed", "an answer that is written piece by piece")
def streamed(bench: Bench) -> None:
    handler = "index.streamed" if bench.column.runtime.startswith("nodejs") else "main"
    source = bench.source
    name = bench.function(Source(source.files, handler, source.executable))
    answer = bench.cloud.client.invoke_with_response_stream(
        FunctionName=name, Payload=event("stream")
    )
    events = list(answer["EventStream"])
    parts = [each["PayloadChunk"]["Payload"] for each in events if "PayloadChunk" in each]
    assert b"".join(parts) == b"one,two,three"
    assert "ErrorCode" not in events[-1]["InvokeComplete"]


@row(PART, "not streamed", "an answer in one piece, asked for as a stream")
def not_streamed(bench: Bench) -> None:
    answer = bench.cloud.client.invoke_with_response_stream(
        FunctionName=bench.shared, Payload=event("echo", "whole")
    )
    events = list(answer["EventStream"])
    parts = [each["PayloadChunk"]["Payload"] for each in events if "PayloadChunk" in each]
    assert json.loads(b"".join(parts)) == "whole"
    assert "InvokeComplete" in events[-1]


@row(PART, "versions", "a published version, and a caller who asks for nothing but the status")
def versions(bench: Bench) -> None:
    name = bench.own()
    bench.cloud.client.publish_version(FunctionName=name)
    context = bench.result(f"{name}:1", "context")
    assert context["version"] == "1"
    assert context["arn"].endswith(f":{name}:1")
    dry = bench.cloud.client.invoke(FunctionName=name, InvocationType="DryRun")
    assert dry["StatusCode"] == 204
