"""The real AWS CLI against a real server: waiters, logs, and the older ways to invoke."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.e2e.queues import until
from tests.e2e.server import Cloud, Server, unmeasured, zipped

AWS = Path(sys.executable).with_name("aws")
CODE = """
def handler(event, context):
    print("it says", event.get("word"))
    return event
"""


def environment(server: Server) -> dict[str, str]:
    return {
        **unmeasured(),
        "AWS_ENDPOINT_URL": server.endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_PAGER": "",
        "PYTHONUNBUFFERED": "1",
    }


def aws(server: Server, *words: str) -> Any:
    """What a command answers; it must go well."""
    done = subprocess.run(
        [AWS, *words], env=environment(server), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    try:
        return json.loads(done.stdout) if done.stdout.strip() else None
    except json.JSONDecodeError:
        return done.stdout


def test_the_waiters_end(server: Server, tmp_path: Path) -> None:
    archive = tmp_path / "code.zip"
    archive.write_bytes(zipped({"app.py": CODE}))
    name = ("--function-name", "waited-for")
    made = aws(
        server,
        *("lambda", "create-function", *name, "--runtime", "python3.11"),
        *("--handler", "app.handler", "--role", "arn:aws:iam::000000000000:role/r"),
        *("--zip-file", f"fileb://{archive}"),
    )
    assert made["State"] == "Pending"
    aws(server, "lambda", "wait", "function-active-v2", *name)
    aws(server, "lambda", "update-function-configuration", *name, "--timeout", "9")
    aws(server, "lambda", "wait", "function-updated-v2", *name)
    aws(server, "lambda", "publish-version", *name)
    aws(server, "lambda", "wait", "published-version-active", *name, "--qualifier", "1")
    aws(server, "lambda", "delete-function", *name)


def logs_of(server: Server) -> Any:
    return boto3.client(
        "logs",
        endpoint_url=server.endpoint,
        region_name="eu-west-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def wait_for(server: Server, name: str, words: str) -> None:
    """Until a function has printed ``words``."""
    logs, group = logs_of(server), f"/aws/lambda/{name}"

    def printed() -> bool:
        if not logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
            return False
        found = logs.filter_log_events(logGroupName=group)["events"]
        return any(words in each["message"] for each in found)

    until(printed)


def test_logs_are_searched_and_read(server: Server, cloud: Cloud) -> None:
    name = cloud.function(CODE)
    cloud.result(name, {"word": "before"})
    wait_for(server, name, "REPORT")
    group = ("--log-group-name", f"/aws/lambda/{name}")
    found = aws(server, "logs", "describe-log-groups", "--log-group-name-prefix", group[1])
    assert [each["logGroupName"] for each in found["logGroups"]] == [group[1]]
    every = json.dumps(aws(server, "logs", "filter-log-events", *group))
    assert "it says before" in every
    assert "REPORT" in every
    searched = json.dumps(
        aws(server, "logs", "filter-log-events", *group, "--filter-pattern", "before")
    )
    assert "it says before" in searched
    assert "REPORT" not in searched
    (stream,) = aws(server, "logs", "describe-log-streams", *group)["logStreams"]
    read = aws(
        server, "logs", "get-log-events", *group, "--log-stream-name", stream["logStreamName"]
    )
    assert [each["message"].split(" ")[0] for each in read["events"]][:2] == ["INIT_START", "START"]


def follow(logs: Any, group: str, since: int) -> Iterator[str]:
    """Messages as ``aws logs tail --follow`` asks for them: the same calls, in the same order."""
    asked: dict[str, Any] = {
        "logGroupName": group,
        "startTime": since,
        "interleaved": True,
        "filterPattern": "",
    }
    seen: set[str] = set()
    while True:
        answer = logs.filter_log_events(**asked)
        for event in answer["events"]:
            if event["eventId"] not in seen:
                seen.add(event["eventId"])
                yield event["message"]
        asked.pop("nextToken", None)
        if "nextToken" in answer:
            asked["nextToken"] = answer["nextToken"]
        elif answer["events"]:
            asked["startTime"] = answer["events"][-1]["timestamp"]


def test_a_tail_follows_what_is_printed_meanwhile(server: Server, cloud: Cloud) -> None:
    name = cloud.function(CODE)
    cloud.result(name, {"word": "0"})
    wait_for(server, name, "it says 0")
    messages = follow(logs_of(server), f"/aws/lambda/{name}", 0)
    told = [next(messages) for _ in range(5)]
    for number in range(1, 4):
        cloud.result(name, {"word": str(number)})
        while f"it says {number}" not in told:
            told.append(next(messages))
    assert [line for line in told if line.startswith("it says")] == [
        f"it says {number}" for number in range(4)
    ]


def is_second_version() -> bool:
    """Whether the CLI on the search path is version 2, which alone has ``logs tail``; it is not on
    PyPI."""
    found = shutil.which("aws")
    if found is None:
        return False
    said = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=30).stdout
    return said.startswith("aws-cli/2")


@pytest.mark.skipif(not is_second_version(), reason="needs AWS CLI 2, which PyPI does not have")
def test_the_second_cli_tails(server: Server, cloud: Cloud, tmp_path: Path) -> None:
    name = cloud.function(CODE)
    cloud.result(name, {"word": "before"})
    wait_for(server, name, "REPORT")
    said = tmp_path / "said"
    with said.open("wb") as file:
        process = subprocess.Popen(
            ["aws", "logs", "tail", f"/aws/lambda/{name}", "--follow"],
            env=environment(server),
            stdout=file,
        )
    try:
        until(lambda: "it says before" in said.read_text())
        cloud.result(name, {"word": "meanwhile"})
        until(lambda: "it says meanwhile" in said.read_text())
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)


def test_functions_are_invoked_asynchronously(server: Server, cloud: Cloud, tmp_path: Path) -> None:
    name = cloud.function(CODE)
    event = tmp_path / "event.json"
    event.write_text('{"word": "later"}')
    answer = aws(
        server, "lambda", "invoke-async", "--function-name", name, "--invoke-args", str(event)
    )
    assert answer == {"Status": 202}
    wait_for(server, name, "it says later")


def test_a_response_is_streamed(cloud: Cloud) -> None:
    name = cloud.function(CODE)
    answer = cloud.client.invoke_with_response_stream(
        FunctionName=name, Payload=b'{"word": "streamed"}'
    )
    events = list(answer["EventStream"])
    body = b"".join(each["PayloadChunk"]["Payload"] for each in events[:-1])
    assert json.loads(body) == {"word": "streamed"}
    assert "InvokeComplete" in events[-1]
