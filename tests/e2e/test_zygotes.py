"""Functions that begin as forks of a zygote: they find what they would find in a plain start."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.e2e.server import serving
from tests.e2e.zygotes import FIRST, IS_FORK, PLAINLY, Side

FORKED: dict[str, Any] = {}
SHARED = "import colorsys, decimal\nVALUE = 1\n"
OWN = {
    "AWS_ACCESS_KEY_ID",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "_X_AMZN_TRACE_ID",
}
"""Variables whose values differ from one environment, or function, to the next."""


@pytest.fixture(scope="module")
def side(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
    with serving(tmp_path_factory.mktemp("zygotes") / "data", "--preload", "on") as server:
        yield Side(server)


@pytest.fixture(scope="module")
def layers(side: Side) -> list[str]:
    """Layers that have a zygote, itself a fork of one that has the first of them."""
    made = [side.layer(shared=SHARED), side.layer(drawn=DRAWN)]
    side.until_forked(made[:1])
    side.until_forked(made, FIRST + "\nimport drawn")
    return made


DRAWN = """
import random, secrets, ssl, tempfile, uuid

# As libraries do that have a generator for themselves.
OWN = random.Random()
"""
TELL = (
    IS_FORK
    + """
print("printed at the start")
import json, logging, os, resource, signal, sys, threading
import shared, drawn
LOADING = [threading.active_count(), __name__, sys.modules["__main__"].__file__]

def handler(event, context):
    logging.getLogger().warning("a warning")
    status = {
        line.split(":")[0]: line.split(":")[1].split()
        for line in open("/proc/self/status").read().splitlines()
    }
    kept = ("Uid", "Gid", "Groups", "CapBnd", "CapEff", "NoNewPrivs", "Seccomp", "Threads",
            "SigBlk", "SigIgn", "SigCgt", "Umask")
    return {
        "fork": is_fork(), "argv": sys.argv, "path": sys.path, "cwd": os.getcwd(),
        "env": dict(os.environ), "loading": LOADING, "umask": os.umask(0o22),
        "main": [sys.modules["__main__"].__name__, sys.modules["__main__"].__file__],
        "flags": str(sys.flags), "executable": sys.executable, "hooks": len(sys.meta_path),
        "caches": sorted(each for each in sys.path_importer_cache if each.startswith("/var")),
        "context": sorted(vars(context)), "memory": context.memory_limit_in_mb,
        "status": {name: status.get(name) for name in kept},
        "limits": [resource.getrlimit(n) for n in (resource.RLIMIT_NOFILE, resource.RLIMIT_CORE)],
        "pid_1_is_not_this": os.getpid() > 1, "tmp": os.listdir("/tmp"),
        "code": sorted(os.listdir("/var/task")), "opt": sorted(os.listdir("/opt/python")),
        "descriptors": sorted(
            int(each) for each in os.listdir("/proc/self/fd")
            if os.path.exists("/proc/self/fd/" + each)
        ),
        "ours": sorted({"nest", "preload", "reseed", "zygote", "dice", "leavings"} & set(sys.modules)),
        "handlers": [str(signal.getsignal(n)) for n in (2, 13, 15, 17)],
        "group": [os.getpgid(0) == os.getpid(), os.getsid(0) == os.getpid()],
    }
"""
)


def test_a_fork_finds_what_a_plain_start_finds(side: Side, layers: list[str]) -> None:
    variables: Any = {"Environment": {"Variables": {"PLAIN": "a value", "ODD": 'é "$HOME" 😀'}}}
    fork, plain = (
        side.cloud.invoke(side.cloud.function(TELL, layers=layers, **variables, **more))
        for more in (FORKED, PLAINLY)
    )
    assert (fork.payload.pop("fork"), plain.payload.pop("fork")) == (True, False)
    for each in (fork.payload, plain.payload):
        each["env"] = {key: value for key, value in each["env"].items() if key not in OWN}
    for what, found in plain.payload.items():
        assert fork.payload[what] == found, what
    shape = [re.sub(r"[0-9a-f-]{36}|[0-9.:TZ-]{4,}|\d+", "N", each.log) for each in (fork, plain)]
    assert shape[0] == shape[1]
    assert "printed at the start\n" in fork.log


FAILING = (
    IS_FORK
    + """
print("FORK" if is_fork() else "PLAIN")
import os, sys, time
import shared
AT_START

def inner(event):
    try:
        return eval(event)
    except ZeroDivisionError as error:
        raise RuntimeError("from it") from error

def handler(event, context):
    return inner(event)
