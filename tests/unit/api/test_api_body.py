"""Bodies are read within their operation's limit, whatever their headers claim."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from lamella.api import body
from lamella.errors import ApiError, RequestEntityTooLarge, RequestTooLarge


class Client:
    """Sends a body in chunks; counts what was taken."""

    def __init__(self, *chunks: bytes, then: str = "end") -> None:
        last = len(chunks) - 1
        self._messages: list[dict[str, Any]] = [
            {"type": "http.request", "body": chunk, "more_body": n < last or then != "end"}
            for n, chunk in enumerate(chunks)
        ]
        if then != "end":
            self._messages.append({"type": "http.disconnect"})
        self.taken = 0

    async def receive(self) -> dict[str, Any]:
        self.taken += 1
        return self._messages[self.taken - 1]


def read(client: Client, operation: str, headers: dict[bytes, bytes] | None = None) -> bytes:
    return asyncio.run(body.read(client.receive, headers or {}, operation))


def refusal(client: Client, operation: str, headers: dict[bytes, bytes] | None = None) -> ApiError:
    with pytest.raises(ApiError) as refused:
        read(client, operation, headers)
    return refused.value


def test_chunks_become_one_body() -> None:
    assert read(Client(b"a", b"b", b"", b"c"), "Invoke") == b"abc"


def test_a_body_in_one_piece_is_not_copied() -> None:
    payload = b"x" * 1000
    assert read(Client(payload), "Invoke") is payload


def test_a_payload_may_have_six_megabytes_and_no_byte_more() -> None:
    most = b"x" * 6_291_456
    assert len(read(Client(most), "Invoke")) == 6_291_456
    error = refusal(Client(most, b"x"), "Invoke")
    assert type(error) is RequestTooLarge
    assert error.message == (
        "Request must be smaller than 6291456 bytes for the InvokeFunction operation"
    )
    assert type(refusal(Client(most + b"x"), "Invoke")) is RequestTooLarge


def test_a_request_with_a_zip_has_the_bound_of_create_function() -> None:
    error = body.too_large("CreateFunction", 70_167_211)
    assert type(error) is RequestEntityTooLarge
    assert error.message == (
        "Request must be smaller than 70167211 bytes for the CreateFunction operation"
    )


def test_a_body_over_the_limit_is_read_to_its_end() -> None:
    client = Client(*[b"x" * 500_000] * 5)
    refusal(client, "CreateAlias")
    assert client.taken == 5


def test_a_client_that_asks_first_is_answered_before_it_sends() -> None:
    client = Client(b"")
    headers = {b"content-length": b"99999999", b"expect": b"100-continue"}
    refusal(client, "CreateAlias", headers)
    assert client.taken == 0


def test_a_length_that_lies_is_not_believed() -> None:
    headers = {b"content-length": b"1"}
    refusal(Client(b"x" * 1_048_577), "CreateAlias", headers)
    assert read(Client(b"{}"), "CreateAlias", {b"content-length": b"99999999"}) == b"{}"


def test_a_client_that_goes_away_ends_the_request() -> None:
    for chunks in ((), (b"a",), (b"a", b"b")):
        with pytest.raises(body.Disconnected):
            read(Client(*chunks, then="disconnect"), "Invoke")
