"""The end of an environment: who is told, in which order, and who is waited for how long."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.server import Cloud, serving, zipped
from tests.e2e.test_faults import outermost_of_boxes, processes

HANDLER = """
import os, signal, sys, time

def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

def told(number, frame):
    say("runtime: SIGTERM")
    if os.environ.get("STUBBORN"):
        began = time.monotonic()
        while True:
            say("runtime: still here after", round(time.monotonic() - began, 1))
            time.sleep(0.1)
    sys.exit(0)

signal.signal(signal.SIGTERM, told)

def handler(event, context):
    say("handler ran")
"""
INTERNAL = """
import http.client, json, threading

def call(method, path, body=None, **headers):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    sent = {"Lambda-Extension-" + name: value for name, value in headers.items()}
    connection.request(method, "/2020-01-01/extension/" + path, body, sent)
    answer = connection.getresponse()
    return answer.headers, answer.read()

headers, _ = call("POST", "register", json.dumps({"events": ["INVOKE"]}), Name="within")
me = headers["Lambda-Extension-Identifier"]

def listen():
    while True:
        call("GET", "event/next", Identifier=me)

threading.Thread(target=listen, daemon=True).start()
"""
EXTENSION = """#!/var/lang/bin/python3.11 -S
import http.client, json, os, sys, time

def say(*words):
    os.write(1, ("extension: " + " ".join(map(str, words)) + "\\n").encode())

def call(method, path, body=None, **headers):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    sent = {"Lambda-Extension-" + name: value for name, value in headers.items()}
    connection.request(method, "/2020-01-01/extension/" + path, body, sent)
    answer = connection.getresponse()
    return answer.headers, answer.read()

events = os.environ.get("EVENTS", "INVOKE,SHUTDOWN").split(",")
headers, _ = call("POST", "register", json.dumps({"events": events}), Name=os.path.basename(sys.argv[0]))
while True:
    event = json.loads(call("GET", "event/next", Identifier=headers["Lambda-Extension-Identifier"])[1])
    if event["eventType"] != "SHUTDOWN":
        continue
    began = time.time()
    say(event["shutdownReason"], "left", round(event["deadlineMs"] / 1000 - began, 1))
    if not os.environ.get("DEAF"):
        break
    while True:
        say("still here after", round(time.time() - began, 1))
        time.sleep(0.1)
"""


CASES: dict[str, tuple[str, bool, dict[str, str]]] = {
    "alone": (HANDLER, False, {}),
    "external": (HANDLER, True, {}),
    "nobody ends": (HANDLER, True, {"STUBBORN": "1", "DEAF": "1"}),
    "internal": (HANDLER + INTERNAL, False, {}),
    "internal that stays": (HANDLER + INTERNAL, False, {"STUBBORN": "1"}),
    "external that is not told": (HANDLER, True, {"EVENTS": "INVOKE"}),
}
"""Code, whether there is an external extension, and variables."""
LATE = "late"


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What was printed in each case, in order; every environment was ended by an update, and
    `LATE` by its time-out."""
    data = tmp_path_factory.mktemp("shutdown") / "data"
    with serving(data, "--freeze-after", "0.02", "--preload", "off") as server:
        cloud = Cloud(server.endpoint)
        members: dict[str, str | bytes] = {"extensions/external": EXTENSION}
        layers = [cloud.layer(zipped(members, modes={"extensions/external": 0o755}))]
        names = {}
        for case, (code, has_layer, variables) in CASES.items():
            names[case] = name = cloud.function(
                code,
                layers=layers if has_layer else [],
                Environment={"Variables": {"NOTHING": "1", **variables}},
            )
            cloud.result(name)
        with processes(outermost_of_boxes(server)) as boxes:
            assert len(boxes) >= len(CASES)
            for name in names.values():
                cloud.client.update_function_configuration(FunctionName=name, Timeout=19)
            assert all(box.ended() for box in boxes)
        names[LATE] = cloud.function(HANDLER + "    time.sleep(60)\n", layers=layers, Timeout=1)
        assert cloud.invoke(names[LATE]).payload["errorType"] == "Sandbox.Timedout"
        assert server.stop() == 0
    return {case: printed(data, name) for case, name in names.items()}


def printed(data: Path, name: str) -> list[str]:
    """What the handler and the extension of a function printed."""
    texts = [
        json.loads(line)["message"].strip()
        for path in sorted((data / "logs").rglob("*.jsonl"))
        if name in str(path)
        for line in path.read_text().splitlines()
    ]
    return [text for text in texts if text.startswith(("handler", "runtime:", "extension:"))]


def longest(lines: list[str], who: str) -> float:
    """The last that somebody stubborn said of how long it was still there."""
    return max(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"{who}: still"))


def test_without_extensions_the_end_is_a_sigkill(said: dict[str, list[str]]) -> None:
    assert said["alone"] == ["handler ran"]


def test_beside_an_external_extension_the_runtime_gets_sigterm_first(
    said: dict[str, list[str]],
) -> None:
    first, second, third = said["external"]
    assert (first, second) == ("handler ran", "runtime: SIGTERM")
    told, left = third.rsplit(" ", 1)
    assert told == "extension: spindown left"
    assert float(left) <= 2.0


def test_who_does_not_end_is_killed_at_the_deadline(said: dict[str, list[str]]) -> None:
    lines = said["nobody ends"]
    (told,) = (line for line in lines if line.startswith("extension: spindown"))
    assert float(told.rsplit(" ", 1)[1]) <= 1.4  # the runtime took its share
    assert longest(lines, "runtime") >= 0.2
    assert longest(lines, "extension") >= 0.5
    # the extension is told when the runtime is gone
    assert not any(line.startswith("runtime") for line in lines[lines.index(told) :])


def test_an_internal_extension_gives_the_runtime_a_moment(said: dict[str, list[str]]) -> None:
    assert said["internal"] == ["handler ran", "runtime: SIGTERM"]
    assert said["internal that stays"][:2] == ["handler ran", "runtime: SIGTERM"]
    assert longest(said["internal that stays"], "runtime") >= 0.1


def test_an_extension_that_did_not_ask_for_it_is_not_told(said: dict[str, list[str]]) -> None:
    assert said["external that is not told"] == ["handler ran", "runtime: SIGTERM"]


def test_after_a_timeout_the_runtime_is_killed_and_extensions_are_told(
    said: dict[str, list[str]],
) -> None:
    first, told = said[LATE]
    assert first == "handler ran"
    assert told.startswith("extension: timeout left")
