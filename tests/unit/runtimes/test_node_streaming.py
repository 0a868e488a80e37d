"""Node.js: errors, streams and the end of the process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lamella.model.invocation import Reply
from tests.unit.runtimes.node import R1, Node


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
