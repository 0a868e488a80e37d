"""Extensions that attack the server which runs them: it goes on, and keeps nothing of them."""

from __future__ import annotations

from typing import Any

from tests.e2e.server import Cloud, zipped

BEGIN = """#!/var/lang/bin/python3.11 -S
import http.client, json, os, signal, socket, sys, threading, time

def call(method, path, body=None, **headers):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    sent = {"Lambda-Extension-" + k.replace("_", "-"): v for k, v in headers.items()}
    connection.request(method, path, body and json.dumps(body), sent)
    answer = connection.getresponse()
    return answer, answer.read()

def register(*events):
    answer, _ = call("POST", "/2020-01-01/extension/register", {"events": events},
                     Name=os.path.basename(sys.argv[0]))
    return answer.headers["Lambda-Extension-Identifier"]

def wait():
    return call("GET", "/2020-01-01/extension/event/next", Identifier=me)[1]
"""

# The shell that watches over the processes reads its orders from descriptor 7, and says who has
# ended on descriptor 8.
MEDDLE = (
    BEGIN
    + """
me = register("INVOKE", "SHUTDOWN")
wait()
for pid in [int(each) for each in os.listdir("/proc") if each.isdigit()]:
    for place, flood in ((8, b"r \\xb2\\n" + b"1" * 8000 + b"\\n"), (7, b"x" * 65536)):
        path = "/proc/%d/fd/%d" % (pid, place)
        try:
            if not os.readlink(path).startswith("pipe:") or pid == os.getpid():
                continue
            os.kill(pid, signal.SIGSTOP)
            pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
            while True:
                os.write(pipe, flood)
                if place == 8:
                    break
        except OSError:
            pass
time.sleep(600)
"""
)

NONSENSE = (
    BEGIN
    + """
def answer(listener):
    while True:
        taken, _ = listener.accept()
        taken.recv(65536)
        taken.sendall(b"nonsense\\r\\n\\r\\n")
listener = socket.create_server(("127.0.0.1", 8080))
threading.Thread(target=answer, args=(listener,), daemon=True).start()
me = register("INVOKE", "SHUTDOWN")
call("PUT", "/2022-07-01/telemetry", {
    "schemaVersion": "2022-12-13", "types": ["platform", "function", "extension"],
    "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:8080/"},
    "buffering": {"timeoutMs": 25},
}, Identifier=me)
while b"SHUTDOWN" not in wait():
    pass
"""
)

PLAIN = (
    BEGIN
    + """
me = register("INVOKE")
while True:
    wait()
"""
)

SLEEPER = """
import time

def handler(event, context):
    time.sleep((event or {}).get("sleep", 0))
    return "done"
"""


def function(cloud: Cloud, files: dict[str, str], **more: Any) -> str:
    members: dict[str, str | bytes] = {f"extensions/{name}": text for name, text in files.items()}
    layer = cloud.layer(zipped(members, modes=dict.fromkeys(members, 0o755)))
    return cloud.function(SLEEPER, layers=[layer], **more)


def test_filling_the_pipes_of_the_shell_holds_up_nobody(cloud: Cloud) -> None:
    name = function(cloud, {"meddler": MEDDLE}, Timeout=2)
    timed_out = cloud.invoke(name, {"sleep": 60})
    assert timed_out.payload["errorType"] == "Sandbox.Timedout"
    other = cloud.function(SLEEPER)
    assert cloud.result(other) == "done"


def test_telemetry_answered_with_nonsense_leaves_nothing_running(cloud: Cloud) -> None:
    name = function(cloud, {"nonsense": NONSENSE}, Timeout=3)
    assert cloud.result(name) == "done"
    timed_out = cloud.invoke(name, {"sleep": 60})
    assert timed_out.payload["errorType"] == "Sandbox.Timedout"
    assert cloud.result(name) == "done"


def test_more_extensions_than_there_may_be_are_an_error_of_the_function(cloud: Cloud) -> None:
    name = function(cloud, {f"e{number:04}": PLAIN for number in range(11)}, Timeout=5)
    payload = cloud.invoke(name).payload
    assert payload["errorType"] == "Extension.TooManyExtensions"
    assert "Extension limit (10) reached (extension e0010 of " in payload["errorMessage"]
