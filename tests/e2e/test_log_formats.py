"""Logs as functions write them: text and JSON, levels, records of several lines, in their order."""

from __future__ import annotations

import json
import os
from typing import Any

import boto3
import pytest

from lamella.errors import RuntimeMissing
from lamella.invoke.frames import EVENT_BYTES
from lamella.runtimes.catalog import Catalog
from tests.e2e.queues import until
from tests.e2e.server import Cloud, zipped

JSON = {"LogFormat": "JSON"}

PYTHON = """
import logging, os, sys

LOG = logging.getLogger()

def handler(event, context):
    print("before")
    LOG.warning("warned\\nön two lines")
    print("between")
    LOG.debug("in detail")
    print("after", file=sys.stderr)
    if event == "raise":
        raise KeyError("no such thing")
    return "_LAMBDA_TELEMETRY_LOG_FD" in os.environ
"""
NODE = """
exports.handler = async (event) => {
  process.stdout.write('before\\n');
  console.warn('warned\\nön two lines');
  process.stdout.write('between\\n');
  console.debug('in detail');
  process.stderr.write('after\\n');
  if (event === 'raise') throw new TypeError('no such thing');
  return '_LAMBDA_TELEMETRY_LOG_FD' in process.env;
};
"""
RUBY = """
require 'logger'
LOG = Logger.new($stdout)

def handler(event:, context:)
  $stdout.puts 'before'
  LOG.warn("warned\\nön two lines")
  $stdout.puts 'between'
  LOG.debug('in detail')
  $stderr.puts 'after'
  raise KeyError, 'no such thing' if event == 'raise'

  ENV.key?('_LAMBDA_TELEMETRY_LOG_FD')
end
"""
SOURCES = {
    "python3.11": ("app.py", PYTHON),
    "nodejs22.x": ("app.js", NODE),
    "ruby3.3": ("app.rb", RUBY),
}
RAISED = {"python3.11": "KeyError", "nodejs22.x": "TypeError", "ruby3.3": "Function<KeyError>"}


