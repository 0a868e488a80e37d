"""A Runtime API on a real socket, and a client that speaks raw HTTP."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from lamella.model.invocation import Event, Reply
from lamella.runtime_api.server import RuntimeApi

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


def event(request_id: str = "r1", payload: bytes = b"{}", **more: Any) -> Event:
    return Event(
        request_id=request_id,
        payload=payload,
        deadline_ms=1_700_000_000_000,
        function_arn="arn:aws:lambda:eu-west-1:000000000000:function:F",
        trace_id="Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1",
        **more,
    )


Scenario = Callable[[Stage], Awaitable[None]]


Play = Callable[[Scenario], None]


def chunks(*parts: bytes, trailers: bytes = b"") -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    return body + b"0\r\n" + trailers + b"\r\n"


STREAM = f"POST {ROOT}invocation/r1/response HTTP/1.1\r\n".encode() + (
    b"Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n"
    b"Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n"
)
