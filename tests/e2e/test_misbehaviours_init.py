"""What a runtime may do wrong while it initialises, and while it streams its answer."""

from __future__ import annotations

import json
import re

import pytest

from tests.e2e.misbehaving import Ground, Row, check, living, recovers, rows
from tests.e2e.queues import until

EXIT, ILLEGAL = "Runtime.ExitError", "InvalidStateTransition"
OWN = '{"errorType":"Own","errorMessage":"m"}'
FAIL = (
    f"ask('POST', RUNTIME + 'init/error', b'{OWN}', Lambda_Runtime_Function_Error_Type='Own.Init')"
)


def reports(kind: str) -> tuple[str, ...]:
    """The lines of an INIT that fails ahead, and again within the invocation."""
    return tuple(
        rf"INIT_REPORT Init Duration: [0-9.]+ ms\\tPhase: {phase}\\tStatus: error\\tError Type: {kind}\\n"
        for phase in ("init", "invoke")
    )


def ended(fault: str, how: str) -> Row:
    return Row(fault=fault, error=EXIT, message=f" Error: {how}", starts=3, log=reports(EXIT))


TWICE = {
    "exits with 0": ended("os._exit(0)", "Runtime exited without providing a reason"),
    "exits with 4": ended("os._exit(4)", "Runtime exited with error: exit status 4"),
    "is killed": ended("os.kill(os.getpid(), 9)", "Runtime exited with error: signal: killed"),
    "reports an error": Row(
        fault=f"{FAIL}; os._exit(1)",
        error="Own",
        message="m",
        starts=3,
        log=reports("Own.Init"),
    ),
    "reports an error twice": Row(
        fault=f"{FAIL}; note({FAIL}); os._exit(1)",
        error="Own",
        message="m",
        starts=3,
        seen=[[403, ILLEGAL]] * 2,
    ),
    "reports an error and asks for work": Row(
        fault=f"{FAIL}; note(ask('GET', RUNTIME + 'invocation/next')); os._exit(1)",
        error="Own",
        message="m",
        starts=3,
        seen=[[403, ILLEGAL]] * 2,
    ),
    "reports an error and lives on": Row(
        fault=f"{FAIL}; time.sleep(600)", error="Own", message="m", starts=3, timeout=20
    ),
    "is cut off in its error and gives it again": Row(
        fault="with connect() as line:\n"
        "    line.sendall(f'POST {RUNTIME}init/error HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 9\\r\\n\\r\\nha'.encode())\n"
        "    line.shutdown(socket.SHUT_WR)\n"
        "    note(read(line))\n"
        f"note({FAIL}); os._exit(1)",
        error="Own",
        message="m",
        starts=3,
        seen=[0, 202, 0, 202],
        log=reports("Own.Init"),
    ),
    "closes its connection half way through an error": ended(
        "with connect() as line:\n"
        "    line.sendall(f'POST {RUNTIME}init/error HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 9\\r\\n\\r\\nha'.encode())\n"
        "os._exit(2)",
        "Runtime exited with error: exit status 2",
    ),
}


@pytest.mark.parametrize("row", rows(TWICE))
def test_a_runtime_that_cannot_initialise(ground: Ground, row: Row) -> None:
    with ground.function(row, INIT=row.fault, TIMES="2") as name:
        check(ground, row, name, {})


ONCE = {
    "exits": Row(fault="os._exit(3)", starts=2, log=reports(EXIT)[:1]),
    "reports an error": Row(fault=f"{FAIL}; os._exit(1)", starts=2, log=reports("Own.Init")[:1]),
    "answers before it asks": Row(
        fault="note(post('response')); note(post('error'))", seen=[[400, "InvalidRequestID"]] * 2
    ),
    "asks and hangs up": Row(
        fault="with connect() as line:\n    send(line, 'GET', RUNTIME + 'invocation/next')"
    ),
    "closes its input and output": Row(fault="os.closerange(0, 3)"),
    "leaves a child that holds its output": Row(
        fault="subprocess.Popen(['/bin/sleep', '600'], start_new_session=True)"
    ),
}


@pytest.mark.parametrize("row", rows(ONCE))
def test_a_runtime_that_initialises_badly_once(ground: Ground, row: Row) -> None:
    with ground.function(row, INIT=row.fault, TIMES="1") as name:
        recovers(ground, row, name)


@pytest.mark.slow
def test_an_init_that_never_ends_is_done_again_within_the_invocation(ground: Ground) -> None:
    timeout = (r"INIT_REPORT Init Duration: [0-9.]+ ms\\tPhase: init\\tStatus: timeout\\n",)
    row = Row(fault="time.sleep(600)", starts=2, log=timeout)
    with ground.function(row, INIT=row.fault, TIMES="1") as name:
        recovers(ground, row, name)


