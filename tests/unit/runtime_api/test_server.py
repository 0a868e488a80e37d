"""The Runtime API over raw sockets: every route, state and fault."""

from __future__ import annotations

import asyncio
import json

import pytest

from lamella.model.invocation import Reply
from lamella.model.limits import RESPONSE_BYTES
from tests.unit.runtime_api.stage import (
    ROOT,
    Play,
    Stage,
    event,
)


def test_next_brings_the_event_and_its_headers(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        client = await stage.waiting()
        stage.api.invoke(
            event(payload='{"a":"é"}'.encode(), client_context='{"x":\r\n1}', cognito_identity="{}")
        )
        answer = await client.answer()
        assert answer.status == 200
        assert answer.body == '{"a":"é"}'.encode()
        assert answer.headers == {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": "r1",
            "Lambda-Runtime-Deadline-Ms": "1700000000000",
            "Lambda-Runtime-Invoked-Function-Arn": event().function_arn,
            "Lambda-Runtime-Trace-Id": event().trace_id,
            "Lambda-Runtime-Client-Context": '{"x":  1}',
            "Lambda-Runtime-Cognito-Identity": "{}",
            "Content-Length": "10",
        }

    play(scenario)


def test_a_response_reaches_the_caller_unchanged(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        client, future = await stage.running()
        answer = await client.call("POST", "invocation/r1/response", b' {"ok" :1}\xff')
        assert (answer.status, answer.json) == (202, {"status": "OK"})
        assert await future == Reply(b' {"ok" :1}\xff')
        assert not stage.api.idle

    play(scenario)


def test_an_error_carries_its_name(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        client, future = await stage.running()
        answer = await client.call(
            "POST",
            "invocation/r1/error",
            b'{"errorMessage":"x"}',
            "Lambda-Runtime-Function-Error-Type: Runtime.Odd\r\n",
        )
        assert (answer.status, answer.json) == (202, {"status": "OK"})
        assert await future == Reply(b'{"errorMessage":"x"}', "Runtime.Odd")

    play(scenario)


def test_an_event_waits_for_a_next_that_comes_later(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        future = stage.api.invoke(event(payload=b"1"))
        client = await stage.client()
        assert (await client.call("GET", "invocation/next")).body == b"1"
        await client.call("POST", "invocation/r1/response", b"2")
        assert (await future).payload == b"2"

    play(scenario)


def test_a_hundred_invocations_on_one_connection(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        client = await stage.waiting()
        for number in range(100):
            future = stage.api.invoke(event(f"r{number}", b"%d" % number))
            assert (await client.answer()).body == b"%d" % number
            await client.call("POST", f"invocation/r{number}/response", b"[%d]" % number)
            assert (await future).payload == b"[%d]" % number
            client.request("GET", "invocation/next")
            await stage.api.wait_idle()

    play(scenario)


def test_response_and_next_may_come_in_one_write(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        client, future = await stage.running()
        client.send(
            f"POST {ROOT}invocation/r1/response HTTP/1.1\r\nContent-Length: 1\r\n\r\n7"
            f"GET {ROOT}invocation/next HTTP/1.1\r\n\r\n".encode()
        )
        assert (await future).payload == b"7"
        assert stage.api.idle
        assert (await client.answer()).status == 202
        stage.api.invoke(event("r2"))
        assert (await client.answer()).headers["Lambda-Runtime-Aws-Request-Id"] == "r2"

    play(scenario)


def test_response_and_next_may_come_on_different_connections(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        for number in range(5):
            client = await stage.waiting()
            future = stage.api.invoke(event(f"r{number}"))
            await client.answer()
            other = await stage.client()
            answer = await other.call(
                "POST", f"invocation/r{number}/response", b"1", "Connection: close\r\n"
            )
            assert answer.headers["Connection"] == "close"
            assert (await future).payload == b"1"
            assert await other.closed()

    play(scenario)


def test_init_is_over_at_the_first_next(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        task = asyncio.ensure_future(stage.api.initialised())
        await stage.waiting()
        assert await task is None

    play(scenario)


def test_an_init_error_is_handed_out(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        client = await stage.client()
        answer = await client.call(
            "POST",
            "init/error",
            b'{"errorMessage":"no"}',
            "Lambda-Runtime-Function-Error-Type: Runtime.ImportModuleError\r\n",
        )
        assert answer.status == 202
        assert await stage.api.initialised() == Reply(
            b'{"errorMessage":"no"}', "Runtime.ImportModuleError"
        )

    play(scenario)


@pytest.mark.parametrize(
    ("steps", "last", "transition"),
    [
        ([], "invocation/r1/response", None),
        (["next"], "invocation/r0/response", None),
        (["next"], "invocation/r0/error", None),
        (["next"], "invocation//error", None),
        (["next"], "init/error", "Running to InitError"),
        (["next", "response"], "invocation/r1/response", "ResponseSent to InvocationResponse"),
        (["next", "response"], "invocation/r1/error", "ResponseSent to InvocationErrorResponse"),
        (["next", "response"], "init/error", "ResponseSent to InitError"),
        (["init"], "init/error", "InitError to InitError"),
    ],
)
def test_what_is_out_of_turn_is_refused(
    play: Play, steps: list[str], last: str, transition: str | None
) -> None:
    async def scenario(stage: Stage) -> None:
        client = await stage.client()
        if "next" in steps:
            client, _ = await stage.running()
        if "response" in steps:
            await client.call("POST", "invocation/r1/response", b"1")
        if "init" in steps:
            await client.call("POST", "init/error", b"{}")
        answer = await client.call("POST", last, b"thrown away")
        if transition is None:
            assert answer.status == 400
            assert answer.json == {
                "errorMessage": "Invalid request ID",
                "errorType": "InvalidRequestID",
            }
        else:
            assert answer.status == 403
            assert answer.json == {
                "errorMessage": f"State transition from {transition} failed for runtime. "
                "Error: State transition is not allowed",
                "errorType": "InvalidStateTransition",
            }

    play(scenario)


def test_next_after_an_init_error_is_refused(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        client = await stage.client()
        await client.call("POST", "init/error", b"{}")
        answer = await client.call("GET", "invocation/next")
        assert answer.status == 403
        assert "from InitError to Ready" in answer.json["errorMessage"]

    play(scenario)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "nothing", 404),
        ("POST", "invocation/next", 405),
        ("GET", "invocation/r1/response", 405),
        ("GET", "init/error", 405),
        ("POST", "invocation/r1/other", 404),
        ("GET", "invocation/", 404),
    ],
)
def test_unknown_routes_and_methods(play: Play, method: str, path: str, status: int) -> None:
    async def scenario(stage: Stage) -> None:
        client = await stage.client()
        assert (await client.call(method, path)).status == status
        assert (await client.call(method, path)).status == status

    play(scenario)


def test_the_largest_response_passes(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        client, future = await stage.running()
        body = b"x" * RESPONSE_BYTES
        assert (await client.call("POST", "invocation/r1/response", body)).status == 202
        assert (await future).payload == body

    play(scenario)


def test_a_larger_one_is_an_error_to_the_caller_and_413_to_the_runtime(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        client, future = await stage.running()
        body = b"x" * (RESPONSE_BYTES + 1)
        answer = await client.call("POST", "invocation/r1/response", body)
        assert answer.status == 413
        assert answer.json == {
            "errorMessage": "Exceeded maximum allowed payload size (6291556 bytes).",
            "errorType": "RequestEntityTooLarge",
        }
        reply = await future
        assert reply.error_type == "Function.ResponseSizeTooLarge"
        assert json.loads(reply.payload) == {
            "errorType": "Function.ResponseSizeTooLarge",
            "errorMessage": "Response payload size exceeded maximum allowed payload size "
            "(6291556 bytes).",
        }
        client.request("GET", "invocation/next")
        await stage.api.wait_idle()

    play(scenario)


def test_a_six_megabyte_event_is_delivered(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        client = await stage.waiting()
        payload = b'"' + b"y" * 6_291_454 + b'"'
        stage.api.invoke(event(payload=payload))
        assert (await client.answer()).body == payload

    play(scenario)
