"""What a runtime may do wrong while it is invoked: its caller learns what AWS's would, and the next
invocation goes well."""

from __future__ import annotations

import json

import pytest

from tests.e2e.misbehaving import Ground, Row, check, recovers, rows

EXIT, ILLEGAL = "Runtime.ExitError", "InvalidStateTransition"
TIMEOUT, TIMED_OUT = "Sandbox.Timedout", "Error: Task timed out after 2.00 seconds"
LIMIT = 6_291_556


def ended(fault: str, how: str) -> Row:
    """A fault that ends the runtime: the next invocation starts it anew."""
    return Row(fault=fault, error=EXIT, message=f" Error: {how}", starts=2)


def status(code: int | str) -> str:
    return (
        f"Runtime exited with error: {'exit status' if isinstance(code, int) else 'signal:'} {code}"
    )


ENDS = {
    "exits with 0": ended("os._exit(0)", "Runtime exited without providing a reason"),
    "exits with 3": ended("os._exit(3)", status(3)),
    "raises": ended("raise ValueError('no')", status(1)),
    "is killed": ended("os.kill(os.getpid(), 9)", status("killed")),
    "aborts": ended("os.abort()", status("aborted")),
    "runs into a segmentation fault": ended(
        "os.kill(os.getpid(), signal.SIGSEGV)", status("segmentation fault")
    ),
    "is terminated by itself": ended("os.kill(os.getpid(), 15)", status("terminated")),
    "exits half way through its answer": ended(
        "with connect() as line:\n"
        "    line.sendall(head('Content-Length: 100') + b'half')\n"
        "    os._exit(5)",
        status(5),
    ),
    "leaves a daemon that holds its output": ended(
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        "        time.sleep(600)\n"
        "    os._exit(0)\n"
        "os._exit(6)",
        status(6),
    ),
    "forks until it may not": Row(
        fault="try:\n"
        "    while os.fork():\n"
        "        pass\n"
        "    signal.pause()\n"
        "except OSError:\n"
        "    os._exit(7)",
        error=EXIT,
        message=status(7),
        starts=2,
        memory=2_048,
        timeout=30,
    ),
    "takes more memory than there is": Row(
        fault="held = []\nwhile True:\n    held.append(b'x' * 4_000_000)",
        error=EXIT,
        message=status("killed"),
        starts=2,
        memory=128,
    ),
}

HANGS = {
    "sleeps": "time.sleep(600)",
    "ignores signals": "for each in range(1, 32):\n"
    "    if each not in (9, 19):\n"
    "        signal.signal(each, signal.SIG_IGN)\n"
    "time.sleep(600)",
    "stops itself": "os.kill(os.getpid(), signal.SIGSTOP)",
    "spins": "while True:\n    pass",
    "becomes another program": "os.execv('/bin/sleep', ['sleep', '600'])",
    "asks again and again in place of an answer": "",
    "never ends its answer": "with connect() as line:\n"
    "    line.sendall(head('Transfer-Encoding: chunked'))\n"
    "    while True:\n"
    "        line.sendall(b'1\\r\\nx\\r\\n')\n"
    "        time.sleep(0.01)",
    "never ends its head": "with connect() as line:\n"
    "    line.sendall(head()[:-2])\n"
    "    while True:\n"
    "        line.sendall(b'X: y\\r\\n')\n"
    "        time.sleep(0.01)",
    "promises more than it sends": "with connect() as line:\n"
    "    line.sendall(head('Content-Length: 100') + b'half')\n"
    "    time.sleep(600)",
}

