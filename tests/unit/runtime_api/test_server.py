"""The Runtime API over raw sockets: every route, state and fault."""

from __future__ import annotations

import asyncio
import json
import socket
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import uvloop

from lamella.model.invocation import Event, Reply
from lamella.model.limits import RESPONSE_BYTES
from lamella.runtime_api.runtime import RuntimeGone
from lamella.runtime_api.server import CONNECTIONS, HEAD_BYTES, RuntimeApi

ROOT = "/2018-06-01/runtime/"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """One connection that writes what it is told and reads answers."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def request(self, method: str, path: str, body: bytes = b"", headers: str = "") -> None:
        head = f"{method} {ROOT}{path} HTTP/1.1\r\nHost: x\r\n{headers}"
        if method == "POST":
            head += f"Content-Length: {len(body)}\r\n"
        self.send(head.encode() + b"\r\n" + body)

    async def answer(self) -> Answer:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        status, *lines = head.strip().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        body = await self.reader.readexactly(int(headers.get("Content-Length", "0")))
        return Answer(int(status.split()[1]), headers, body)

    async def call(self, method: str, path: str, body: bytes = b"", headers: str = "") -> Answer:
        self.request(method, path, body, headers)
        return await self.answer()

    async def closed(self) -> bool:
        try:
            return await self.reader.read() == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        self.writer.close()


class Stage:
    """A Runtime API on loopback and the clients of the test."""

    def __init__(self) -> None:
        self.api = RuntimeApi()
        self.port = 0
        self.clients: list[Client] = []

    async def start(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        await self.api.serve(listener)

    async def client(self) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port, limit=8_000_000))
        self.clients.append(client)
        return client

    async def waiting(self) -> Client:
        """A client whose `next` is pending."""
        client = await self.client()
        client.request("GET", "invocation/next")
        await self.api.wait_idle()
        return client

    async def running(self, payload: bytes = b"{}") -> tuple[Client, asyncio.Future[Reply]]:
        """A client that holds the invocation ``r1``."""
        client = await self.waiting()
        future = self.api.invoke(event(payload=payload))
        assert (await client.answer()).status == 200
        return client, future


@asynccontextmanager
async def staged() -> AsyncIterator[Stage]:
    stage = Stage()
    await stage.start()
    try:
        yield stage
    finally:
        for client in stage.clients:
            client.close()
        stage.api.close()
        await asyncio.sleep(0)


def event(request_id: str = "r1", payload: bytes = b"{}", **more: str) -> Event:
    return Event(
        request_id=request_id,
        payload=payload,
        deadline_ms=1_700_000_000_000,
        function_arn="arn:aws:lambda:eu-west-1:000000000000:function:F",
        trace_id="Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1",
        **more,
    )


Scenario = Callable[[Stage], Awaitable[None]]


@pytest.fixture(params=["asyncio", "uvloop"])
def play(request: pytest.FixtureRequest) -> Callable[[Scenario], None]:
    """Run a scenario on either event loop."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop

    def run(scenario: Scenario) -> None:
        async def main() -> None:
            async with staged() as stage:
                await asyncio.wait_for(scenario(stage), 6)

        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(main())

    return run


Play = Callable[[Scenario], None]


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
            await other.call(
                "POST", f"invocation/r{number}/response", b"1", "Connection: close\r\n"
            )
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


def chunks(*parts: bytes, trailers: bytes = b"") -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    return body + b"0\r\n" + trailers + b"\r\n"


STREAM = f"POST {ROOT}invocation/r1/response HTTP/1.1\r\n".encode() + (
    b"Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n"
    b"Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n"
)


