"""What a caller of Invoke gets, in every case these runtimes can produce."""

from __future__ import annotations

import concurrent.futures
import json
import re
import shutil
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e.server import Cloud, zipped

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="this host has no Node.js")

ECHO = "def handler(event, context):\n    return event"


def request_id(invoked: Any) -> str:
    return str(invoked.raw["ResponseMetadata"]["RequestId"])


@pytest.mark.parametrize(
    "event",
    [None, True, 0, 1.5, "text", "käse ☃ 😀", [], {}, {"a": [1, {"b": None}]}, "x" * 100_000],
)
def test_any_json_goes_in_and_out(cloud: Cloud, event: object) -> None:
    assert cloud.run(ECHO, event) == event


def test_without_a_payload_the_event_is_an_empty_object(cloud: Cloud) -> None:
    answer = cloud.client.invoke(FunctionName=cloud.function(ECHO))
    assert answer["StatusCode"] == 200
    assert answer["ExecutedVersion"] == "$LATEST"
    assert "FunctionError" not in answer
    assert "LogResult" not in answer
    assert json.loads(answer["Payload"].read()) == {}


def test_a_dry_run_answers_204_and_runs_nothing(cloud: Cloud) -> None:
    name = cloud.function("def handler(e, c): raise SystemExit(1)")
    answer = cloud.client.invoke(FunctionName=name, InvocationType="DryRun")
    assert answer["StatusCode"] == 204
    assert answer["Payload"].read() == b""


def test_a_payload_that_is_not_json_is_refused(cloud: Cloud) -> None:
    with pytest.raises(ClientError) as caught:
        cloud.client.invoke(FunctionName=cloud.function(ECHO), Payload=b"{nope")
    error = caught.value.response
    assert error["Error"]["Code"] == "InvalidRequestContentException"
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert error["Error"]["Message"].startswith("Could not parse request body into json: ")


def test_a_payload_of_6_megabytes_passes_and_a_larger_one_does_not(cloud: Cloud) -> None:
    name = cloud.function("def handler(event, context):\n    return len(event)", MemorySize=512)
    assert cloud.result(name, "x" * 6_000_000) == 6_000_000
    with pytest.raises(ClientError) as caught:
        cloud.client.invoke(FunctionName=name, Payload=json.dumps("x" * 6_400_000))
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert caught.value.response["Error"]["Code"] == "RequestTooLargeException"
    assert (
        caught.value.response["Error"]["Message"]
        == "Request must be smaller than 6291456 bytes for the InvokeFunction operation"
    )


def test_a_function_that_is_not_there(cloud: Cloud) -> None:
    with pytest.raises(ClientError) as caught:
        cloud.client.invoke(FunctionName="nowhere")
    assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"
    assert (
        caught.value.response["Error"]["Message"]
        == "Function not found: arn:aws:lambda:eu-west-1:000000000000:function:nowhere"
    )
    name = cloud.function(ECHO)
    with pytest.raises(ClientError) as caught:
        cloud.client.invoke(FunctionName=name, Qualifier="7")
    assert caught.value.response["Error"]["Message"].endswith(f":function:{name}:7")


def test_functions_are_named_in_every_way(cloud: Cloud) -> None:
    name = cloud.function(ECHO)
    cloud.client.publish_version(FunctionName=name)
    arn = f"arn:aws:lambda:eu-west-1:000000000000:function:{name}"
    for named, version in (
        (name, "$LATEST"),
        (f"{name}:$LATEST", "$LATEST"),
        (f"{name}:1", "1"),
        (f"000000000000:function:{name}", "$LATEST"),
        (arn, "$LATEST"),
        (f"{arn}:1", "1"),
    ):
        answer = cloud.client.invoke(FunctionName=named)
        assert answer["ExecutedVersion"] == version, named