ANSWERS = {
    "answers twice": Row(
        fault="post('response'); note(post('response', b'2'))", seen=[[403, ILLEGAL]]
    ),
    "answers and then fails": Row(
        fault="post('response'); note(post('error', b'{}'))", seen=[[403, ILLEGAL]]
    ),
    "fails and then answers": Row(
        fault='post(\'error\', b\'{"errorType":"Own","errorMessage":"m"}\','
        "Lambda_Runtime_Function_Error_Type='Own'); note(post('response'))",
        error="Own",
        message="m",
        seen=[[403, ILLEGAL]],
    ),
    "answers the invocation before": Row(
        fault="before = ID; post('response')\n"
        "send(LINE, 'GET', RUNTIME + 'invocation/next')\n"
        "answer = read(LINE)\n"
        "note(post('response', of=before))\n"
        "serve(*answer)",
        seen=[[400, "InvalidRequestID"]],
    ),
    "answers an invocation that never was": Row(
        fault="note(post('response', of='00000000-0000-0000-0000-000000000000'))\n"
        "note(post('error', of='x' * 60_000)); note(post('response', of='%2e%2e')); post('response')",
        seen=[[400, "InvalidRequestID"]] * 3,
    ),
    "answers too much": Row(
        fault=f"note(post('response', b'\"' + b'x' * {LIMIT - 1} + b'\"'))",
        error="Function.ResponseSizeTooLarge",
        message=f"Response payload size exceeded maximum allowed payload size ({LIMIT} bytes).",
        seen=[[413, "RequestEntityTooLarge"]],
    ),
    "fails with too much": Row(
        fault=f"note(post('error', b'x' * {LIMIT + 1}))",
        error="Function.ResponseSizeTooLarge",
        message=f"Response payload size exceeded maximum allowed payload size ({LIMIT} bytes).",
        seen=[[413, "RequestEntityTooLarge"]],
    ),
    "answers without end": Row(
        fault="line = connect()\n"
        "line.sendall(head('Transfer-Encoding: chunked'))\n"
        "try:\n"
        "    for _ in range(2_000):\n"
        "        line.sendall(b'10000\\r\\n' + bytes(65_536) + b'\\r\\n')\n"
        "except ConnectionError:\n"
        "    note('cut')",
        error="Function.ResponseSizeTooLarge",
        message=f"Response payload size exceeded maximum allowed payload size ({LIMIT} bytes).",
        seen=["cut"],
    ),
    "answers nothing": Row(fault="note(post('response', b''))", payload=None, seen=[202]),
    "is cut off and answers again": Row(
        fault="with connect() as line:\n"
        "    line.sendall(head('Content-Length: 100') + b'half')\n"
        "    line.shutdown(socket.SHUT_WR)\n"
        "    note(read(line))\n"
        "note(post('response'))",
        seen=[0, 202],
    ),
    "resets its connection and answers again": Row(
        fault="line = connect()\n"
        "line.sendall(head('Content-Length: 100') + b'half')\n"
        "line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))\n"
        "line.close()\n"
        "answer = 0, {}, b''\n"
        "while answer[0] != 202:\n"
        "    answer = post('response')",
    ),
    "streams to nobody and ends with an error": Row(
        fault="note(raw(head('Lambda-Runtime-Function-Response-Mode: streaming', 'Transfer-Encoding: chunked',"
        "'Trailer: Lambda-Runtime-Function-Error-Type') + b'4\\r\\nhalf\\r\\n0\\r\\n'"
        "b'Lambda-Runtime-Function-Error-Type: Own\\r\\nLambda-Runtime-Function-Error-Body: '"
        'b"eyJlcnJvclR5cGUiOiJPd24iLCJlcnJvck1lc3NhZ2UiOiJtIn0=\\r\\n\\r\\n"))',
        error="Own",
        message="m",
        seen=[202],
    ),
    "is cut off in its trailers": Row(
        fault="note(raw(head('Transfer-Encoding: chunked') + b'4\\r\\nhalf\\r\\n0\\r\\n\\0: \\r\\n'))\n"
        "post('response')",
        seen=[0],
    ),
}