def test_a_streamed_response_is_put_together(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        client, future = await stage.running()
        client.send(STREAM + chunks(b"ab", b"c", b"def"))
        assert (await client.answer()).status == 202
        assert await future == Reply(b"abcdef")

    play(scenario)


def test_a_stream_that_ends_in_an_error(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        client, future = await stage.running()
        body = b'{"errorType":"E","errorMessage":"half way"}'
        trailers = (
            b"Lambda-Runtime-Function-Error-Type: Function.E\r\n"
            b"Lambda-Runtime-Function-Error-Body: " + b64encode(body) + b"\r\n"
        )
        client.send(STREAM + chunks(b"half", trailers=trailers))
        assert (await client.answer()).status == 202
        assert await future == Reply(body, "Function.E")

    play(scenario)


def test_a_response_in_single_bytes(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        client, future = await stage.running()
        data = STREAM + chunks(*[bytes([65 + n % 26]) for n in range(1000)])
        for position in range(0, len(data), 7):
            client.send(data[position : position + 7])
            await client.writer.drain()
        assert (await client.answer()).status == 202
        assert len((await future).payload) == 1000

    play(scenario)


def test_an_endless_stream_is_cut(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        client, future = await stage.running()
        client.send(STREAM)

        async def pour() -> None:
            part = chunks(b"z" * 1_000_000)[:-5]
            while True:
                client.send(part)
                await client.writer.drain()

        with pytest.raises(ConnectionError):
            await pour()
        assert (await future).error_type == "Function.ResponseSizeTooLarge"

    play(scenario)


def test_curl_waits_for_100_continue(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        client, future = await stage.running()
        client.send(
            f"POST {ROOT}invocation/r1/response HTTP/1.1\r\nContent-Length: 2\r\n"
            "Expect: 100-continue\r\n\r\n".encode()
        )
        assert (await client.answer()).status == 100
        client.send(b"ok")
        assert (await client.answer()).status == 202
        assert (await future).payload == b"ok"

    play(scenario)


@pytest.mark.parametrize(
    "noise",
    [
        b"\x00\x01\x02garbage\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_noise_costs_its_sender_the_connection_and_nobody_else_anything(
    play: Play, noise: bytes
) -> None:
    async def scenario(stage: Stage) -> None:
        client, future = await stage.running()
        hostile = await stage.client()
        hostile.send(noise)
        await hostile.closed()
        await client.call("POST", "invocation/r1/response", b"1")
        assert (await future).payload == b"1"

    play(scenario)


@pytest.mark.parametrize(
    "start",
    [
        b"GET /",
        b"GET / HTTP/1.1\r\nX: ",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ",
    ],
)
def test_a_head_without_end_is_refused(play: Play, start: bytes) -> None:
    async def scenario(stage: Stage) -> None:
        client = await stage.client()
        client.send(start + b"a" * (HEAD_BYTES + 1_000_000))
        try:
            assert (await client.reader.readline()).startswith(b"HTTP/1.1 431 ")
        except ConnectionResetError:
            pass  # closed with our bytes unread: the answer may be lost on the way

    play(scenario)


def test_a_request_behind_a_pending_next_closes_the_connection(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        client = await stage.waiting()
        client.request("GET", "nothing")
        assert await client.closed()
        assert not stage.api.idle
        again = await stage.waiting()
        stage.api.invoke(event())
        assert (await again.answer()).status == 200

    play(scenario)


def test_next_again_brings_the_same_invocation(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        first, future = await stage.running(b"11")
        second = await stage.client()
        assert (await second.call("GET", "invocation/next")).body == b"11"
        assert await first.closed()
        await second.call("POST", "invocation/r1/response", b"1")
        assert (await future).payload == b"1"

    play(scenario)


def test_a_second_next_takes_the_place_of_the_first(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        first = await stage.waiting()
        second = await stage.client()
        second.request("GET", "invocation/next")
        assert await first.closed()
        await stage.api.wait_idle()
        stage.api.invoke(event())
        assert (await second.answer()).status == 200

    play(scenario)


def test_asking_again_and_again_without_reading_is_cut(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        client, future = await stage.running(b"1" * 3_000_000)
        client.send(f"GET {ROOT}invocation/next HTTP/1.1\r\n\r\n".encode() * 1000)
        received = 0
        try:
            while data := await client.reader.read(1 << 20):
                received += len(data)
        except ConnectionResetError:
            pass
        assert received < 100_000_000
        again = await stage.client()
        assert (await again.call("GET", "invocation/next")).status == 200
        await again.call("POST", "invocation/r1/response", b"1")
        await future

    play(scenario)


def test_a_response_that_breaks_off_may_be_posted_again(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        client, future = await stage.running()
        client.send(
            f"POST {ROOT}invocation/r1/response HTTP/1.1\r\nContent-Length: 9\r\n\r\nhal".encode()
        )
        await client.writer.drain()
        client.writer.write_eof()
        assert await client.closed()
        again = await stage.client()
        await again.call("POST", "invocation/r1/response", b"whole")
        assert (await future).payload == b"whole"

    play(scenario)


def test_two_responses_at_once_one_wins(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        client, future = await stage.running()
        client.send(
            f"POST {ROOT}invocation/r1/response HTTP/1.1\r\nContent-Length: 4\r\n"
            "Expect: 100-continue\r\n\r\n".encode()
        )
        assert (await client.answer()).status == 100
        other = await stage.client()
        assert (await other.call("POST", "invocation/r1/response", b"2")).status == 403
        assert (await other.call("GET", "invocation/next")).status == 403
        client.send(b"mine")
        assert (await client.answer()).status == 202
        assert (await future).payload == b"mine"

    play(scenario)


def test_connections_are_counted(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        held = [await stage.client() for _ in range(CONNECTIONS)]
        assert (await held[-1].call("GET", "nothing")).status == 404
        assert await (await stage.client()).closed()
        held[0].close()
        await held[0].writer.wait_closed()
        for _ in range(100):
            fresh = await stage.client()
            fresh.request("GET", "nothing")
            try:
                answer = await fresh.answer()
            except (asyncio.IncompleteReadError, ConnectionResetError):
                continue
            assert answer.status == 404
            break
        else:
            pytest.fail("a connection that ended is still counted")

    play(scenario)


def test_a_caller_that_gave_up_harms_nothing(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        client, future = await stage.running()
        future.cancel()
        assert (await client.call("POST", "invocation/r1/response", b"1")).status == 202

    play(scenario)


def test_one_invocation_at_a_time(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.running()
        with pytest.raises(RuntimeError, match="r1 is under way"):
            stage.api.invoke(event("r2"))

    play(scenario)


def test_closing_ends_everything_at_once(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        client, future = await stage.running()
        stage.api.close()
        with pytest.raises(RuntimeGone):
            await future
        assert await client.closed()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", stage.port)

    play(scenario)


def test_closing_before_init_tells_who_waits(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        task = asyncio.ensure_future(stage.api.initialised())
        await asyncio.sleep(0)
        stage.api.close()
        with pytest.raises(RuntimeGone):
            await task

    play(scenario)


def test_http_1_0_gets_one_answer_and_the_end(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        client = await stage.client()
        client.send(f"GET {ROOT}nothing HTTP/1.0\r\n\r\n".encode())
        assert (await client.answer()).status == 404
        assert await client.closed()

    play(scenario)
