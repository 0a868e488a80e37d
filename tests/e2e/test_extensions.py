"""Extensions in layers: real programs that speak AWS's API, well behaved and otherwise."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.e2e.queues import until
from tests.e2e.server import Cloud, Server, zipped

EXTENSION = """#!/var/lang/bin/python3.11 -S
import http.client, http.server, json, os, sys, threading, time

NAME = os.path.basename(sys.argv[0])
MODE = os.environ.get("MODE_" + NAME.replace("-", "_"), "")
PLACE = "/tmp/" + NAME

def note(word):
    with open(PLACE, "a") as file:
        file.write(word + "\\n")

def call(method, path, body=None, **headers):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    sent = {"Lambda-Extension-" + k.replace("_", "-"): v for k, v in headers.items()}
    connection.request(method, path, body and json.dumps(body), sent)
    answer = connection.getresponse()
    return answer, answer.read()

if MODE == "exit at once":
    sys.exit(3)
if MODE == "never register":
    time.sleep(600)
print("extension", NAME, "begins", flush=True)
note("environment " + ",".join(sorted(os.environ)))
events = {"events": ["INVOKE", "SHUTDOWN"]}
answer, body = call("POST", "/2020-01-01/extension/register", events, Name=NAME, Accept_Feature="accountId")
note("registered " + body.decode())
me = answer.headers["Lambda-Extension-Identifier"]
if MODE == "init error":
    call("POST", "/2020-01-01/extension/init/error", {"errorMessage": "m"}, Identifier=me, Function_Error_Type="Extension.NoLicence")
    sys.exit(1)
if MODE == "exit after registering":
    sys.exit(4)
if MODE == "never next":
    time.sleep(600)
if MODE == "telemetry":
    class Sink(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            data = self.rfile.read(int(self.headers["Content-Length"]))
            for record in json.loads(data):
                note("telemetry " + json.dumps(record))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
        def log_message(self, *_):
            pass
    sink = http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Sink)
    threading.Thread(target=sink.serve_forever, daemon=True).start()
    wanted = {
        "schemaVersion": "2022-12-13",
        "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:8080"},
        "types": ["platform", "function", "extension"],
        "buffering": {"timeoutMs": 25, "maxBytes": 262144, "maxItems": 1000},
    }
    answer, body = call("PUT", "/2022-07-01/telemetry", wanted, Identifier=me)
    note("subscribed %d %s" % (answer.status, body.decode()))
while True:
    answer, body = call("GET", "/2020-01-01/extension/event/next", Identifier=me)
    event = json.loads(body)
    note(event["eventType"] + " " + json.dumps(event))
    if event["eventType"] == "SHUTDOWN":
        if MODE == "ignore shutdown":
            time.sleep(600)
        break
    if MODE == "die while invoked":
        sys.exit(5)
    if MODE == "exit error":
        call("POST", "/2020-01-01/extension/exit/error", {}, Identifier=me, Function_Error_Type="Extension.Full")
        sys.exit(1)
    if MODE == "work after the answer":
        time.sleep(1)
        note("worked")
    if MODE == "never done":
        time.sleep(600)
"""

READER = """
import os, time

def handler(event, context):
    if event and event.get("sleep"):
        time.sleep(event["sleep"])
    if event and event.get("exit"):
        os._exit(event["exit"])
    print("handler ran")
    return {name: open("/tmp/" + name).read().splitlines() for name in sorted(os.listdir("/tmp"))}
"""
GOOD = {"Runtime": "python3.11"}


def layer(cloud: Cloud, *names: str, **files: str) -> str:
    members: dict[str, str | bytes] = {f"extensions/{name}": EXTENSION for name in names}
    members |= {f"extensions/{name}": text for name, text in files.items()}
    return cloud.layer(zipped(members, modes=dict.fromkeys(members, 0o755)))


def function(
    cloud: Cloud, layers: list[str], modes: dict[str, str] | None = None, **more: Any
) -> str:
    variables = {f"MODE_{name}": mode for name, mode in (modes or {}).items()}
    return cloud.function(
        READER, layers=layers, Environment={"Variables": variables}, **{"Timeout": 10, **more}
    )


def words(lines: list[str]) -> list[str]:
    return [line.split(" ", 1)[0] for line in lines]


def events(lines: list[str], kind: str) -> list[dict[str, Any]]:
    return [json.loads(line.split(" ", 1)[1]) for line in lines if line.startswith(f"{kind} ")]


def log_of(server: Server, name: str) -> str:
    return "".join(
        json.loads(line)["message"]
        for path in sorted(server.data.joinpath("logs").rglob("*"))
        if path.is_file() and name in str(path)
        for line in path.read_text().splitlines()
    )


def test_extensions_register_are_invoked_and_share_tmp(cloud: Cloud, server: Server) -> None:
    name = function(cloud, [layer(cloud, "alpha"), layer(cloud, "beta")])
    first = cloud.result(name)
    assert set(first) == {"alpha", "beta"}
    for lines in first.values():
        assert words(lines)[:2] == ["environment", "registered"]
        assert events(lines, "registered") == [
            {
                "functionName": name,
                "functionVersion": "$LATEST",
                "handler": "app.handler",
                "accountId": "000000000000",
            }
        ]
        variables = lines[0].split(" ")[1].split(",")
        assert "AWS_LAMBDA_FUNCTION_NAME" in variables
        assert "AWS_SESSION_TOKEN" in variables
        for hidden in ("_HANDLER", "AWS_EXECUTION_ENV", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR"):
            assert hidden not in variables
    second = cloud.result(name)
    (invoked, *_) = events(second["alpha"], "INVOKE")
    assert invoked["invokedFunctionArn"].endswith(f":function:{name}")
    assert invoked["deadlineMs"] > time.time() * 1000 - 60_000
    assert invoked["tracing"]["type"] == "X-Amzn-Trace-Id"
    until(lambda: "extension alpha begins" in log_of(server, name))
    until(lambda: log_of(server, name).count("REPORT RequestId") == 2)


def test_an_extension_in_shell_runs(cloud: Cloud) -> None:
    script = """#!/bin/bash
