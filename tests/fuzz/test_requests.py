"""A few hundred made-up requests to a real server; ``make fuzz`` sends many more."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from random import Random
from typing import Any
from urllib.parse import urlsplit

import pytest

from lamella.api.reach import REFUSED
from tests.e2e.server import Server, serving
from tests.fuzz.__main__ import OPTIONS
from tests.fuzz.faults import REMOVED
from tests.fuzz.run import Series, made
from tests.fuzz.services import Service, services
from tests.fuzz.strings import matches, matching
from tests.fuzz.values import Maker, bounds
from tests.fuzz.wire import Client, Sent, rest

SERVICES = {service.name: service for service in services()}
LAMBDA = SERVICES["lambda"]
MODEL = LAMBDA.model
GIVEN = os.environ.get("LAMELLA_FUZZ", "")
SEED = int(GIVEN) if GIVEN.isdigit() else 1
MALFORMED = (
    b"\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00",
    b"GET /" + b"a" * 100_000,
    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5_000 + b"\r\n",
    b"GET /\0 HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nX\0: y\r\n\r\n",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("fuzz") / "data", *OPTIONS) as server:
        yield server


def test_no_made_up_request_is_answered_against_the_law(server: Server) -> None:
    series = Series(server.endpoint, SEED)
    sent = list(series.run(900))
    assert sent[-1] == 900
    assert not series.broken, "\n\n".join(map(str, series.broken[:5]))
    assert min(series.counts[kind] for kind in ("valid", "invalid", "noise")) > 200
    assert series.statuses[200] > 50  # requests get through to what operations do


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_an_operation_that_is_refused_says_so_by_name(server: Server, name: str) -> None:
    operation, maker = MODEL.operation_model(name), Maker(Random(SEED), {})
    client = Client(server.endpoint)
    answer = client.ask(rest(operation, maker.members(operation.input_shape), LAMBDA.credential))
    client.close()
    assert answer.status == 501
    assert answer.headers["x-amzn-errortype"] == "NotImplementedException"
    assert json.loads(answer.body)["message"].startswith(f"{name} is not served: {REFUSED[name]}")


@pytest.mark.parametrize("sent", MALFORMED, ids=range(len(MALFORMED)))
def test_what_is_not_http_does_not_hurt(server: Server, sent: bytes) -> None:
    split = urlsplit(server.endpoint)
    with socket.create_connection((split.hostname, split.port or 0), timeout=20) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        said = b""
        try:
            while part := connection.recv(65_536):
                said += part
        except ConnectionResetError:
            pass
    assert not said or said.startswith((b"HTTP/1.1 4", b"HTTP/1.1 2"))
    client = Client(server.endpoint)
    assert client.ask(Sent("GET", "/healthz")).status == 200
    client.close()


@pytest.mark.parametrize("name", MODEL.operation_names)
def test_valid_values_are_what_the_model_says(name: str) -> None:
    operation, maker = MODEL.operation_model(name), Maker(Random(SEED), {})
    shape = operation.input_shape
    if shape is None:
        return
    for _ in range(5):
        operation_input = maker.members(shape)
        assert set(shape.required_members) <= set(operation_input)
        for member, value in operation_input.items():
            pattern = shape.members[member].metadata.get("pattern")
            if isinstance(value, str) and pattern:
                assert matches(pattern, value)


def test_an_invalid_request_differs_from_a_valid_one_in_one_place() -> None:
    maker = Maker(Random(SEED), {})
    broken = [made("invalid", LAMBDA, "CreateFunction", maker)[1] for _ in range(60)]
    faults = [fault for fault in broken if fault is not None]
    assert len(faults) == 60
    assert {fault.value is REMOVED for fault in faults} == {True, False}
    assert {bool(fault.at) for fault in faults} == {True, False}


def test_one_seed_makes_one_series() -> None:
    def series() -> list[Sent]:
        maker = Maker(Random(7), {})
        kinds = ("valid", "invalid", "noise") * 5
        return [made(kind, LAMBDA, "UpdateFunctionConfiguration", maker)[0] for kind in kinds]

    assert series() == series()


@pytest.mark.parametrize(
    "pattern", [r"[a-z]{3}-\d+", r"(?!^[0-9]+$)([a-zA-Z0-9-_]+)", r"a|\$(B|C)*", r"[^\s/]+"]
)
def test_strings_match_their_pattern(pattern: str) -> None:
    for seed in range(30):
        found = matching(pattern, Random(seed), 1, 20)
        assert found is not None
        assert 1 <= len(found) <= 20
        assert matches(pattern, found)


@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
def test_a_string_made_for_a_shape_fits_it(service: Service) -> None:
    """One that does not makes a false alarm of a seed that nobody tried."""
    maker, shapes = Maker(Random(SEED), {}), _strings(service.model)
    assert shapes
    for shape in shapes:
        for _ in range(40):
            made_up = maker.value(shape)
            assert maker.fits(shape, made_up), (shape.name, bounds(shape), made_up)


def _strings(model: Any) -> list[Any]:
    shapes = (model.shape_for(name) for name in model.shape_names)
    return [shape for shape in shapes if shape.type_name == "string"]
