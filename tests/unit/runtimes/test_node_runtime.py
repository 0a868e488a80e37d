"""The Node.js client as a real process: handlers, answers, errors, logs, streams."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.unit.runtimes.node import R1, Node, _event


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


NODE_24 = "AWS_Lambda_nodejs24.x"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("exports.handler = (e, c) => 'at once';", "at once"),
        ("exports.handler = async (e, ...rest) => rest.length;", 2),
        ("exports.handler = (e, c) => ['done', 'succeed', 'fail'].filter((n) => n in c);", []),
        ("exports.handler = (e, c) => 'callbackWaitsForEmptyEventLoop' in c;", False),
    ],
)
def test_from_node_24_on_there_is_nothing_but_results(
    node: Node, source: str, expected: object
) -> None:
    assert node.answer(source, AWS_EXECUTION_ENV=NODE_24) == expected


def test_from_node_24_on_a_callback_is_refused(node: Node) -> None:
    async def scenario(running: Any) -> None:
        reply = await running.init()
        assert reply.error_type == "Runtime.CallbackHandlerDeprecated"
        assert json.loads(reply.payload)["errorMessage"] == (
            "ERROR: AWS Lambda has removed support for callback-based function handlers starting "
            "with Node.js 24. You need to modify this function to use a supported handler "
            "signature to use Node.js 24 or later. For more information see "
            "https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html."
        )

    node.play(scenario, "exports.handler = (e, c, done) => done();", AWS_EXECUTION_ENV=NODE_24)
