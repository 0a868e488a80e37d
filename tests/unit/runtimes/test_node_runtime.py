"""The Node.js client as a real process: handlers, answers, errors, logs, streams."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from lamella.errors import RuntimeMissing
from lamella.model.invocation import Reply
from lamella.runtimes import nodejs
from lamella.runtimes.catalog import Catalog

Task = Callable[[Mapping[str, str]], Path]
Play = Callable[..., str]
R1 = "00000000-0000-4000-8000-000000000001"


class Node:
    def __init__(self, run: Play, task: Task, path: Path) -> None:
        self.run = run
        self.task = task
        self.path = path

    def play(
        self,
        scenario: Any,
        source: str | Mapping[str, str],
        handler: str = "index.handler",
        **env: str,
    ) -> str:
        files = {"index.js": source} if isinstance(source, str) else source
        variables = {
            "LAMBDA_TASK_ROOT": str(self.task(files)),
            "AWS_EXECUTION_ENV": "AWS_Lambda_nodejs20.x",
            "_HANDLER": handler,
            **env,
        }
        argv = [str(self.path), str(nodejs.BOX / "bootstrap.cjs")]
        return self.run(argv, variables, scenario)

    def answer(
        self,
        source: str | Mapping[str, str],
        payload: bytes = b"{}",
        handler: str = "index.handler",
        **env: str,
    ) -> Any:
        """The JSON that one invocation answers; fails if it is an error."""
        got: list[Reply] = []

        async def scenario(running: Any) -> None:
            got.append(await running.invoke(payload))

        self.play(scenario, source, handler, **env)
        assert got[0].error_type is None, got[0]
        return json.loads(got[0].payload)

    def error(self, source: str) -> Any:
        """The error that one invocation answers; the runtime goes on after it."""
        got: list[Any] = []

        async def scenario(running: Any) -> None:
            for _ in range(2):
                reply = await running.invoke(b"{}")
                assert reply.error_type is not None
                got.append(json.loads(reply.payload))

        self.play(scenario, source)
        assert got[0]["errorType"] == got[1]["errorType"]
        return got[0]


@pytest.fixture
def node(run: Play, task: Task, catalog: Catalog) -> Node:
    try:
        path = catalog.find("nodejs20.x").path
    except RuntimeMissing as missing:
        pytest.skip(str(missing))
    assert path is not None
    return Node(run, task, path)


def test_a_hundred_invocations_keep_state(node: Node) -> None:
    async def scenario(running: Any) -> None:
        assert await running.init() is None
        for number in range(1, 101):
            reply = await running.invoke(json.dumps({"s": "grüße ☃"}, ensure_ascii=False).encode())
            assert json.loads(reply.payload) == {"event": {"s": "grüße ☃"}, "count": number}

    node.play(
        scenario, "let count = 0; exports.handler = async (event) => ({event, count: ++count});"
    )


@pytest.mark.parametrize(
    ("files", "handler"),
    [
        ({"index.js": "exports.handler = async () => 1"}, "index.handler"),
        ({"index.js": "exports.handler = () => Promise.resolve(1)"}, "index.handler"),
        ({"index.js": "exports.handler = (e, c, cb) => cb(null, 1)"}, "index.handler"),
        ({"index.js": "exports.handler = (e, c) => c.succeed(1)"}, "index.handler"),
        ({"index.js": "exports.handler = (e, c) => c.done(null, 1)"}, "index.handler"),
        ({"a/b.js": "exports.handler = async () => 1"}, "a/b.handler"),
        ({"index.js": "exports.a = {b: async () => 1}"}, "index.a.b"),
        ({"index.cjs": "exports.handler = async () => 1"}, "index.handler"),
        ({"index.mjs": "export const handler = async () => 1"}, "index.handler"),
        (
            {
                "index.js": "export const handler = async () => 1",
                "package.json": '{"type":"module"}',
            },
            "index.handler",
        ),
        (
            {
                "a/index.js": "export const handler = async () => await 1",
                "package.json": '{"type":"module"}',
            },
            "a/index.handler",
        ),
        (
            {"node_modules/lib/index.js": "exports.handler = async () => 1"},
            "lib.handler",
        ),
        (
            {
                "index.mjs": "const x = await Promise.resolve(1); export const handler = async () => x"
            },
            "index.handler",
        ),
    ],
)
def test_handlers_of_every_kind(node: Node, files: Mapping[str, str], handler: str) -> None:
    assert node.answer(files, handler=handler) == 1


@pytest.mark.parametrize(
    "source",
    [
        "exports.handler = async () => {}",
        "exports.handler = (e, c, cb) => cb()",
        "exports.handler = () => {}",
        "exports.handler = () => 5",
        "exports.handler = () => new Promise(() => {})",
        "exports.handler = async () => () => 1",
    ],
)
def test_nothing_is_null(node: Node, source: str) -> None:
    """A loop that runs empty without an answer, and results that JSON has no word for."""
    assert node.answer(source) is None


def test_a_callback_waits_for_an_empty_event_loop(node: Node) -> None:
    source = """
        const box = {late: false};
        exports.handler = (e, c, cb) => {
            setTimeout(() => { box.late = true; }, 20);
            cb(null, box);
        };"""
    assert node.answer(source) == {"late": True}


def test_unless_it_is_told_not_to(node: Node) -> None:
    source = """
        const box = {late: false};
        exports.handler = (e, c, cb) => {
            c.callbackWaitsForEmptyEventLoop = false;
            setTimeout(() => { box.late = true; }, 20);
            cb(null, box);
        };"""
    assert node.answer(source) == {"late": False}


def test_only_the_first_answer_counts(node: Node) -> None:
    async def scenario(running: Any) -> None:
        for number in range(3):
            assert json.loads((await running.invoke(b"%d" % number)).payload) == number

    node.play(
        scenario,
        "exports.handler = (e, c) => { c.succeed(e); c.fail(new Error('no')); c.done(null, 9); }",
    )


def test_the_context(node: Node) -> None:
    source = """exports.handler = async (event, c) => ({
        name: c.functionName, version: c.functionVersion, arn: c.invokedFunctionArn,
        memory: c.memoryLimitInMB, id: c.awsRequestId, group: c.logGroupName,
        stream: c.logStreamName, identity: c.identity, client: c.clientContext,
        waits: c.callbackWaitsForEmptyEventLoop, trace: process.env._X_AMZN_TRACE_ID,
        time: c.getRemainingTimeInMillis() > 0 && c.getRemainingTimeInMillis() <= 10000,
    });"""
    got: list[Any] = []

    async def scenario(running: Any) -> None:
        reply = await running.invoke(
            b"{}",
            client_context='{"custom":{"ключ":1}}',
            cognito_identity='{"cognitoIdentityId":"i"}',
        )
        got.append(json.loads(reply.payload))

    node.play(scenario, source)
    assert got[0] == {
        "name": "F",
        "version": "$LATEST",
        "arn": "arn:aws:lambda:eu-west-1:000000000000:function:F",
        "memory": "128",
        "id": R1,
        "group": "/aws/lambda/F",
        "stream": "2026/01/01/[$LATEST]0",
        "identity": {"cognitoIdentityId": "i"},
        "client": {"custom": {"ключ": 1}},
        "waits": True,
        "trace": "Root=1-0-1",
        "time": True,
    }


@pytest.mark.parametrize(
    ("source", "error_type", "message"),
    [
        ("exports.handler = async () => { throw new TypeError('bad ☃'); }", "TypeError", "bad ☃"),
        ("exports.handler = () => { throw new Error('sync'); }", "Error", "sync"),
        ("exports.handler = (e, c, cb) => cb(new Error('back'))", "Error", "back"),
        ("exports.handler = (e, c, cb) => cb('text')", "string", "text"),
        ("exports.handler = (e, c) => c.fail(new Error('f'))", "Error", "f"),
        ("exports.handler = async () => { throw 'text'; }", "string", "text"),
        (
            "exports.handler = async () => { const a = {}; a.a = a; return a; }",
            "Error",
            "Unable to stringify response body",
        ),
        (
            "class MyError extends Error { constructor(m) { super(m); this.name = 'MyError'; } }\n"
            "exports.handler = async () => { throw new MyError('own'); }",
            "MyError",
            "own",
        ),
    ],
)
def test_errors_of_a_handler(node: Node, source: str, error_type: str, message: str) -> None:
    body = node.error(source)
    assert body["errorType"] == error_type
    assert body["errorMessage"] == message
    if error_type == "string":
        assert body["trace"] == []
    else:
        assert body["trace"][0] == f"{error_type}: {message}"
    assert list(body) == ["errorType", "errorMessage", "trace"]


@pytest.mark.parametrize(
    ("files", "handler", "error_type", "message"),
    [
        (
            {"index.js": ""},
            "index.handler",
            "Runtime.HandlerNotFound",
            "index.handler is undefined or not exported",
        ),
        (
            {"index.js": "exports.handler = 5"},
            "index.handler",
            "Runtime.HandlerNotFound",
            "index.handler is not a function",
        ),
        ({"index.js": ""}, "index", "Runtime.MalformedHandlerName", "Bad handler"),
        (
            {"index.js": ""},
            "../index.handler",
            "Runtime.MalformedHandlerName",
            "'../index.handler' is not a valid handler name. Use absolute paths when specifying "
            "root directories in handler names.",
        ),
        (
            {"index.js": ""},
            "other.handler",
            "Runtime.ImportModuleError",
            "Error: Cannot find module 'other'\nRequire stack:\n- /var/runtime/index.mjs",
        ),
        (
            {"index.js": "{"},
            "index.handler",
            "Runtime.UserCodeSyntaxError",
            "SyntaxError: Unexpected end of input",
        ),
        ({"index.js": "throw new RangeError('top')"}, "index.handler", "RangeError", "top"),
    ],
)
def test_init_errors(
    node: Node, files: Mapping[str, str], handler: str, error_type: str, message: str
) -> None:
    async def scenario(running: Any) -> None:
        reply = await running.init()
        assert reply.error_type == error_type
        body = json.loads(reply.payload)
        assert (body["errorType"], body["errorMessage"]) == (error_type, message)
        assert body["trace"][0] == f"{error_type}: {message}".split("\n")[0]
        assert await running.exit_code() == 129

    output = node.play(scenario, files, handler)
    assert "Z\tundefined\tERROR\tUncaught Exception \t{" in output


def test_a_missing_dependency_names_who_asked(node: Node) -> None:
    async def scenario(running: Any) -> None:
        reply = await running.init()
        body = json.loads(reply.payload)
        assert body["errorType"] == "Runtime.ImportModuleError"
        first, second, third, *_ = body["errorMessage"].split("\n")
        assert (first, second) == ("Error: Cannot find module 'nothing'", "Require stack:")
        assert third.endswith("/task/index.js")

    node.play(scenario, "require('nothing')")


def test_a_rejection_that_nobody_handles(node: Node) -> None:
    async def scenario(running: Any) -> None:
        reply = await running.invoke(b"{}")
        body = json.loads(reply.payload)
        assert body["errorType"] == "Runtime.UnhandledPromiseRejection"
        assert body["errorMessage"] == "Error: lost"
        assert await running.exit_code() == 128

    output = node.play(
        scenario,
        "exports.handler = () => new Promise(() => { Promise.reject(new Error('lost')); })",
    )
    assert f"\t{R1}\tERROR\tUnhandled Promise Rejection \t{{" in output


def test_an_exception_that_nobody_catches(node: Node) -> None:
    async def scenario(running: Any) -> None:
        reply = await running.invoke(b"{}")
        body = json.loads(reply.payload)
        assert (body["errorType"], body["errorMessage"]) == ("Error", "later")
        assert await running.exit_code() == 129

    node.play(
        scenario,
        "exports.handler = (e, c, cb) => { setTimeout(() => { throw new Error('later'); }, 1); }",
    )


def test_an_exit_keeps_its_status(node: Node) -> None:
    async def exits(running: Any) -> None:
        await running.init()
        running.api.invoke(_event())
        assert await running.exit_code() == 3

    node.play(exits, "exports.handler = () => process.exit(3)")


def _event() -> Any:
    from lamella.model.invocation import Event

    return Event(request_id="r", payload=b"{}", deadline_ms=0, function_arn="a", trace_id="t")


def test_the_console_writes_awss_lines(node: Node) -> None:
    source = """
        console.log('at start');
        exports.handler = async () => {
            console.log('a %s', {b: 1}, '\\nc');
            console.info('i'); console.warn('w'); console.error('e'); console.debug('d');
        };"""

    async def scenario(running: Any) -> None:
        await running.invoke(b"{}")

    lines = node.play(scenario, source).rstrip("\n").split("\n")
    assert [line.split("\t", 1)[1] for line in lines] == [
        "undefined\tINFO\tat start",
        f"{R1}\tINFO\ta {{ b: 1 }} \rc",
        f"{R1}\tINFO\ti",
        f"{R1}\tWARN\tw",
        f"{R1}\tERROR\te",
        f"{R1}\tDEBUG\td",
    ]


def test_json_logs_and_levels(node: Node) -> None:
    source = """exports.handler = async () => {
        console.debug('no'); console.log({a: 1}); console.error('x', new TypeError('t'));
    };"""

    async def scenario(running: Any) -> None:
        await running.invoke(b"{}")

    output = node.play(scenario, source, AWS_LAMBDA_LOG_FORMAT="JSON", AWS_LAMBDA_LOG_LEVEL="INFO")
    first, second = (json.loads(line) for line in output.splitlines())
    assert (first["level"], first["requestId"], first["message"]) == ("INFO", R1, {"a": 1})
    assert (second["level"], second["errorType"], second["errorMessage"]) == (
        "ERROR",
        "TypeError",
        "t",
    )


def test_an_error_is_logged(node: Node) -> None:
    async def scenario(running: Any) -> None:
        await running.invoke(b"{}")

    output = node.play(
        scenario,
        "exports.handler = async () => { throw Object.assign(new Error('x'), {code: 'C', n: 1}); }",
    )
    line = output.splitlines()[0]
    assert f"\t{R1}\tERROR\tInvoke Error \t" in line
    logged = json.loads(line.split("Invoke Error \t")[1])
    assert logged["errorType"] == "Error"
    assert (logged["errorMessage"], logged["code"], logged["n"]) == ("x", "C", 1)
    assert logged["stack"][0] == "Error: x"


def test_six_megabytes_in_and_out(node: Node) -> None:
    async def scenario(running: Any) -> None:
        payload = b'"' + "é".encode() * 3_000_000 + b'"'
        assert (await running.invoke(payload)).payload == payload
        assert (await running.invoke(b"1")).payload == b"1"

    node.play(scenario, "exports.handler = async (event) => event")


def test_a_response_that_is_too_large(node: Node) -> None:
    async def scenario(running: Any) -> None:
        reply = await running.invoke(b"6300000")
        assert reply.error_type == "Function.ResponseSizeTooLarge"
        assert (await running.invoke(b"1")).payload == b'"x"'

    node.play(scenario, "exports.handler = async (event) => 'x'.repeat(event)")


def test_layers_are_found_by_node_path(node: Node, tmp_path: Path) -> None:
    library = tmp_path / "opt" / "nodejs" / "node_modules" / "lib"
    library.mkdir(parents=True)
    (library / "index.js").write_text("module.exports = 42")
    got = node.answer(
        "const x = require('lib'); exports.handler = async () => x",
        NODE_PATH=str(library.parent),
    )
    assert got == 42


def test_a_streamed_response_is_put_together(node: Node) -> None:
    source = """exports.handler = awslambda.streamifyResponse(async (event, stream, context) => {
        stream.write('one,'); stream.write(Buffer.from('two,')); stream.write({n: 3});
        await new Promise((done) => setTimeout(done, 5));
        stream.end();
    });"""

    async def scenario(running: Any) -> None:
        for _ in range(3):
            assert await running.invoke(b"{}") == Reply(b'one,two,{"n":3}')

    node.play(scenario, source)


def test_a_pipeline_into_the_response(node: Node) -> None:
    source = """
        const { pipeline } = require('node:stream/promises');
        const { Readable } = require('node:stream');
        exports.handler = awslambda.streamifyResponse(async (event, stream) => {
            await pipeline(Readable.from(Array.from({length: 200}, () => 'x'.repeat(10000))), stream);
        });"""

    async def scenario(running: Any) -> None:
        for _ in range(2):
            assert await running.invoke(b"{}") == Reply(b"x" * 2_000_000)

    node.play(scenario, source)


def test_a_prelude_goes_first(node: Node) -> None:
    source = """exports.handler = awslambda.streamifyResponse(async (event, stream) => {
        stream = awslambda.HttpResponseStream.from(stream, {statusCode: 201, headers: {a: 'b'}});
        stream.write('body'); stream.end();
    });"""

    async def scenario(running: Any) -> None:
        reply = await running.invoke(b"{}")
        assert reply.payload == b'{"statusCode":201,"headers":{"a":"b"}}' + bytes(8) + b"body"

    node.play(scenario, source)


@pytest.mark.parametrize("before", ["", "stream.write('half');"])
def test_a_stream_that_breaks_off(node: Node, before: str) -> None:
    source = f"""exports.handler = awslambda.streamifyResponse(async (event, stream) => {{
        {before} throw new TypeError('half way');
    }});"""

    async def scenario(running: Any) -> None:
        for _ in range(2):
            reply = await running.invoke(b"{}")
            assert reply.error_type == "TypeError"
            body = json.loads(reply.payload)
            assert (body["errorType"], body["errorMessage"]) == ("TypeError", "half way")

    node.play(scenario, source)


def test_an_exception_in_the_middle_of_a_stream(node: Node) -> None:
    source = """exports.handler = awslambda.streamifyResponse(async (event, stream) => {
        stream.write('half');
        setTimeout(() => { throw new Error('gone'); }, 1);
        await new Promise(() => {});
    });"""

    async def scenario(running: Any) -> None:
        reply = await running.invoke(b"{}")
        assert json.loads(reply.payload)["errorMessage"] == "gone"
        assert await running.exit_code() == 129

    node.play(scenario, source)