@pytest.fixture(scope="module")
def logs(cloud: Cloud) -> Any:
    return boto3.client(
        "logs",
        endpoint_url=cloud.endpoint,
        region_name="eu-west-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


@pytest.fixture(params=sorted(SOURCES))
def runtime(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    try:
        Catalog.discover(os.environ).find(name)
    except RuntimeMissing as missing:
        pytest.skip(str(missing))
    return name


def function(cloud: Cloud, runtime: str, **more: Any) -> str:
    file, source = SOURCES[runtime]
    return cloud.function(source, runtime=runtime, file=file, **more)


def events(logs: Any, group: str, last: str = "REPORT") -> list[dict[str, Any]]:
    """The events of a group of one stream, up to a line with ``last`` in it."""

    def found() -> list[dict[str, Any]]:
        try:
            answer = logs.filter_log_events(logGroupName=group)["events"]
        except logs.exceptions.ResourceNotFoundException:
            return []
        return list(answer) if any(last in each["message"] for each in answer) else []

    until(lambda: bool(found()))
    return found()


def messages(logs: Any, name: str, last: str = "REPORT") -> list[str]:
    """The lines of a function's log, without the line feed at their end."""
    return [each["message"].rstrip("\n") for each in events(logs, f"/aws/lambda/{name}", last)]


def objects(lines: list[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines if line.startswith("{")]


def platform(lines: list[str]) -> list[dict[str, Any]]:
    return [each for each in objects(lines) if each.get("type", "").startswith("platform.")]


def kinds(lines: list[str]) -> list[str]:
    return [each["type"].removeprefix("platform.") for each in platform(lines)]


def test_text(cloud: Cloud, logs: Any, runtime: str) -> None:
    name = function(cloud, runtime)
    invoked = cloud.invoke(name)
    assert invoked.payload is False
    start, before, warned, between, *rest = messages(logs, name)[1:]
    assert start.startswith("START RequestId: ")
    assert (before, between) == ("before", "between")
    # A record of two lines is one event, with the line feed it was written with.
    assert warned.endswith("warned\nön two lines")
    assert "WARN" in warned
    assert [each.split(" ")[0].rstrip() for each in rest][-3:] == ["after", "END", "REPORT"]
    assert "before\n" in invoked.log
    assert warned + "\nbetween\n" in invoked.log


def test_an_error_is_one_record(cloud: Cloud, logs: Any, runtime: str) -> None:
    name = function(cloud, runtime)
    cloud.invoke(name, "raise")
    lines = messages(logs, name)
    (told,) = [line for line in lines if "no such thing" in line]
    assert RAISED[runtime] in told
    assert "\r" not in told
    place = {"python3.11": "raise KeyError", "nodejs22.x": '"stack":['}
    assert place.get(runtime, "stackTrace") in told
    assert lines[-1].startswith("REPORT")
    assert "Status" not in lines[-1]


def test_json(cloud: Cloud, logs: Any, runtime: str) -> None:
    name = function(cloud, runtime, LoggingConfig=JSON)
    assert cloud.invoke(name).payload is False
    lines = messages(logs, name, "platform.report")
    assert kinds(lines) == ["initStart", "start", "report"]
    (warned,) = [each for each in objects(lines) if each.get("level") in ("WARN", "WARNING")]
    request = platform(lines)[1]["record"]["requestId"]
    assert (warned["message"], warned["requestId"]) == ("warned\nön two lines", request)
    assert warned["timestamp"].endswith("Z")
    assert "before" in lines
    assert not [line for line in lines if "in detail" in line]
    cloud.invoke(name, "raise")
    until(lambda: kinds(messages(logs, name, "platform.report")).count("report") == 2)
    later = objects(messages(logs, name, "platform.report"))
    (error,) = [each for each in later if each.get("level") == "ERROR"]
    told = error["message"] if isinstance(error.get("message"), dict) else error
    assert told["errorType"] == RAISED[runtime]
    assert "no such thing" in told["errorMessage"]
    assert isinstance(told["stackTrace"], list)


def test_the_levels_of_an_application(cloud: Cloud, logs: Any, runtime: str) -> None:
    levels = {"ApplicationLogLevel": "DEBUG", "SystemLogLevel": "WARN"}
    name = function(cloud, runtime, LoggingConfig={**JSON, **levels})
    cloud.invoke(name)
    lines = messages(logs, name, "after")
    assert kinds(lines) == []
    assert [line for line in lines if "in detail" in line]
    cloud.configure(name, LoggingConfig={**JSON, "ApplicationLogLevel": "ERROR"})
    cloud.invoke(name, "raise")
    later = messages(logs, name, "platform.report")[len(lines) :]
    assert [each["level"] for each in objects(later) if "level" in each] == ["ERROR"]
    # What has no level counts as INFO.
    assert "before" not in later


PRINTER = """
import json, os, sys, time

def handler(event, context):
    for line in event["lines"]:
        os.write(1, line.encode("latin-1"))
    if event.get("exit"):
        os._exit(event["exit"])
    time.sleep(event.get("sleep", 0))
"""


def test_the_levels_of_the_platform(cloud: Cloud, logs: Any) -> None:
    name = cloud.function(
        PRINTER, LoggingConfig={**JSON, "SystemLogLevel": "DEBUG"}, MemorySize=256, Timeout=2
    )
    id_ = cloud.invoke(name, {"lines": []}).raw["ResponseMetadata"]["RequestId"]
    lines = messages(logs, name, "platform.report")
    expected = ["initStart", "initRuntimeDone", "initReport", "start", "runtimeDone", "report"]
    assert kinds(lines) == expected
    init_start, init_done, init_report, start, done, report = platform(lines)
    assert all(each.keys() == {"time", "type", "record"} for each in platform(lines))
    assert init_start["record"].pop("instanceId").endswith("]" + _stream(logs, name))
    assert init_start["record"] == {
        "initializationType": "on-demand",
        "phase": "init",
        "runtimeVersion": init_start["record"]["runtimeVersion"],
        "runtimeVersionArn": init_start["record"]["runtimeVersionArn"],
        "functionName": name,
        "functionVersion": "$LATEST",
        "instanceMaxMemory": 256 * 1_048_576,
    }
    assert init_done["record"] == {
        "initializationType": "on-demand",
        "phase": "init",
        "status": "success",
    }
    assert init_report["record"]["metrics"].keys() == {"durationMs"}
    assert start["record"] == {"requestId": id_, "version": "$LATEST"}
    assert (done["record"]["requestId"], done["record"]["status"]) == (id_, "success")
    metrics = report["record"].pop("metrics")
    assert report["record"] == {"requestId": id_, "status": "success"}
    assert metrics["memorySizeMB"] == 256
    assert 0 < metrics["maxMemoryUsedMB"] <= 256
    assert metrics["billedDurationMs"] >= metrics["durationMs"] + metrics["initDurationMs"]

    cloud.configure(name, LoggingConfig={**JSON, "SystemLogLevel": "WARN"})
    cloud.invoke(name, {"lines": ["x\n"], "exit": 3})
    cloud.invoke(name, {"lines": ["y\n"], "sleep": 60})
    later = platform(messages(logs, name, '"status":"timeout"}')[len(lines) :])
    assert [(each["type"], each["record"]["status"]) for each in later] == [
        ("platform.runtimeDone", "failure"),
        ("platform.report", "error"),
        ("platform.runtimeDone", "timeout"),
        ("platform.report", "timeout"),
    ]
    assert later[1]["record"]["errorType"] == "Runtime.ExitError"


def _stream(logs: Any, name: str) -> str:
    found = logs.describe_log_streams(logGroupName=f"/aws/lambda/{name}")["logStreams"]
    return str(found[0]["logStreamName"]).rpartition("]")[2]


def test_how_a_runtime_ended_is_told_in_words(cloud: Cloud, logs: Any) -> None:
    name = cloud.function(PRINTER, Timeout=2)
    cloud.invoke(name, {"lines": ["half a line"], "exit": 3})
    cloud.invoke(name, {"lines": ["y\n"], "sleep": 60})
    lines = messages(logs, name, "Status: timeout")
    assert "half a line" in lines
    (told,) = [line for line in lines if line.startswith("RequestId: ")]
    assert told.endswith(" Error: Runtime exited with error: exit status 3\nRuntime.ExitError")
    reports = [line for line in lines if line.startswith("REPORT")]
    assert reports[0].endswith("\tStatus: error\tError Type: Runtime.ExitError\t")
    assert reports[1].endswith("\tStatus: timeout\t")
    assert [line for line in lines if line.endswith(" Task timed out after 2.00 seconds")]


def test_printed_json_is_filtered_by_its_level(cloud: Cloud, logs: Any) -> None:
    name = cloud.function(PRINTER, LoggingConfig={**JSON, "ApplicationLogLevel": "WARN"})
    at = '"timestamp": "2024-11-02T16:51:31.587199Z"'
    lines = [
        '{"level": "debug", "n": 1, ' + at + "}\n",
        '{"level": "error", "n": 2, ' + at + "}\n",
        '{"level": "error", "n": 3}\n',
        "plain\n",
    ]
    cloud.invoke(name, {"lines": lines})
    found = [each for each in objects(messages(logs, name, "platform.report")) if "n" in each]
    assert [each["n"] for each in found] == [2]


def test_a_broken_frame_is_text(cloud: Cloud, logs: Any) -> None:
    name = cloud.function(PRINTER)
    absurd = "\xa5\x5a\x00\x03\xff\xff\xff\xff"
    cut_off = "\xa5\x5a\x00\x03\x00\x00\x10\x00" + "\0" * 8 + "half a record"
    cloud.invoke(name, {"lines": [absurd + "then text\n", cut_off], "exit": 1})
    cloud.invoke(name, {"lines": ["a new process\n"]})
    lines = messages(logs, name, "a new process")
    assert any(line.endswith("then text") for line in lines)
    assert "half a record" in lines
    assert "a new process" in lines


def test_a_long_record(cloud: Cloud, logs: Any) -> None:
    code = "import logging\ndef handler(event, context):\n    logging.error('é' * event)"
    name = cloud.function(code)
    cloud.invoke(name, EVENT_BYTES)
    parts = [line for line in messages(logs, name) if "éé" in line]
    assert [len(each.encode()) <= EVENT_BYTES for each in parts] == [True] * 3
    assert "".join(parts).count("é") == EVENT_BYTES


def test_a_wrapper_keeps_the_log(cloud: Cloud, logs: Any) -> None:
    wrapper = '#!/bin/bash\nexec "$@"\n'
    name = cloud.function(
        PYTHON,
        layers=[cloud.layer(zipped({"wrap": wrapper}, modes={"wrap": 0o755}))],
        Environment={"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrap"}},
    )
    assert cloud.result(name) is False
    assert [line for line in messages(logs, name) if line.endswith("warned\nön two lines")]


def test_memory_that_is_given_back_is_reported(cloud: Cloud, logs: Any) -> None:
    code = """
import time

def handler(event, context):
    held = bytearray(b"x") * (100 << 20)
    time.sleep(0.3)
    del held
"""
    name = cloud.function(code, MemorySize=512)
    cloud.result(name)
    (used,) = [line for line in messages(logs, name) if line.startswith("REPORT")]
    assert 100 <= int(used.partition("Max Memory Used: ")[2].partition(" ")[0]) < 200


def test_a_custom_runtime_may_write_frames(cloud: Cloud, logs: Any) -> None:
    head = "\\245Z\\000\\003" + "\\000" * 3 + "\\011" + "\\000" * 8
    script = f"""#!/bin/sh
echo 'a line'
printf '{head}two\\nlines' >&"$_LAMBDA_TELEMETRY_LOG_FD"
exit 1
"""
    layer = cloud.layer(zipped({"bootstrap": script}, modes={"bootstrap": 0o755}))
    name = cloud.function("", runtime="provided.al2023", layers=[layer])
    assert cloud.invoke(name).payload["errorType"] == "Runtime.ExitError"
    lines = messages(logs, name, "REPORT RequestId: ")
    assert lines[1:3] == ["a line", "two\nlines"]
    assert lines[3].startswith("INIT_REPORT ")
    assert lines[-1].endswith("\tStatus: error\tError Type: Runtime.ExitError\t")


def test_a_group_of_ones_own(cloud: Cloud, logs: Any) -> None:
    name = cloud.function(PYTHON, LoggingConfig={**JSON, "LogGroup": "/own/group"})
    cloud.invoke(name)
    assert events(logs, "/own/group", "platform.report")
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")


SINK = """#!/var/lang/bin/python3.11 -S
import os
LEAKED = os.path.exists("/proc/self/fd/6")
import http.client, http.server, json, sys, threading

def call(method, path, body=None, **headers):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    sent = {"Lambda-Extension-" + k: v for k, v in headers.items()}
    connection.request(method, path, body and json.dumps(body), sent)
    answer = connection.getresponse()
    answer.read()
    return answer

class Sink(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        data = self.rfile.read(int(self.headers["Content-Length"]))
        with open("/tmp/told", "ab") as file:
            for record in json.loads(data):
                file.write(json.dumps(record).encode() + b"\\n")
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass

events = {"events": ["INVOKE"]}
me = call("POST", "/2020-01-01/extension/register", events, Name="sink").headers["Lambda-Extension-Identifier"]
sink = http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Sink)
threading.Thread(target=sink.serve_forever, daemon=True).start()
call("PUT", "/2022-07-01/telemetry", {
    "schemaVersion": "2022-12-13",
    "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:8080"},
    "types": ["platform", "function", "extension"],
    "buffering": {"timeoutMs": 25, "maxBytes": 262144, "maxItems": 1000},
}, Identifier=me)
print(json.dumps({"of": "the extension", "leaked": LEAKED or "_LAMBDA_TELEMETRY_LOG_FD" in os.environ}), flush=True)
while True:
    call("GET", "/2020-01-01/extension/event/next", Identifier=me)
"""
TOLD = """
import json, logging, os

def handler(event, context):
    print("plain")
    logging.getLogger().debug("in detail")
    logging.getLogger().warning("one")
    return [json.loads(line) for line in open("/tmp/told")] if os.path.exists("/tmp/told") else []
"""


@pytest.mark.parametrize("form", ["JSON", "Text"])
def test_what_subscribers_and_the_log_are_told(cloud: Cloud, logs: Any, form: str) -> None:
    layer = cloud.layer(zipped({"extensions/sink": SINK}, modes={"extensions/sink": 0o755}))
    levels = {"SystemLogLevel": "WARN", "ApplicationLogLevel": "WARN"} if form == "JSON" else {}
    name = cloud.function(TOLD, layers=[layer], LoggingConfig={"LogFormat": form, **levels})
    told: list[dict[str, Any]] = []

    def has_all() -> bool:
        told[:] = cloud.result(name)
        types = [each["type"] for each in told]
        return types.count("function") >= 2 and {"extension", "platform.report"} <= set(types)

    until(has_all)
    types = [each["type"] for each in told]
    # Levels are about the log: subscribers get everything.
    for kind in ("initStart", "extension", "initReport", "start", "runtimeDone", "report"):
        assert f"platform.{kind}" in types
    records = [each["record"] for each in told if each["type"] == "function"]
    assert "plain\n" in records
    (of_extension,) = {json.dumps(each["record"]) for each in told if each["type"] == "extension"}
    if form == "JSON":
        assert next(each for each in records if isinstance(each, dict))["message"] == "one"
        assert json.loads(of_extension) == {"of": "the extension", "leaked": False}
    else:
        assert all(isinstance(each, str) for each in records)
        assert any(each.endswith("\tone\n") for each in records)
        lines = messages(logs, name)
        assert "EXTENSION\tName: sink\tState: Ready\tEvents: [INVOKE]" in lines
        subscribed = "State: Subscribed\tTypes: [Platform, Function, Extension]"
        assert f"TELEMETRY\tName: sink\t{subscribed}" in lines