api=${AWS_LAMBDA_RUNTIME_API/:/\\/}
call() { # METHOD PATH HEADERS BODY
  exec 5<>/dev/tcp/$api
  printf '%s %s HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n%sContent-Length: %d\\r\\n\\r\\n%s' "$1" "$2" "$3" "${#4}" "$4" >&5
  cat <&5; exec 5<&-
}
said=$(call POST /2020-01-01/extension/register $'Lambda-Extension-Name: shell\\r\\n' '{"events":["INVOKE"]}')
me=$(printf '%s' "$said" | tr -d '\\r' | sed -n 's/^Lambda-Extension-Identifier: //p')
while true; do
  call GET /2020-01-01/extension/event/next "Lambda-Extension-Identifier: $me"$'\\r\\n' '' | tail -1 >> /tmp/shell
  echo >> /tmp/shell
done
"""
    name = function(cloud, [layer(cloud, shell=script)])
    cloud.result(name)
    seen = [json.loads(line) for line in cloud.result(name)["shell"] if line]
    assert [each["eventType"] for each in seen][:1] == ["INVOKE"]


def test_the_caller_does_not_wait_for_what_extensions_do_after_the_answer(
    cloud: Cloud, server: Server
) -> None:
    name = function(cloud, [layer(cloud, "slow")], {"slow": "work after the answer"})
    first = cloud.result(name)["slow"]
    assert "worked" not in first
    until(lambda: log_of(server, name).count("REPORT") == 1)
    second = cloud.result(name)["slow"]
    assert "worked" in second
    assert words(second).count("registered") == 1  # the same environment, which was waited for
    until(lambda: log_of(server, name).count("REPORT") == 2)


BROKEN = [
    ("exit at once", "Extension.Crash", "exit code 3"),
    ("exit after registering", "Extension.Crash", "exit code 4"),
    ("init error", "Extension.InitError", "Extension.NoLicence"),
    ("die while invoked", "Extension.Crash", "exit code 5"),
    ("exit error", "Extension.ExitError", "Extension.Full"),
]


@pytest.mark.parametrize(("mode", "kind", "message"), BROKEN)
def test_an_extension_that_fails_fails_the_invocation_and_is_named_with_its_layer(
    cloud: Cloud, server: Server, mode: str, kind: str, message: str
) -> None:
    other = layer(cloud, "fine")
    arn = layer(cloud, "bad")
    name = function(cloud, [arn, other], {"bad": mode})
    invoked = cloud.invoke(name, {"sleep": 2})
    assert invoked.error == "Unhandled"
    assert invoked.payload["errorType"] == kind
    assert invoked.payload["errorMessage"].endswith(f" Error: {message} (extension bad of {arn})")
    until(lambda: arn in log_of(server, name))
    cloud.configure(name, Environment={"Variables": {}})
    assert set(cloud.result(name)) == {"bad", "fine"}


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["never register", "never next"])
def test_an_extension_that_never_gets_ready_times_out(cloud: Cloud, mode: str) -> None:
    name = function(cloud, [layer(cloud, "bad")], {"bad": mode}, Timeout=1)
    invoked = cloud.invoke(name)
    assert invoked.payload["errorType"] == "Sandbox.Timedout"
    cloud.configure(name, Environment={"Variables": {}})
    assert "bad" in cloud.result(name)


def test_an_extension_that_is_never_done_costs_the_environment_and_not_the_caller(
    cloud: Cloud, server: Server
) -> None:
    name = function(cloud, [layer(cloud, "bad")], {"bad": "never done"}, Timeout=3)
    assert cloud.invoke(name).error is None
    until(lambda: "Task timed out after 3.00 seconds" in log_of(server, name))
    again = cloud.result(name)["bad"]
    # a new start of everything, with the same /tmp
    assert words(again).count("registered") == 2


def test_a_file_that_cannot_run_is_a_launch_error(cloud: Cloud) -> None:
    arn = layer(cloud, broken="#!/nowhere/interpreter\n")
    name = function(cloud, [arn])
    payload = cloud.invoke(name).payload
    assert payload["errorType"] == "Extension.LaunchError"
    assert f"(extension broken of {arn})" in payload["errorMessage"]
    # what is not executable is no extension
    members: dict[str, str | bytes] = {"extensions/notes.txt": "text"}
    assert cloud.result(function(cloud, [cloud.layer(zipped(members))])) == {}


def test_extensions_are_told_of_the_end_and_have_two_seconds(cloud: Cloud, server: Server) -> None:
    def free(times: int) -> None:
        """The extensions are done too: the next invocation gets the same environment."""
        until(lambda: log_of(server, name).count("REPORT") == times)

    name = function(
        cloud, [layer(cloud, "good"), layer(cloud, "deaf")], {"deaf": "ignore shutdown"}, Timeout=3
    )
    cloud.result(name)
    free(1)
    timed_out = cloud.invoke(name, {"sleep": 60})
    assert timed_out.payload["errorType"] == "Sandbox.Timedout"
    free(2)
    after = cloud.result(name)
    free(3)
    (told,) = events(after["good"], "SHUTDOWN")
    assert told["shutdownReason"] == "timeout"
    assert events(after["deaf"], "SHUTDOWN")[0]["shutdownReason"] == "timeout"
    failed = cloud.invoke(name, {"exit": 3})
    assert failed.payload["errorType"] == "Runtime.ExitError"
    assert failed.payload["errorMessage"].endswith("exit status 3")
    free(4)
    reasons = [each["shutdownReason"] for each in events(cloud.result(name)["good"], "SHUTDOWN")]
    assert reasons == ["timeout", "failure"]


def test_telemetry_tells_what_happens(cloud: Cloud) -> None:
    name = function(cloud, [layer(cloud, "ears")], {"ears": "telemetry"})
    first = cloud.invoke(name)
    request_id = first.raw["ResponseMetadata"]["RequestId"]

    def told() -> dict[str, dict[str, Any]]:
        lines = cloud.result(name)["ears"]
        assert [line for line in lines if line.startswith("subscribed")] == ['subscribed 200 "OK"']
        records = events(lines, "telemetry")
        mine = [
            each
            for each in records
            if not isinstance(each["record"], dict)
            or each["record"].get("requestId") in (None, request_id)
        ]
        return {each["type"]: each for each in mine}

    until(lambda: "platform.report" in told())
    found = told()
    assert found["function"]["record"] == "handler ran\n"
    assert found["extension"]["record"] == "extension ears begins\n"
    assert found["platform.telemetrySubscription"]["record"]["name"] == "ears"
    assert found["platform.initStart"]["record"]["phase"] == "init"
    assert found["platform.initRuntimeDone"]["record"]["status"] == "success"
    assert found["platform.initReport"]["record"]["metrics"]["durationMs"] > 0
    assert found["platform.extension"]["record"] == {
        "name": "ears",
        "state": "Ready",
        "events": ["INVOKE", "SHUTDOWN"],
    }
    assert found["platform.start"]["record"]["version"] == "$LATEST"
    done = found["platform.runtimeDone"]["record"]
    assert done["status"] == "success"
    assert done["metrics"]["durationMs"] > 0
    metrics = found["platform.report"]["record"]["metrics"]
    assert metrics["memorySizeMB"] == 128
    assert metrics["billedDurationMs"] >= metrics["durationMs"]


def test_an_internal_extension_registers_from_the_runtime(cloud: Cloud) -> None:
    code = """
import http.client, json, os, threading

def call(method, path, body=None, **headers):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    return answer, answer.read()

answer, _ = call("POST", "/2020-01-01/extension/register", '{"events": ["INVOKE"]}', **{"Lambda-Extension-Name": "within"})
me = {"Lambda-Extension-Identifier": answer.headers["Lambda-Extension-Identifier"]}
refused, body = call("POST", "/2020-01-01/extension/register", '{"events": ["SHUTDOWN"]}', **{"Lambda-Extension-Name": "other"})
seen = []

def listen():
    while True:
        seen.append(json.loads(call("GET", "/2020-01-01/extension/event/next", **me)[1])["eventType"])

threading.Thread(target=listen, daemon=True).start()

def handler(event, context):
    return [seen, refused.status, json.loads(body)["errorType"]]
"""
    name = cloud.function(code)
    until(lambda: cloud.result(name)[0][:1] == ["INVOKE"])
    _, status, kind = cloud.result(name)
    assert (status, kind) == (403, "Extension.InvalidEventType")