def test_the_context_object(cloud: Cloud) -> None:
    code = """
def handler(event, context):
    return {
        "name": context.function_name, "version": context.function_version,
        "arn": context.invoked_function_arn, "memory": context.memory_limit_in_mb,
        "request": context.aws_request_id, "group": context.log_group_name,
        "stream": context.log_stream_name, "left": context.get_remaining_time_in_millis(),
        "client": context.client_context and context.client_context.custom,
    }
"""
    name = cloud.function(code, Timeout=20, MemorySize=256)
    invoked = cloud.invoke(
        name,
        ClientContext="eyJjdXN0b20iOiB7ImsiOiAidiJ9fQ==",  # {"custom": {"k": "v"}}
    )
    seen = invoked.payload
    assert seen["name"] == name
    assert seen["version"] == "$LATEST"
    assert seen["arn"] == f"arn:aws:lambda:eu-west-1:000000000000:function:{name}"
    assert seen["memory"] == "256"
    assert seen["request"] == request_id(invoked)
    assert seen["group"] == f"/aws/lambda/{name}"
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", seen["stream"])
    assert 10_000 < seen["left"] <= 20_000
    assert seen["client"] == {"k": "v"}


def test_the_environment_is_lambdas(cloud: Cloud) -> None:
    code = "import os\n\ndef handler(event, context):\n    return dict(os.environ)"
    name = cloud.function(code, Environment={"Variables": {"MINE": "1", "TZ": ":Europe/Berlin"}})
    seen = cloud.result(name)
    expected = {
        "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
        "LD_LIBRARY_PATH": "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:"
        "/var/task:/var/task/lib:/opt/lib",
        "LANG": "en_US.UTF-8",
        "TZ": ":Europe/Berlin",
        "LAMBDA_TASK_ROOT": "/var/task",
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.11",
        "_HANDLER": "app.handler",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
        "MINE": "1",
    }
    assert {key: seen.get(key) for key in expected} == expected
    assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} <= set(seen)
    assert "AWS_ENDPOINT_URL" not in seen
    assert seen["AWS_LAMBDA_RUNTIME_API"] == "127.0.0.1:9001"
    assert re.match(
        r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0", seen["_X_AMZN_TRACE_ID"]
    )


def test_an_exception_of_the_handler(cloud: Cloud) -> None:
    name = cloud.function("def handler(event, context):\n    raise ValueError('no ☃')")
    invoked = cloud.invoke(name)
    assert invoked.raw["StatusCode"] == 200
    assert invoked.error == "Unhandled"
    assert invoked.payload == {
        "errorMessage": "no ☃",
        "errorType": "ValueError",
        "requestId": request_id(invoked),
        "stackTrace": [
            "  File \"/var/task/app.py\", line 2, in handler\n    raise ValueError('no ☃')\n"
        ],
    }
    assert "[ERROR] ValueError: no ☃" in invoked.log


