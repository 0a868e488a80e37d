"""Every Python of this host, with AWS's client on ours, as a real process."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from lamella.errors import RuntimeMissing
from lamella.model.invocation import Reply
from lamella.runtimes.catalog import PYTHON_MINORS, Catalog
from lamella.runtimes.interpreter import Interpreter
from lamella.runtimes.python.tree import runtime_tree

ECHO = """
count = 0
def handler(event, context):
    global count
    count += 1
    return {"event": event, "count": count}
"""
Task = Callable[[Mapping[str, str]], Path]
Play = Callable[..., str]


class Python:
    """One interpreter and its runtime tree."""

    def __init__(self, run: Play, task: Task, interpreter: Interpreter, tree: Path) -> None:
        self.run = run
        self.task = task
        self.interpreter = interpreter
        self.tree = tree

    def play(
        self,
        scenario: Any,
        source: str | Mapping[str, str] = ECHO,
        handler: str = "app.handler",
        **env: str,
    ) -> str:
        files = {"app.py": source} if isinstance(source, str) else source
        variables = {
            "LAMBDA_TASK_ROOT": str(self.task(files)),
            "PYTHONPATH": str(self.tree),
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{self.interpreter.runtime}",
            "_HANDLER": handler,
            "PYTHONDONTWRITEBYTECODE": "1",
            **env,
        }
        argv = [str(self.interpreter.path), "-S", str(self.tree / "bootstrap.py")]
        return self.run(argv, variables, scenario)


@pytest.fixture(scope="session")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    made: dict[int, Path] = {}

    def tree(minor: int) -> Path:
        if minor not in made:
            made[minor] = tmp_path_factory.mktemp("runtime") / f"python3.{minor}"
            runtime_tree(minor, made[minor])
        return made[minor]

    return tree


def python_for(
    minor: int, run: Play, task: Task, catalog: Catalog, trees: Callable[[int], Path]
) -> Python:
    try:
        interpreter = catalog.find(f"python3.{minor}")
    except RuntimeMissing as missing:
        pytest.skip(str(missing))
    return Python(run, task, interpreter, trees(minor))


@pytest.fixture(params=PYTHON_MINORS)
def each(
    request: pytest.FixtureRequest,
    run: Play,
    task: Task,
    catalog: Catalog,
    trees: Callable[[int], Path],
) -> Python:
    return python_for(request.param, run, task, catalog, trees)


@pytest.fixture
def python(run: Play, task: Task, catalog: Catalog, trees: Callable[[int], Path]) -> Python:
    minor = max(catalog.pythons)
    return python_for(minor, run, task, catalog, trees)


def test_a_hundred_invocations_keep_state(each: Python) -> None:
    async def scenario(running: Any) -> None:
        assert await running.init() is None
        for number in range(1, 101):
            reply = await running.invoke(json.dumps({"n": number, "s": "grüße ☃"}).encode())
            assert reply.error_type is None
            assert json.loads(reply.payload) == {
                "event": {"n": number, "s": "grüße ☃"},
                "count": number,
            }

    each.play(scenario)


def test_an_exception_has_awss_shape(each: Python) -> None:
    source = 'def handler(event, context):\n    raise ValueError("né")\n'

    async def scenario(running: Any) -> None:
        for _ in range(2):
            reply = await running.invoke(b"{}")
            body = json.loads(reply.payload)
            trace = body.pop("stackTrace")
            assert body == {
                "errorMessage": "né",
                "errorType": "ValueError",
                "requestId": f"00000000-0000-4000-8000-{running.count:012d}",
            }
            assert len(trace) == 1
            assert 'app.py", line 2, in handler\n    raise ValueError("né")\n' in trace[0]
            assert reply.error_type is not None

    output = each.play(scenario, source)
    assert "[ERROR] ValueError: né\rTraceback (most recent call last):" in output


@pytest.mark.parametrize(
    ("files", "handler", "error_type", "message"),
    [
        (
            {"app.py": "import nothing_here\n"},
            "app.handler",
            "Runtime.ImportModuleError",
            "Unable to import module 'app': No module named 'nothing_here'",
        ),
        (
            {"app.py": ""},
            "other.handler",
            "Runtime.ImportModuleError",
            "Unable to import module 'other': No module named 'other'",
        ),
        (
            {"app.py": ""},
            "app.handler",
            "Runtime.HandlerNotFound",
            "Handler 'handler' missing on module 'app'",
        ),
        (
            {"app.py": ""},
            "app",
            "Runtime.MalformedHandlerName",
            "Bad handler 'app': not enough values to unpack (expected 2, got 1)",
        ),
        ({"app.py": "1/0\n"}, "app.handler", "ZeroDivisionError", "division by zero"),
    ],
)
def test_init_errors(
    each: Python, files: Mapping[str, str], handler: str, error_type: str, message: str
) -> None:
    async def scenario(running: Any) -> None:
        reply = await running.init()
        assert isinstance(reply, Reply)
        assert reply.error_type == error_type
        body = json.loads(reply.payload)
        assert body["errorType"] == error_type
        assert body["errorMessage"] == message
        assert body["requestId"] == ""
        assert await running.exit_code() == 1

    output = each.play(scenario, files, handler)
    assert f"[ERROR] {error_type}: {message}" in output


def test_a_syntax_error(each: Python) -> None:
    async def scenario(running: Any) -> None:
        reply = await running.init()
        assert reply.error_type == "Runtime.UserCodeSyntaxError"
        body = json.loads(reply.payload)
        assert body["errorMessage"].startswith("Syntax error in module 'app': ")
        assert body["stackTrace"][0].endswith('app.py" Line 1\n    def (:\n')

    each.play(scenario, "def (:\n")


def test_six_megabytes_in_and_out(each: Python) -> None:
    async def scenario(running: Any) -> None:
        payload = b'"' + b"x" * 6_000_000 + b'"'
        reply = await running.invoke(payload)
        assert reply.payload == payload
        assert (await running.invoke(b"1")).payload == b"1"

    each.play(scenario, "def handler(event, context):\n    return event\n")


def test_a_response_that_is_too_large_ends_the_runtime(python: Python) -> None:
    async def scenario(running: Any) -> None:
        reply = await running.invoke(b"6300000")
        assert reply.error_type == "Function.ResponseSizeTooLarge"
        assert await running.exit_code() == 1

    output = python.play(scenario, "def handler(event, context):\n    return 'x' * event\n")
    assert "LAMBDA_RUNTIME Failed to post handler success response. Http response code: 413." in (
        output
    )


def test_the_search_path_is_awss(each: Python) -> None:
    source = "import sys\ndef handler(event, context):\n    return sys.path\n"

    async def scenario(running: Any) -> None:
        found = json.loads((await running.invoke(b"{}")).payload)
        version = each.interpreter.runtime
        assert found[0].endswith("/task")
        assert found[1:5] == [
            f"/opt/python/lib/{version}/site-packages",
            "/opt/python",
            "/elsewhere",
            str(each.tree),
        ]
        assert not [entry for entry in found[5:] if "packages" in entry]

    each.play(scenario, source, PYTHONPATH="/elsewhere")


def test_exit_quit_and_help_exist(each: Python) -> None:
    source = (
        "def handler(event, context):\n    return [str(exit), str(quit), help.__class__.__name__]"
    )

    async def scenario(running: Any) -> None:
        found = json.loads((await running.invoke(b"{}")).payload)
        assert found == [
            "Use exit() or Ctrl-D (i.e. EOF) to exit",
            "Use quit() or Ctrl-D (i.e. EOF) to exit",
            "_Helper",
        ]

    each.play(scenario, source)


def test_the_sdk_is_there_from_3_10_on(each: Python) -> None:
    source = "def handler(event, context):\n    import boto3\n    return boto3.__file__\n"

    async def scenario(running: Any) -> None:
        reply = await running.invoke(b"{}")
        body = json.loads(reply.payload)
        if each.interpreter.minor >= 10:
            assert body == str(each.tree / "boto3" / "__init__.py")
        else:
            assert body["errorMessage"] == "No module named 'boto3'"

    each.play(scenario, source)


def test_the_context(python: Python) -> None:
    source = """
