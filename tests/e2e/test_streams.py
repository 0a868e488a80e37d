"""InvokeWithResponseStream, through boto3, with real functions."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e.server import Cloud
from tests.e2e.streaming import SECONDS, custom, go_on, node


def stream(cloud: Cloud, name: str, event: Any = None, **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = cloud.client.invoke_with_response_stream(
        FunctionName=name, Payload=json.dumps(event).encode(), **more
    )
    return answer


def read(answer: dict[str, Any]) -> tuple[bytes, dict[str, Any]]:
    """The whole response, and how it ended."""
    *chunks, last = answer["EventStream"]
    return b"".join(each["PayloadChunk"]["Payload"] for each in chunks), last["InvokeComplete"]


@pytest.fixture(scope="module")
def runtime(cloud: Cloud) -> str:
    return custom(cloud)


@pytest.fixture(scope="module")
def plain(cloud: Cloud) -> str:
    return cloud.function(
        "def handler(event, context):\n"
        "    if event == 'fail': raise ValueError('no')\n"
        "    print('seen')\n"
        "    return event"
    )


def test_the_first_chunk_is_there_while_the_function_still_runs(cloud: Cloud) -> None:
    title = cloud.name("waits")
    name = node(cloud, "stream.write('one,'); await go(); stream.end('two');", title=title)
    answer = stream(cloud, name)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    assert answer["ResponseStreamContentType"] == "application/vnd.amazon.eventstream"
    events = iter(answer["EventStream"])
    assert next(events) == {"PayloadChunk": {"Payload": b"one,"}}
    go_on(title)
    assert list(events) == [{"PayloadChunk": {"Payload": b"two"}}, {"InvokeComplete": {}}]
    # and again, in the same environment
    answer = stream(cloud, name)
    go_on(title)
    assert read(answer) == (b"one,two", {})


def test_a_function_that_does_not_stream_is_one_chunk(cloud: Cloud, plain: str) -> None:
    answer = stream(cloud, plain, {"a": 1}, LogType="Tail")
    chunk, complete = answer["EventStream"]
    assert json.loads(chunk["PayloadChunk"]["Payload"]) == {"a": 1}
    log = base64.b64decode(complete["InvokeComplete"].pop("LogResult")).decode()
    assert "seen\n" in log
    assert "REPORT RequestId: " + answer["ResponseMetadata"]["RequestId"] in log
    assert complete == {"InvokeComplete": {}}


def test_five_megabytes_that_are_not_streamed(cloud: Cloud, plain: str) -> None:
    text = "x" * 5_000_000
    payload, complete = read(stream(cloud, plain, text))
    assert json.loads(payload) == text
    assert complete == {}


def test_an_error_of_a_function_is_how_it_ended(cloud: Cloud, plain: str) -> None:
    payload, complete = read(stream(cloud, plain, "fail"))
    assert payload == b""
    assert complete["ErrorCode"] == "Unhandled"
    assert json.loads(complete["ErrorDetails"])["errorMessage"] == "no"


def test_a_custom_runtime_streams(cloud: Cloud, runtime: str) -> None:
    assert read(stream(cloud, runtime)) == (b"one,two", {})
    assert read(stream(cloud, runtime, "large")) == (bytes(8_388_608), {})


def test_an_error_half_way(cloud: Cloud, runtime: str) -> None:
    payload, complete = read(stream(cloud, runtime, "error"))
    assert (payload, complete["ErrorCode"]) == (b"half", "E")
    assert json.loads(complete["ErrorDetails"]) == {"errorType": "E", "errorMessage": "m"}
    name = node(cloud, "stream.write('half'); throw new TypeError('gone');")
    payload, complete = read(stream(cloud, name))
    assert (payload, complete["ErrorCode"]) == (b"half", "TypeError")
    assert json.loads(complete["ErrorDetails"])["errorMessage"] == "gone"


def test_a_runtime_that_ends_half_way(cloud: Cloud, runtime: str) -> None:
    answer = stream(cloud, runtime, "die")
    payload, complete = read(answer)
    assert (payload, complete["ErrorCode"]) == (b"half", "Runtime.ExitError")
    request_id = answer["ResponseMetadata"]["RequestId"]
    assert json.loads(complete["ErrorDetails"])["errorMessage"] == (
        f"RequestId: {request_id} Error: Runtime exited with error: exit status 3"
    )
    assert read(stream(cloud, runtime))[0] == b"one,two"


def test_a_runtime_that_breaks_the_connection_half_way(cloud: Cloud, runtime: str) -> None:
    payload, complete = read(stream(cloud, runtime, "cut"))
    assert (payload, complete["ErrorCode"]) == (b"half", "Runtime.TruncatedResponse")
    assert read(stream(cloud, runtime))[0] == b"one,two"


def test_a_timeout_half_way(cloud: Cloud) -> None:
    name = node(cloud, "stream.write('half'); await go();", Timeout=1)
    payload, complete = read(stream(cloud, name))
    assert (payload, complete["ErrorCode"]) == (b"half", "Sandbox.Timedout")
    assert "Task timed out after 1.00 seconds" in complete["ErrorDetails"]


def test_a_caller_that_goes_away_does_not_stop_the_function(cloud: Cloud) -> None:
    title = cloud.name("left")
    body = """
    if (event === 'ask') { stream.end(String(globalThis.ended)); return; }
    stream.write('one'); await go();
    for (let i = 0; i < 100; i += 1) {
      if (!stream.write(Buffer.alloc(300_000))) await new Promise((done) => stream.once('drain', done));
    }
    globalThis.ended = true; stream.end();"""
    name = node(cloud, body, title=title)
    answer = stream(cloud, name)
    events = iter(answer["EventStream"])
    assert next(events) == {"PayloadChunk": {"Payload": b"one"}}
    answer["EventStream"].close()
    go_on(title)
    # the environment that comes free is the one that has run to its end
    until = time.monotonic() + SECONDS
    while read(stream(cloud, name, "ask"))[0] != b"true":
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_plain_invocation_gets_a_streamed_response_whole(cloud: Cloud, runtime: str) -> None:
    answer = cloud.client.invoke(FunctionName=runtime, Payload=b"{}")
    assert answer["Payload"].read() == b"one,two"
    answer = cloud.client.invoke(FunctionName=runtime, Payload=b'"large"')
    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Payload"].read())["errorType"] == "Function.ResponseSizeTooLarge"


def test_a_dry_run(cloud: Cloud, plain: str) -> None:
    answer = stream(cloud, plain, InvocationType="DryRun")
    assert answer["StatusCode"] == 204
    answer["EventStream"].close()


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        ({"FunctionName": "nothing-here"}, 404, "ResourceNotFoundException"),
        ({"Qualifier": "77"}, 404, "ResourceNotFoundException"),
        ({"Payload": b"{"}, 400, "InvalidRequestContentException"),
        ({"Payload": b" " * 6_291_457}, 413, "RequestTooLargeException"),
        ({"LogType": "All"}, 400, "ValidationException"),
    ],
)
def test_what_is_refused(
    cloud: Cloud, plain: str, sent: dict[str, Any], status: int, code: str
) -> None:
    with pytest.raises(ClientError) as refused:
        cloud.client.invoke_with_response_stream(**{"FunctionName": plain, **sent})
    answer = refused.value.response
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]) == (status, code)