@pytest.mark.parametrize(
    ("code", "handler", "kind", "message"),
    [
        (
            "import nothing_like_it",
            "app.handler",
            "Runtime.ImportModuleError",
            "Unable to import module 'app': No module named 'nothing_like_it'",
        ),
        ("x = = 1", "app.handler", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app'"),
        ("x = 1", "app.gone", "Runtime.HandlerNotFound", "Handler 'gone' missing on module 'app'"),
        ("x = 1", "nodots", "Runtime.MalformedHandlerName", "Bad handler 'nodots'"),
        ("x = 1", "other.handler", "Runtime.ImportModuleError", "Unable to import module 'other'"),
        ("raise KeyError('at import')", "app.handler", "KeyError", "'at import'"),
    ],
)
def test_a_handler_that_cannot_be_loaded(
    cloud: Cloud, code: str, handler: str, kind: str, message: str
) -> None:
    name = cloud.function(code, handler=handler)
    for _ in range(2):
        invoked = cloud.invoke(name)
        assert invoked.error == "Unhandled"
        assert invoked.payload["errorType"] == kind
        assert invoked.payload["errorMessage"].startswith(message)
        assert invoked.payload["requestId"] == ""


def test_a_timeout_kills_the_runtime_and_keeps_tmp(cloud: Cloud) -> None:
    code = """
import os, time

STATE = []

def handler(event, context):
    STATE.append(1)
    seen = os.path.exists("/tmp/mark")
    open("/tmp/mark", "w").close()
    if event:
        time.sleep(30)
    return [len(STATE), seen]
"""
    name = cloud.function(code, Timeout=2)
    assert cloud.result(name) == [1, False]
    invoked = cloud.invoke(name, "sleep")
    request = request_id(invoked)
    assert invoked.error == "Unhandled"
    assert invoked.payload == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {request} Error: Task timed out after 2.00 seconds",
    }
    assert f" {request} Task timed out after 2.00 seconds\n\n" in invoked.log
    assert f"END RequestId: {request}\n" in invoked.log
    assert "Status: timeout" in invoked.log
    assert cloud.result(name) == [1, True]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("os._exit(0)", "Runtime exited without providing a reason"),
        ("os._exit(7)", "Runtime exited with error: exit status 7"),
        ("os.kill(os.getpid(), 9)", "Runtime exited with error: signal: killed"),
        ("os.kill(os.getpid(), 11)", "Runtime exited with error: signal: segmentation fault"),
    ],
)
def test_a_runtime_that_ends(cloud: Cloud, code: str, message: str) -> None:
    name = cloud.function(
        f"import os\n\ndef handler(event, context):\n    if event: {code}\n    return 'ok'"
    )
    invoked = cloud.invoke(name, True)
    assert invoked.error == "Unhandled"
    assert invoked.payload == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {request_id(invoked)} Error: {message}",
    }
    assert cloud.result(name, False) == "ok"


def test_a_runtime_that_ends_while_it_loads(cloud: Cloud) -> None:
    name = cloud.function("import os\nos._exit(3)")
    invoked = cloud.invoke(name)
    assert invoked.payload["errorType"] == "Runtime.ExitError"
    assert invoked.payload["errorMessage"].endswith("Runtime exited with error: exit status 3")


def test_a_response_that_is_too_large(cloud: Cloud) -> None:
    name = cloud.function("def handler(n, context):\n    return 'x' * n", MemorySize=512)
    assert len(cloud.result(name, 6_000_000)) == 6_000_000
    invoked = cloud.invoke(name, 6_291_556)
    assert invoked.error == "Unhandled"
    assert invoked.payload["errorType"] == "Function.ResponseSizeTooLarge"
    assert (
        invoked.payload["errorMessage"]
        == "Response payload size exceeded maximum allowed payload size (6291556 bytes)."
    )
    assert cloud.result(name, 3) == "xxx"


def test_a_result_that_is_not_json(cloud: Cloud) -> None:
    invoked = cloud.invoke(cloud.function("def handler(e, c):\n    return {1, 2}"))
    assert invoked.payload["errorType"] == "Runtime.MarshalError"


def test_the_log_tail_is_the_last_four_kilobytes(cloud: Cloud) -> None:
    code = "def handler(event, context):\n    for n in range(event): print('line', n)"
    name = cloud.function(code)
    log = cloud.invoke(name, 1000).log
    assert len(log.encode()) == 4096
    assert "line 999\n" in log
    assert log.rstrip("\n").split("\n")[-1].startswith("REPORT")
    assert "line 999" not in cloud.invoke(name, 1).log


def test_state_is_kept_and_one_environment_serves_callers_in_turn(cloud: Cloud) -> None:
    name = cloud.function(
        "N = []\n\ndef handler(event, context):\n    N.append(1)\n    return len(N)"
    )
    assert [cloud.result(name) for _ in range(100)] == list(range(1, 101))