import os
def handler(event, context):
    return {
        "name": context.function_name, "version": context.function_version,
        "arn": context.invoked_function_arn, "memory": context.memory_limit_in_mb,
        "group": context.log_group_name, "stream": context.log_stream_name,
        "custom": context.client_context.custom, "id": context.aws_request_id,
        "identity": context.identity.cognito_identity_id,
        "time": 0 < context.get_remaining_time_in_millis() <= 10_000,
        "trace": os.environ["_X_AMZN_TRACE_ID"],
    }
"""

    async def scenario(running: Any) -> None:
        reply = await running.invoke(
            b"{}",
            client_context='{"custom": {"ключ": 1}}',
            cognito_identity='{"cognitoIdentityId": "i"}',
        )
        assert json.loads(reply.payload) == {
            "name": "F",
            "version": "$LATEST",
            "arn": "arn:aws:lambda:eu-west-1:000000000000:function:F",
            "memory": "128",
            "group": "/aws/lambda/F",
            "stream": "2026/01/01/[$LATEST]0",
            "custom": {"ключ": 1},
            "id": "00000000-0000-4000-8000-000000000001",
            "identity": "i",
            "time": True,
            "trace": "Root=1-0-1",
        }

    python.play(scenario, source)


def test_what_cannot_be_marshalled(python: Python) -> None:
    async def scenario(running: Any) -> None:
        reply = await running.invoke(b"{}")
        body = json.loads(reply.payload)
        assert body["errorType"] == "Runtime.MarshalError"
        assert body["errorMessage"] == (
            "Unable to marshal response: Object of type set is not JSON serializable"
        )

    python.play(scenario, "def handler(event, context):\n    return {1}\n")


def test_logging_is_awss(python: Python) -> None:
    source = """
