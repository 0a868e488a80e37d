"""What an extension may do wrong, beside a runtime that does all well."""

from __future__ import annotations

import re

import pytest

from tests.e2e.misbehaving import Ground, Row, check, living, recovers, rows
from tests.e2e.queues import until
from tests.e2e.server import zipped

CRASH, STATE = "Extension.Crash", "Extension.InvalidExtensionState"
WAIT = "time.sleep(600)"


INIT = {
    "exits before it registers": ("sys.exit(3)", CRASH, "exit code 3", 1),
    "exits well before it registers": ("sys.exit(0)", CRASH, "exit code 0", 1),
    "is killed before it registers": ("os.kill(os.getpid(), 9)", CRASH, "signal: 9", 1),
    "exits after it registered": ("register(); sys.exit(4)", CRASH, "exit code 4", None),
    "leaves a daemon in its place": (
        "register()\nif os.fork():\n    os._exit(0)\nos.setsid(); time.sleep(600)",
        CRASH,
        "exit code 0",
        None,
    ),
    "reports an init error": (
        "note(fail('init', register())); sys.exit(1)",
        "Extension.InitError",
        "Extension.Own",
        None,
    ),
    "reports an init error and lives on": (
        f"fail('init', register()); {WAIT}",
        "Extension.InitError",
        "Extension.Own",
        None,
    ),
    "reports an exit error before it is ready": (
        f"fail('exit', register()); {WAIT}",
        "Extension.ExitError",
        "Extension.Own",
        None,
    ),
    "holds every connection there is": (
        "held = [connect() for _ in range(300)]\n"
        "send(held[0], 'POST', EXTENSION + 'register', b'{}', Lambda_Extension_Name=NAME)\n" + WAIT,
        "Runtime.ExitError",
        "",
        None,
    ),
}


@pytest.mark.parametrize(
    ("fault", "error", "message", "starts"),
    [pytest.param(*each, id=name.replace(" ", "-")) for name, each in INIT.items()],
)
def test_an_extension_that_init_fails_of(
    ground: Ground, fault: str, error: str, message: str, starts: int | None
) -> None:
    """Twice: ahead, and again within the invocation. Where the runtime was started before the
    extension failed is a matter of who was faster."""
    row = Row(fault=fault)
    with ground.function(row, layers=(ground.layer,), EXTENSION=fault, TIMES="2") as name:
        bad = ground.cloud.invoke(name, {})
        assert (bad.error, bad.payload["errorType"]) == ("Unhandled", error), bad.payload
        if error.startswith("Extension"):
            end = f" Error: {message} (extension beside of {ground.layer})"
            assert bad.payload["errorMessage"].endswith(end), bad.payload
        good = ground.cloud.result(name, {})
        assert starts in (None, good["starts"]), good
        until(lambda: len(living(name)) == 1)
        kind = re.escape(error)
        until(
            lambda: re.search(
                rf"Phase: init\\tStatus: error\\tError Type: {kind}", ground.log(name)
            )
        )
        until(
            lambda: re.search(
                rf"Phase: invoke\\tStatus: error\\tError Type: {kind}", ground.log(name)
            )
        )


INVOKED = {
    "dies": ("me = register(); wait(me); sys.exit(5)", CRASH, "exit code 5"),
    "is killed": ("me = register(); wait(me); os.kill(os.getpid(), 9)", CRASH, "signal: 9"),
    "reports an exit error": (
        "me = register(); wait(me); note(fail('exit', me)); sys.exit(1)",
        "Extension.ExitError",
        "Extension.Own",
    ),
    "reports an exit error and lives on": (
        f"me = register(); wait(me); fail('exit', me); {WAIT}",
        "Extension.ExitError",
        "Extension.Own",
    ),
}


@pytest.mark.parametrize(
    ("fault", "error", "message"),
    [pytest.param(*each, id=name.replace(" ", "-")) for name, each in INVOKED.items()],
)
def test_an_extension_that_fails_while_the_runtime_works(
    ground: Ground, fault: str, error: str, message: str
) -> None:
    row = Row(
        fault=WAIT,
        error=error,
        message=f" Error: {message} (extension beside of {ground.layer})",
        starts=2,
        seen=[202] if "note" in fault else [],
        log=("Status: error",),
    )
    with ground.function(row, layers=(ground.layer,), EXTENSION=fault, TIMES="1") as name:
        check(ground, row, name, {"fault": row.fault})


def test_an_extension_that_kills_everybody(ground: Ground) -> None:
    fault = (
        "me = register(); wait(me)\nfor _ in range(3):\n    os.kill(-1, 9)\nos.kill(os.getpid(), 9)"
    )
    row = Row(fault=WAIT)
    with ground.function(row, layers=(ground.layer,), EXTENSION=fault, TIMES="1") as name:
        bad = ground.cloud.invoke(name, {"fault": WAIT})
        assert bad.payload["errorType"] in (CRASH, "Runtime.ExitError"), bad.payload
        recovers(ground, Row(fault="", starts=2), name)