def test_callers_at_once_get_environments_of_their_own(cloud: Cloud) -> None:
    code = """
import time, uuid

ME = str(uuid.uuid4())

def handler(event, context):
    time.sleep(0.5)
    return ME
"""
    name = cloud.function(code)
    with concurrent.futures.ThreadPoolExecutor(4) as callers:
        seen = list(callers.map(lambda _: cloud.result(name), range(4)))
    assert len(set(seen)) == 4
    assert cloud.result(name) in seen


def test_a_change_of_configuration_reaches_the_next_invocation(cloud: Cloud) -> None:
    name = cloud.function("import os\n\ndef handler(e, c):\n    return os.environ.get('VALUE')")
    assert cloud.result(name) is None
    for value in ("1", "2", "3"):
        cloud.client.update_function_configuration(
            FunctionName=name, Environment={"Variables": {"VALUE": value}}
        )
        assert cloud.result(name) == value


def test_a_deleted_function_cannot_be_invoked(cloud: Cloud) -> None:
    name = cloud.function(ECHO)
    cloud.result(name)
    cloud.client.delete_function(FunctionName=name)
    with pytest.raises(ClientError, match="Function not found"):
        cloud.client.invoke(FunctionName=name)


def test_an_interpreter_that_this_host_lacks(cloud: Cloud) -> None:
    name = cloud.name()
    created = cloud.client.create_function(
        FunctionName=name,
        Runtime="dotnet8",
        Handler="A::B::C",
        Role="arn:aws:iam::000000000000:role/r",
        Code={"ZipFile": zipped({"a.dll": "x"})},
    )
    assert created["Runtime"] == "dotnet8"
    with pytest.raises(ClientError, match="dotnet8") as caught:
        cloud.client.invoke(FunctionName=name)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 502
    assert caught.value.response["Error"]["Code"] == "InvalidRuntimeException"


@needs_node
@pytest.mark.parametrize(
    ("code", "event", "expected"),
    [
        ("exports.handler = async e => ({got: e})", 1, {"got": 1}),
        ("exports.handler = (e, c, done) => done(null, e + 1)", 1, 2),
        ("exports.handler = e => Promise.resolve(e)", "p", "p"),
        ("exports.handler = async () => undefined", 1, None),
    ],
)
def test_node_handlers(cloud: Cloud, code: str, event: object, expected: object) -> None:
    name = cloud.function(code, runtime="nodejs20.x", handler="index.handler", file="index.js")
    assert cloud.result(name, event) == expected


@needs_node
def test_node_errors(cloud: Cloud) -> None:
    name = cloud.function(
        "exports.handler = async () => { throw new TypeError('no'); }",
        runtime="nodejs20.x",
        handler="index.handler",
        file="index.js",
    )
    invoked = cloud.invoke(name)
    assert invoked.error == "Unhandled"
    assert invoked.payload["errorType"] == "TypeError"
    assert invoked.payload["errorMessage"] == "no"
    assert invoked.payload["trace"][0] == "TypeError: no"
    assert "\tERROR\tInvoke Error \t" in invoked.log
    missing = cloud.function("x", runtime="nodejs20.x", handler="gone.handler", file="index.js")
    assert cloud.invoke(missing).payload["errorType"] == "Runtime.ImportModuleError"


@needs_node
def test_a_node_timeout(cloud: Cloud) -> None:
    name = cloud.function(
        "exports.handler = () => new Promise(() => setTimeout(() => {}, 60000))",
        runtime="nodejs20.x",
        handler="index.handler",
        file="index.js",
        Timeout=1,
    )
    started = time.monotonic()
    assert cloud.invoke(name).payload["errorType"] == "Sandbox.Timedout"
    assert time.monotonic() - started < 50


def test_a_custom_runtime_without_a_bootstrap(cloud: Cloud) -> None:
    name = cloud.function({"x.txt": "x"}, runtime="provided.al2023", handler="h")
    invoked = cloud.invoke(name)
    assert invoked.error == "Unhandled"
    assert invoked.payload["errorType"] == "Runtime.InvalidEntrypoint"
    assert invoked.payload["errorMessage"].endswith(
        "Error: Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"
    )