"""
)
AT_START = ("raise ValueError('no')", "import missing", "sys.exit(3)", "os._exit(4)", "def f(:")
IN_HANDLER = ("1 / 0", "open('/missing')", "{}['key']", "object()", "os._exit(5)", "sys.exit(6)")


def outcome(side: Side, layers: list[str], line: str, event: str, **more: Any) -> Any:
    name = side.cloud.function(FAILING.replace("AT_START", line), layers=layers, **more)
    invoked = side.cloud.invoke(name, event)
    payload = {
        key: re.sub(r"[0-9a-f-]{36}", "ID", value) if isinstance(value, str) else value
        for key, value in (invoked.payload or {}).items()
        if key != "requestId"
    }
    lines = [
        re.sub(r"[0-9a-f-]{36}|\d[0-9.:TZ-]*", "N", each)
        for each in invoked.log.splitlines()
        if each not in ("FORK", "PLAIN")
    ]
    return payload, invoked.error, lines, invoked.log


def test_how_functions_fail_is_the_same(side: Side, layers: list[str]) -> None:
    cases = [(line, "1") for line in AT_START] + [("", event) for event in IN_HANDLER]

    def both(case: tuple[str, str]) -> None:
        forked, plain = (outcome(side, layers, *case, **more) for more in (FORKED, PLAINLY))
        assert forked[:3] == plain[:3], case
        # One that fails at its start is begun again, plainly, for the invocation.
        if not case[0]:
            assert "FORK" in forked[3], case
            assert "FORK" not in plain[3]

    with ThreadPoolExecutor(3) as callers:
        list(callers.map(both, cases))


def test_json_logs_are_the_same(side: Side, layers: list[str]) -> None:
    code = FAILING.replace("AT_START", "import logging") + "    # nothing\n"
    code += "def handler(event, context):\n    logging.getLogger().error('x', extra={'a': 1})\n"
    kinds = []
    for more in (FORKED, PLAINLY):
        name = side.cloud.function(code, layers=layers, LoggingConfig={"LogFormat": "JSON"}, **more)
        log = side.cloud.invoke(name).log
        kinds.append(re.sub(r"[0-9a-f-]{36}|\d[0-9.:TZ-]*", "N", log))
    assert kinds[0].replace("FORK", "PLAIN") == kinds[1]
    assert '"level": "ERROR"' in kinds[0]


RANDOM = (
    IS_FORK
    + """
import random, secrets, ssl, tempfile, time, uuid
import shared, drawn

def handler(event, context):
    time.sleep(0.2)
    return [
        is_fork(), context.log_stream_name,
        [random.random(), random.getrandbits(64), drawn.OWN.random(), secrets.token_hex(),
         str(uuid.uuid4()), str(uuid.uuid1()), ssl.RAND_bytes(16).hex(),
         next(tempfile._get_candidate_names())],
    ]
"""
)


def test_fifty_forks_draw_different_numbers(side: Side, layers: list[str]) -> None:
    name = side.cloud.function(RANDOM, layers=layers)
    drawn: dict[str, list[Any]] = {}
    with ThreadPoolExecutor(10) as callers:
        for _ in range(20):
            side.again(name)
            for is_fork, stream, numbers in callers.map(side.cloud.result, [name] * 10):
                if is_fork:
                    drawn[stream] = numbers
            if len(drawn) >= 50:
                break
    assert len(drawn) >= 50
    for numbers in zip(*drawn.values(), strict=True):
        assert len(set(numbers)) == len(drawn), numbers


def test_what_is_read_at_import_is_the_functions_own(side: Side) -> None:
    reads = "import os\nVALUE = os.environ.get('MODE', 'none')\nNAME = os.environ.get('AWS_LAMBDA_FUNCTION_NAME')\n"
    layers = [side.layer(shared=SHARED, reads=reads)]
    code = IS_FORK + (
        "import shared, reads\n"
        "def handler(event, context):\n"
        "    return [reads.VALUE, reads.NAME == context.function_name]\n"
    )
    side.until_forked(layers, FIRST + "import reads\n")
    for mode in ("one", "two"):
        variables = {"Variables": {"MODE": mode}}
        name = side.cloud.function(code, layers=layers, Environment=variables)
        assert side.cloud.result(name) == [mode, True]
    assert side.cloud.result(side.cloud.function(code, layers=layers)) == ["none", True]


def test_a_module_of_the_functions_own_is_found_first(side: Side, layers: list[str]) -> None:
    code = "import shared\ndef handler(event, context):\n    return shared.VALUE\n"
    mine = side.cloud.function({"app.py": code, "shared.py": "VALUE = 'mine'"}, layers=layers)
    assert side.cloud.result(mine) == "mine"
    assert side.cloud.result(side.cloud.function(code, layers=layers)) == 1
    # Those that the runtime client has loaded itself are the same for everybody.
    for module in ("colorsys", "decimal"):
        uses = (
            f"import shared, {module}\ndef handler(event, context):\n    return {module}.__file__\n"
        )
        files = {"app.py": uses, f"{module}/__init__.py": ""}
        fork, plain = (
            side.cloud.result(side.cloud.function(files, layers=layers, **more))
            for more in (FORKED, PLAINLY)
        )
        assert fork == plain