def test_an_extension_that_dies_while_idle_ends_the_rest_at_once(ground: Ground) -> None:
    fault = (
        "me = register(); wait(me)\nline = connect()\n"
        "send(line, 'GET', EXTENSION + 'event/next', Lambda_Extension_Identifier=me)\n"
        "time.sleep(0.02); os._exit(0)"
    )
    row = Row(fault="", starts=2)
    with ground.function(row, layers=(ground.layer,), EXTENSION=fault, TIMES="1") as name:
        assert ground.cloud.result(name, {})["starts"] == 1
        until(lambda: not living(name))
        recovers(ground, row, name)


TIMEOUTS = {
    "stops itself": "me = register(); wait(me); os.kill(os.getpid(), signal.SIGSTOP)",
    "never asks again": f"me = register(); wait(me); {WAIT}",
    "stops the runtime": "me = register(); wait(me)\n"
    "for each in os.listdir('/proc'):\n"
    "    if each.isdigit() and b'/var/task/bootstrap' in open(f'/proc/{each}/cmdline', 'rb').read():\n"
    "        os.kill(int(each), signal.SIGSTOP)\n" + WAIT,
}


@pytest.mark.parametrize(
    "fault", [pytest.param(f, id=n.replace(" ", "-")) for n, f in TIMEOUTS.items()]
)
def test_an_extension_that_takes_the_time_of_a_runtime_that_does_not_answer(
    ground: Ground, fault: str
) -> None:
    row = Row(
        fault=WAIT,
        error="Sandbox.Timedout",
        message="Error: Task timed out after 2.00 seconds",
        starts=2,
        timeout=2,
        log=("Status: timeout",),
    )
    with ground.function(row, layers=(ground.layer,), EXTENSION=fault, TIMES="1") as name:
        check(ground, row, name, {"fault": row.fault})


def test_an_extension_that_is_never_done_does_not_hold_up_the_answer(ground: Ground) -> None:
    fault = f"me = register(); wait(me); {WAIT}"
    row = Row(fault="", starts=2, timeout=2, log=("Task timed out after 2.00 seconds",))
    with ground.function(row, layers=(ground.layer,), EXTENSION=fault, TIMES="1") as name:
        assert ground.cloud.result(name, {})["starts"] == 1
        # Whoever calls before that gets another environment.
        until(lambda: row.log[0] in ground.log(name))
        recovers(ground, row, name)


HARMLESS = {
    "registers twice": Row(
        fault="me = register(); note(register())",
        seen=[[403, STATE]],
    ),
    "registers for what there is not": Row(
        fault="note(register('[\"INVOKE\", \"RESTORE\"]')); note(register('1')); note(register('[1]')); note(register('{'))",
        seen=[
            [403, "Extension.InvalidEventType"],
            [400, "InvalidRequestFormat"],
            [400, "InvalidRequestFormat"],
            [400, "InvalidRequestFormat"],
        ],
    ),
    "registers without a name": Row(
        fault="note(register(name='')); note(register(name='x' * 300))",
        seen=[[403, "Extension.InvalidExtensionName"]] * 2,
    ),
    "registers others who may not have shutdown": Row(
        fault="note(register(name='within'))", seen=[[403, "Extension.InvalidEventType"]]
    ),
    "registers more than ten": Row(
        fault="for each in range(9):\n"
        "    send(connect(), 'GET', EXTENSION + 'event/next', Lambda_Extension_Identifier=register('[]', name=f'in{each}'))\n"
        "note(register('[]', name='eleventh'))",
        seen=[[403, "Extension.TooManyExtensions"]],
    ),
    "asks without being somebody": Row(
        fault="note(ask('GET', EXTENSION + 'event/next')); note(wait('me'))\n"
        "note(wait('00000000-0000-0000-0000-000000000000')); note(fail('init', ''))",
        seen=[
            [403, "Extension.MissingExtensionIdentifier"],
            [403, "Extension.InvalidExtensionIdentifier"],
            [403, "Extension.UnknownExtensionIdentifier"],
            [403, "Extension.MissingExtensionIdentifier"],
        ],
    ),
    "reports an error without its type": Row(
        fault="me = register(); note(fail('init', me, '')); note(fail('exit', me, ''))",
        seen=[[403, "Extension.MissingHeader"]] * 2,
    ),
    "reports an init error when it is ready": Row(
        fault="me = register()\nline = connect()\n"
        "send(line, 'GET', EXTENSION + 'event/next', Lambda_Extension_Identifier=me)\n"
        "while (answer := fail('init', me))[0] == 202:\n    pass\n"
        "note(answer)",
        seen=[[403, STATE]],
    ),
    "speaks no HTTP": Row(
        fault="note(raw(bytes(range(256)))); note(ask('PUT', EXTENSION + 'register'))\n"
        "note(ask('GET', EXTENSION + 'nothing'))",
        seen=[0, 405, 404],
    ),
    "sends too much": Row(
        fault="answer = ask('POST', EXTENSION + 'register', b'[' * 3_000_000, Lambda_Extension_Name=NAME)\n"
        "note(answer)",
        seen=[[400, "InvalidRequestFormat"]],
    ),
    "subscribes with nonsense": Row(
        fault="me = register(); note(subscribe(me, types=[])); note(subscribe(me, destination=1))\n"
        "note(subscribe(me, destination={'protocol': 'HTTP', 'URI': 'http://169.254.169.254/'}))\n"
        "note(subscribe(me, destination={'protocol': 'TCP', 'port': 9001})); note(subscribe('x'))\n"
        "note(subscribe(me, buffering={'timeoutMs': 1}))",
        seen=[[400, "ValidationError"]] * 4
        + [[403, "Extension.InvalidExtensionIdentifier"], [400, "ValidationError"]],
    ),
    "subscribes for a port where nobody listens": Row(
        fault="me = register(); note(subscribe(me))", seen=[200]
    ),
    "takes telemetry and never answers": Row(
        fault="me = register(); note(subscribe(me))\n"
        "listener = socket.create_server(('127.0.0.1', 8080))",
        seen=[200],
    ),
    "floods its output": Row(
        fault="for _ in range(64):\n    os.write(1, b'y' * 65_536)", log=("yyyyyyyy",), timeout=30
    ),
    "closes all that it has": Row(fault="os.closerange(0, 1024)"),
}
LATE = {
    "asks twice at once": (
        "me = register()\ntwo = [connect(), connect()]\n"
        "for each in two:\n"
        "    send(each, 'GET', EXTENSION + 'event/next', Lambda_Extension_Identifier=me)\n"
        "for each in two:\n"
        "    note(read(each)[0])",
        [0, 200],
    ),
    "subscribes when it is too late": (
        "me = register(); wait(me); note(subscribe(me))",
        [[403, "Telemetry.SubscriptionClosed"]],
    ),
}
"""What is noted only when the first invocation is under way, or over."""