HTTP = {
    "speaks no HTTP": Row(
        fault="note(raw(b'\\x16\\x03\\x01\\x00\\xa5' + bytes(range(256)))); post('response')",
        seen=[0],
    ),
    "sends a head of more than a megabyte": Row(
        fault="note(raw(head()[:-2] + b'X: ' + b'y' * 1_400_000)); post('response')", seen=[431]
    ),
    "uses wrong methods": Row(
        fault="for method, path in (('DELETE', 'invocation/next'), ('POST', 'invocation/next'), ('GET', f'invocation/{ID}/response'), ('PUT', 'init/error')):\n"
        "    note(ask(method, RUNTIME + path))\n"
        "post('response')",
        seen=[405] * 4,
    ),
    "asks for wrong addresses": Row(
        fault="for path in ('/', '/2018-06-01/runtime', '/2015-03-31/runtime/invocation/next', RUNTIME + 'invocation/next/', RUNTIME + 'restore/next', f'{RUNTIME}invocation/{ID}/respond', '*', '//', '/../../etc/passwd'):\n"
        "    note(ask('GET', path))\n"
        "post('response')",
        seen=[404] * 9,
    ),
    "sends malformed chunks": Row(
        fault="for chunk in (b'zz\\r\\nhalf\\r\\n', b'-4\\r\\nhalf\\r\\n', b'f' * 17 + b'\\r\\nx'):\n"
        "    note(raw(head('Transfer-Encoding: chunked') + chunk))\n"
        "post('response')",
        seen=[0] * 3,
    ),
    "sends lengths that are none": Row(
        fault="for length in ('-1', 'x', '9' * 30):\n"
        "    note(raw(head(f'Content-Length: {length}') + b'half'))\n"
        "note(raw(head('Content-Length: 4', 'Transfer-Encoding: chunked') + b'half'))\n"
        "post('response')",
        seen=[0] * 4,
    ),
    "sends more than it promised": Row(
        fault="with connect() as line:\n"
        "    line.sendall(head('Content-Length: 10') + b'\"answered\"' + b'\\0' * 100)\n"
        "    note(read(line)[0] in (0, 202))",
        seen=[True],
    ),
    "asks a hundred times in one breath": Row(
        fault="line = connect()\n"
        "line.sendall((b'GET /nothing HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n') * 100)\n"
        "while line.recv(65536) if not select.select([], [], [], 0)[0] else b'':\n"
        "    pass\n"
        "post('response')",
    ),
    "wants another protocol": Row(
        fault="note(raw(b'GET / HTTP/1.1\\r\\nHost: x\\r\\nConnection: Upgrade\\r\\nUpgrade: h2c\\r\\n\\r\\n'))\n"
        "post('response')",
        seen=[404],
    ),
    "waits for leave to send and takes it": Row(
        fault="with connect() as line:\n"
        "    line.sendall(head('Content-Length: 10', 'Expect: 100-continue'))\n"
        "    note(read(line)); line.sendall(b'\"answered\"'); note(read(line))",
        seen=[100, 202],
    ),
    # Whether both get the next one, or the earlier is dropped before, is a matter of when it comes.
    "asks for the next twice at once": Row(
        fault="post('response'); LINE.close()\n"
        "two = [connect(), connect()]\n"
        "for each in two:\n"
        "    send(each, 'GET', RUNTIME + 'invocation/next')\n"
        "answers = [(read(each), each) for each in two]\n"
        "served, LINE = next(each for each in reversed(answers) if each[0][0] == 200)\n"
        "serve(*served)",
    ),
    "asks behind an open question": Row(
        fault="post('response'); LINE.close()\n"
        "note(raw(b'GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n' * 2)[0] in (0, 200))\n"
        "LINE = connect()",
        seen=[True],
    ),
    "reports an init error too late": Row(
        fault="note(ask('POST', RUNTIME + 'init/error', b'{}')); post('response')\n"
        "note(ask('POST', RUNTIME + 'init/error', b'{}'))",
        seen=[[403, ILLEGAL]] * 2,
    ),
    "holds every connection there is": Row(
        fault="held = [connect() for _ in range(300)]\n"
        "send(LINE, 'POST', f'{RUNTIME}invocation/{ID}/response', b'\"answered\"')\n"
        "note(read(LINE))\n"
        "for each in held:\n"
        "    each.close()",
        seen=[202],
    ),
}