import logging
def handler(event, context):
    logging.getLogger().warning("hello")
    print("plain")
"""

    async def scenario(running: Any) -> None:
        assert (await running.invoke(b"{}")).payload == b"null"

    output = python.play(scenario, source)
    assert "Z\t00000000-0000-4000-8000-000000000001\thello\n" in output
    assert output.startswith("[WARNING]\t")
    assert "\nplain\n" in output


def test_sys_exit_ends_the_runtime_with_its_status(python: Python) -> None:
    async def scenario(running: Any) -> None:
        await running.init()
        running.api.invoke(_event())
        assert await running.exit_code() == 7

    python.play(scenario, "import sys\ndef handler(event, context):\n    sys.exit(7)\n")


def _event() -> Any:
    from lamella.model.invocation import Event

    return Event(request_id="r", payload=b"{}", deadline_ms=0, function_arn="a", trace_id="t")


def test_a_sitecustomize_in_pythonpath_runs(python: Python, tmp_path: Path) -> None:
    (tmp_path / "agent").mkdir()
    (tmp_path / "agent" / "sitecustomize.py").write_text("import sys; sys.traced = True\n")
    source = "import sys\ndef handler(event, context):\n    return getattr(sys, 'traced', False)\n"

    async def scenario(running: Any) -> None:
        assert (await running.invoke(b"{}")).payload == b"true"

    python.play(scenario, source, PYTHONPATH=f"{tmp_path / 'agent'}{os.pathsep}{python.tree}")


def test_a_library_of_the_function_does_not_take_the_client_apart(python: Python) -> None:
    async def scenario(running: Any) -> None:
        assert (await running.invoke(b"{}")).payload == b"1"

    python.play(
        scenario,
        {
            "app.py": "def handler(event, context):\n    return 1\n",
            "simplejson/__init__.py": "raise RuntimeError('not this one')\n",
            "runtime_client.py": "raise RuntimeError('not this one')\n",
        },
    )


def test_a_child_of_a_fork_connects_anew(python: Python, tmp_path: Path) -> None:
    """A zygote imports the client, forks, and only the child asks for work."""
    script = tmp_path / "zygote.py"
    script.write_text(
        f"""
import os, sys
sys.path.insert(0, {str(python.tree)!r})
import runtime_client
runtime_client.initialize_client("zygote")
runtime_client._client.connect()
child = os.fork()
if child:
    os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
body, headers = runtime_client.next()
runtime_client.post_invocation_result(headers["Lambda-Runtime-Aws-Request-Id"], body, "x")
runtime_client.next()
"""
    )

    async def scenario(running: Any) -> None:
        assert (await running.invoke(b"[1]")).payload == b"[1]"

    env = {"LAMBDA_TASK_ROOT": str(tmp_path)}
    python.run([str(python.interpreter.path), "-S", str(script)], env, scenario)