@pytest.mark.parametrize("row", rows(HARMLESS))
def test_an_extension_that_asks_wrongly_harms_nobody(ground: Ground, row: Row) -> None:
    with ground.function(row, layers=(ground.layer,), EXTENSION=row.fault, TIMES="1") as name:
        recovers(ground, row, name)


@pytest.mark.parametrize(
    ("fault", "seen"),
    [pytest.param(*each, id=name.replace(" ", "-")) for name, each in LATE.items()],
)
def test_an_extension_that_asks_wrongly_later_harms_nobody(
    ground: Ground, fault: str, seen: list[object]
) -> None:
    row = Row(fault=fault)
    with ground.function(row, layers=(ground.layer,), EXTENSION=fault, TIMES="1") as name:
        assert ground.cloud.result(name, {})["starts"] == 1
        good = ground.cloud.result(name, {})  # waits until the extension is done with the first
        assert good["starts"] == 1
        assert sorted(map(str, good["seen"])) == sorted(map(str, seen))


def test_an_extension_that_ignores_its_shutdown_is_killed(ground: Ground) -> None:
    fault = "signal.signal(15, signal.SIG_IGN); me = register()\nwhile True:\n    wait(me)"
    row = Row(fault="os._exit(3)", error="Runtime.ExitError", message="exit status 3", starts=2)
    with ground.function(row, layers=(ground.layer,), EXTENSION=fault, TIMES="1") as name:
        check(ground, row, name, {"fault": row.fault})


def test_eleven_extensions_are_too_many_until_there_are_fewer(ground: Ground) -> None:
    script = "#!/bin/sh\nsleep 600\n"
    members: dict[str, str | bytes] = {f"extensions/e{each:02}": script for each in range(11)}
    layer = ground.cloud.layer(zipped(members, modes=dict.fromkeys(members, 0o755)))
    row = Row(fault="")
    with ground.function(row, layers=(layer,)) as name:
        bad = ground.cloud.invoke(name, {})
        assert bad.payload["errorType"] == "Extension.TooManyExtensions"
        end = f" Error: Extension limit (10) reached (extension e10 of {layer})"
        assert bad.payload["errorMessage"].endswith(end)
        ground.cloud.configure(name, Layers=[])
        recovers(ground, row, name)


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault", [WAIT, f"register(); {WAIT}"], ids=["never registers", "never asks"]
)
def test_an_extension_that_never_gets_ready(ground: Ground, fault: str) -> None:
    row = Row(
        fault=fault,
        error="Sandbox.Timedout",
        message="Error: Task timed out after 4.00 seconds",
        timeout=4,
        log=(r"Phase: init\\tStatus: timeout",),
    )
    with ground.function(row, layers=(ground.layer,), EXTENSION=fault, TIMES="2") as name:
        bad = ground.cloud.invoke(name, {})
        assert bad.payload["errorType"] == row.error
        assert bad.payload["errorMessage"].endswith(row.message)
        assert ground.cloud.result(name, {})["seen"] == []
        until(lambda: len(living(name)) == 1)