AROUND = {
    "exits after its answer": Row(fault="post('response'); os._exit(4)", starts=2),
    "closes every descriptor": Row(
        fault="os.closerange(0, 1024)\npost('response')\nLINE = connect()",
    ),
    "floods its output": Row(
        fault="for _ in range(64):\n    os.write(1, b'y' * 65_536)\n    os.write(2, b'n\\n' * 32_768)\n"
        "post('response')",
        log=("yyyyyyyy", r"n\\n"),
        timeout=30,
    ),
    "fills its tmp": Row(
        fault="file = open('/tmp/full', 'wb')\n"
        "try:\n"
        "    os.posix_fallocate(file.fileno(), 0, 600_000_000)\n"
        "    while True:\n"
        "        file.write(bytes(1_000_000))\n"
        "except OSError as error:\n"
        "    post('response', str(error.errno).encode())",
        payload=28,
    ),
    "kills whatever it can": Row(
        fault="beside = subprocess.Popen(['/bin/sleep', '600'])\n"
        "os.kill(1, 9)\n"
        "os.kill(-1, 9)\n"
        "note(beside.wait()); post('response')",
        seen=[-9],
    ),
    "writes nonsense into its log": Row(
        fault="log = int(os.environ['_LAMBDA_TELEMETRY_LOG_FD'])\n"
        "for size in (0xffffffff, 0, 70_000):\n"
        "    os.write(log, struct.pack('>IIQ', 0xa55a000f, size, 2**64 - 1) + b'first\\n')\n"
        "os.write(log, bytes(range(256)) * 16)\n"
        "os.write(log, b'\\xa5\\x5a\\x00')\n"
        "post('response')",
        log=("first", "REPORT RequestId"),
    ),
    "gives an error without a type": Row(
        fault='note(post(\'error\', b\'{"errorType":"","errorMessage":"m"}\'))',
        error="",
        message="m",
        seen=[202],
    ),
}


@pytest.mark.parametrize("row", rows(ENDS))
def test_a_runtime_that_ends(ground: Ground, row: Row) -> None:
    with ground.function(row) as name:
        check(ground, row, name, {"fault": row.fault})


@pytest.mark.parametrize(
    "fault", [pytest.param(f, id=n.replace(" ", "-")) for n, f in HANGS.items()]
)
def test_a_runtime_that_does_not_answer_in_time(ground: Ground, fault: str) -> None:
    row = Row(
        fault=fault or "pass",
        error=TIMEOUT,
        message=TIMED_OUT,
        starts=2,
        timeout=2,
        log=("Status: timeout",),
    )
    with ground.function(row) as name:
        check(ground, row, name, {"fault": row.fault})


@pytest.mark.parametrize("row", rows(ANSWERS))
def test_a_runtime_that_answers_wrongly(ground: Ground, row: Row) -> None:
    with ground.function(row) as name:
        check(ground, row, name, {"fault": row.fault})


@pytest.mark.parametrize("row", rows(HTTP))
def test_a_runtime_that_asks_wrongly(ground: Ground, row: Row) -> None:
    with ground.function(row) as name:
        check(ground, row, name, {"fault": row.fault})


@pytest.mark.parametrize("row", rows(AROUND))
def test_a_runtime_that_does_other_harm(ground: Ground, row: Row) -> None:
    with ground.function(row) as name:
        check(ground, row, name, {"fault": row.fault})


def test_what_is_no_json_is_handed_on_as_it_is(ground: Ground) -> None:
    row = Row(fault=r"note(post('response', b'{no json \xff\0'))", seen=[202])
    with ground.function(row) as name:
        answer = ground.cloud.client.invoke(
            FunctionName=name, Payload=json.dumps({"fault": row.fault}).encode()
        )
        assert "FunctionError" not in answer
        assert answer["Payload"].read() == b"{no json \xff\0"
        recovers(ground, row, name)