@pytest.mark.slow
def test_an_init_that_never_ends_again_is_a_timeout(ground: Ground) -> None:
    row = Row(
        fault="time.sleep(600)",
        error="Sandbox.Timedout",
        message="Error: Task timed out after 2.00 seconds",
        starts=3,
        timeout=2,
    )
    with ground.function(row, INIT=row.fault, TIMES="2") as name:
        check(ground, row, name, {})


# With leave from the server, so that it has begun to hand the answer on when the rest goes wrong.
BEGIN = """line = connect()
line.sendall(head('Lambda-Runtime-Function-Response-Mode: streaming', 'Transfer-Encoding: chunked',
    'Expect: 100-continue'))
read(line)
line.sendall(b'4\\r\\nhalf\\r\\n')
"""
STREAMS = {
    "exits half way": Row(
        fault=BEGIN + "os._exit(3)", error=EXIT, message="exit status 3", starts=2
    ),
    "is killed half way": Row(
        fault=BEGIN + "os.kill(os.getpid(), 9)", error=EXIT, message="signal: killed", starts=2
    ),
    "hangs half way": Row(
        fault=BEGIN + "time.sleep(600)",
        error="Sandbox.Timedout",
        message="Task timed out after 2.00 seconds",
        starts=2,
        timeout=2,
    ),
    "hangs up half way": Row(
        fault=BEGIN + "line.close(); time.sleep(600)",
        error="Runtime.TruncatedResponse",
        message="Response was truncated.",
        starts=2,
    ),
    "sends a malformed chunk": Row(
        fault=BEGIN + "line.sendall(b'zz\\r\\n'); note(read(line)); time.sleep(600)",
        error="Runtime.TruncatedResponse",
        message="Response was truncated.",
        starts=2,
        seen=[0],
    ),
    "is cut off in its trailers": Row(
        fault=BEGIN
        + "line.sendall(b'0\\r\\nLambda-Runtime-Function-Error-Type: Own\\r\\nLambda-Run'); line.close()\n"
        "time.sleep(600)",
        error="Runtime.TruncatedResponse",
        message="Response was truncated.",
        starts=2,
    ),
    "ends with an error that is no base64": Row(
        fault=BEGIN + "line.sendall(b'0\\r\\nLambda-Runtime-Function-Error-Type: Own\\r\\n"
        'Lambda-Runtime-Function-Error-Body: {"errorMessage":"m"}\\r\\n\\r\\n\'); note(read(line))',
        error="Own",
        message="m",
        seen=[202],
    ),
    "never ends": Row(
        fault=BEGIN + "while True:\n    line.sendall(b'4\\r\\nhalf\\r\\n'); time.sleep(0.01)",
        error="Sandbox.Timedout",
        message="Task timed out after 2.00 seconds",
        starts=2,
        timeout=2,
    ),
    "answers again while it streams": Row(
        fault=BEGIN + "note(post('response')); note(post('error'))\n"
        "line.sendall(b'0\\r\\n\\r\\n'); note(read(line))",
        seen=[[403, ILLEGAL], [403, ILLEGAL], 202],
    ),
}


@pytest.mark.parametrize("row", rows(STREAMS))
def test_a_runtime_that_streams_wrongly(ground: Ground, row: Row) -> None:
    with ground.function(row) as name:
        answer = ground.cloud.client.invoke_with_response_stream(
            FunctionName=name, Payload=json.dumps({"fault": row.fault}).encode()
        )
        *chunks, last = answer["EventStream"]
        payload = b"".join(each["PayloadChunk"]["Payload"] for each in chunks)
        # The end of a process may be seen before the last that it wrote.
        assert re.fullmatch(b"(half)*" if row.error == EXIT else b"(half)+", payload)
        complete = last["InvokeComplete"]
        assert complete.get("ErrorCode") == row.error
        if row.error is not None:
            message = json.loads(complete["ErrorDetails"])["errorMessage"]
            assert message.endswith(row.message), message
        recovers(ground, row, name)


def test_a_runtime_that_dies_while_idle_is_cleared_away_before_anybody_calls(
    ground: Ground,
) -> None:
    row = Row(fault="post('response'); os._exit(4)", starts=2)
    with ground.function(row) as name:
        assert ground.cloud.result(name, {"fault": row.fault}) == "answered"
        until(lambda: not living(name))
        recovers(ground, row, name)
