"""What never ends of a request costs its sender the connection, and the server no memory."""

from __future__ import annotations

import contextlib
import socket
from urllib.parse import urlsplit

import pytest

from tests.e2e.server import Server

SECONDS = 20
MOST = 32 * 1_048_576
"""Far beyond what the sockets of both sides hold."""


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (b"GET /", b"a" * 65_536),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\n", b"X-Name: " + b"v" * 65_000 + b"\r\n"),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Name: ", b"v" * 65_536),
        (
            b"POST /2015-03-31/functions/f/invocations HTTP/1.1\r\nHost: x\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n",
            b"X-Name: " + b"v" * 65_000 + b"\r\n",
        ),
    ],
    ids=["address", "headers", "one header", "trailers"],
)
def test_a_head_that_never_ends(server: Server, begin: bytes, more: bytes) -> None:
    parts = urlsplit(server.endpoint)
    with socket.create_connection((parts.hostname, parts.port), timeout=SECONDS) as connection:
        connection.sendall(begin)
        sent, said = 0, b""
        with contextlib.suppress(ConnectionError):
            while sent < MOST:
                connection.sendall(more)
                sent += len(more)
        with contextlib.suppress(ConnectionError):
            said = connection.recv(65_536)
    assert sent < MOST
    assert not said or said.split(b" ")[1] in (b"431", b"404")


def test_a_large_head_that_ends_is_read(server: Server) -> None:
    parts = urlsplit(server.endpoint)
    with socket.create_connection((parts.hostname, parts.port), timeout=SECONDS) as connection:
        head = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Name: " + b"v" * 60_000 + b"\r\n\r\n"
        connection.sendall(head)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
