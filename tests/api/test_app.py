"""The application over real sockets, asked by real boto3 and by plain HTTP."""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
import uvicorn
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.loaders import Loader
from botocore.model import ServiceModel
from prometheus_client import CollectorRegistry

from lamella.api.access import AccessLog
from lamella.api.app import App
from lamella.api.auth import NoAuth
from lamella.api.caller import Caller
from lamella.api.contract import Contract
from lamella.api.links import Links
from lamella.api.metrics import RequestMetrics
from lamella.api.neighbourhood import Neighbourhood
from lamella.api.pages import Pages
from lamella.api.reach import why_not
from lamella.api.registry import Served
from lamella.api.server import config
from lamella.api.services import Services
from lamella.errors import ResourceNotFound, TooManyRequests

MODEL = ServiceModel(Loader().load_service_model("lambda", "service-2"), "lambda")
SERVICES: Any = object()
Request = Mapping[str, Any]


def get_function(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    name = request["FunctionName"]
    if name == "missing":
        raise ResourceNotFound(f"Function not found: {name}")
    if name == "busy":
        raise TooManyRequests(
            "Rate Exceeded.", Reason="CallerRateLimitExceeded", retryAfterSeconds="3"
        )
    if name == "broken":
        raise RuntimeError("the secret of the house")
    if name == "wrong":
        return {"Colour": "red"}
    return {
        "Configuration": {
            "FunctionName": name,
            "Description": f"{caller.account} {caller.region} {caller.principal_arn}",
            "RevisionId": caller.request_id,
            "Handler": threading.current_thread().name,
        },
        "Code": {"Location": caller.endpoint},
    }


def create_function(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    size = len(request["Code"]["ZipFile"])
    return {"FunctionName": request["FunctionName"], "CodeSize": size}


def delete_layer_version(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    return {}


async def invoke(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    thread = threading.current_thread().name
    return {
        "StatusCode": 200,
        "ExecutedVersion": request.get("Qualifier", "$LATEST"),
        "LogResult": thread if request.get("LogType") == "Tail" else None,
        "Payload": request.get("Payload", b""),
    }


SERVED: dict[str, Served] = {
    "GetFunction": get_function,
    "CreateFunction": create_function,
    "DeleteLayerVersion": delete_layer_version,
    "Invoke": invoke,
}


class Files:
    """A folder of blobs, as far as pages need them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        (self._folder / digest).write_bytes(data)
        return digest

    def open(self, digest: str) -> Path:
        path = self._folder / digest
        if not path.exists():
            raise KeyError(digest)
        return path


class Running:
    """A server in a thread of its own, on a free port of the loopback."""

    def __init__(self, folder: Path, served: Mapping[str, Served] = SERVED) -> None:
        self.blobs = Files(folder)
        self.links = Links(b"k" * 32, time.time)
        self.stream = io.StringIO()
        self.access = AccessLog(self.stream)
        self.events: list[str] = []
        metrics = RequestMetrics(CollectorRegistry())
        blobs: Any = self.blobs
        app = App(
            contract=Contract.of_lambda(),
            served=served,
            neighbours=Neighbourhood(()),
            services=SERVICES,
            auth=NoAuth(),
            pages=Pages(metrics, self.links, blobs),
            access=self.access,
            metrics=metrics,
            running=self._running,
        )
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen()  # from here on callers wait until the server is up
        self.port: int = self._socket.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self._server = uvicorn.Server(config(app, "127.0.0.1", self.port))
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],))
        self._thread.start()

    @asynccontextmanager
    async def _running(self) -> Any:
        self.events.append("started")
        yield
        self.events.append("ended")

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self._socket.close()
        assert not self._thread.is_alive()

    def ask(self, method: str, path: str, **sent: Any) -> tuple[int, Mapping[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, **sent)
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, headers, answer.read()
        finally:
            connection.close()

    def lines(self) -> list[str]:
        """The log so far; the line of a request is written after its answer has gone."""
        return self.stream.getvalue().splitlines()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(tmp_path_factory.mktemp("blobs"))
    yield running
    running.stop()


def make_client(server: Running, **options: Any) -> Any:
    return boto3.client(
        "lambda",
        endpoint_url=server.endpoint,
        region_name="eu-central-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 0}, parameter_validation=False, **options),
    )


@pytest.fixture(scope="module")
def client(server: Running) -> Any:
    return make_client(server)


def refusal(call: Any, **sent: Any) -> Any:
    with pytest.raises(ClientError) as refused:
        call(**sent)
    return refused.value.response


def test_an_operation_is_given_its_caller_and_answers(server: Running, client: Any) -> None:
    answer = client.get_function(FunctionName="f")
    found = answer["Configuration"]
    assert found["FunctionName"] == "f"
    assert found["Description"] == "000000000000 eu-central-1 arn:aws:iam::000000000000:root"
    assert found["RevisionId"] == answer["ResponseMetadata"]["RequestId"]
    assert answer["Code"]["Location"] == server.endpoint


def test_plain_operations_run_in_threads_and_coroutines_on_the_loop(client: Any) -> None:
    assert client.get_function(FunctionName="f")["Configuration"]["Handler"].startswith("operation")
    thread = client.invoke(FunctionName="f", LogType="Tail")["LogResult"]
    assert not thread.startswith("operation")


def test_a_payload_goes_through_as_it_came(client: Any) -> None:
    payload = b'{"a" :\n 1, "\xc3\xa9":2}'
    answer = client.invoke(FunctionName="f", Payload=payload, Qualifier="live")
    assert answer["Payload"].read() == payload
    assert answer["ExecutedVersion"] == "live"


def test_an_answer_of_204_has_no_body(client: Any) -> None:
    answer = client.delete_layer_version(LayerName="l", VersionNumber=1)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204


def test_an_error_is_read_by_boto3_as_aws_means_it(client: Any) -> None:
    answer = refusal(client.get_function, FunctionName="missing")
    assert answer["Error"] == {
        "Code": "ResourceNotFoundException",
        "Message": "Function not found: missing",
    }
    assert answer["Type"] == "User"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 404
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_function(FunctionName="missing")


def test_a_throttle_carries_reason_and_retry_after(client: Any) -> None:
    answer = refusal(client.get_function, FunctionName="busy")
    assert answer["Reason"] == "CallerRateLimitExceeded"
    assert answer["retryAfterSeconds"] == "3"


def test_faults_of_validation_reach_boto3(client: Any) -> None:
    answer = refusal(client.invoke, FunctionName="f", InvocationType="Later", LogType="All")
    assert answer["Error"]["Code"] == "ValidationException"
    assert answer["Error"]["Message"].startswith("2 validation errors detected: Value 'Later' at")


@pytest.mark.parametrize("name", ["broken", "wrong"])
def test_what_nobody_foresaw_is_an_answer_without_a_traceback(
    client: Any, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = refusal(client.get_function, FunctionName=name)
    request_id = answer["ResponseMetadata"]["RequestId"]
    assert answer["Error"]["Code"] == "ServiceException"
    assert request_id in answer["Error"]["Message"]
    assert "secret" not in json.dumps(answer)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert request_id in caplog.text


def least(shape: Any) -> Any:
    """The smallest value that botocore will send."""
    if shape.type_name == "structure":
        return {name: least(shape.members[name]) for name in shape.required_members}
    kinds: dict[str, Any] = {"list": [], "map": {}, "blob": b"", "boolean": True}
    return kinds.get(shape.type_name, 1 if shape.type_name in ("integer", "long") else "x")


@pytest.mark.parametrize("name", sorted(set(MODEL.operation_names) - set(SERVED)))
def test_an_operation_that_is_not_built_says_so(client: Any, name: str) -> None:
    operation = MODEL.operation_model(name)
    with pytest.raises(ClientError) as refused:
        client._make_api_call(name, least(operation.input_shape))
    answer = refused.value.response
    assert answer["Error"] == {
        "Code": "NotImplementedException",
        "Message": why_not(name),
    }
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_an_unknown_path_is_an_unknown_operation(server: Running) -> None:
    status, headers, body = server.ask("GET", "/2015-03-31/nothing")
    assert status == 404
    assert headers["x-amzn-errortype"] == "UnknownOperationException"
    assert set(json.loads(body)) == {"message"}
    assert server.ask("POST", "/healthz")[0] == 404


def test_every_answer_has_its_headers_and_no_more(server: Running) -> None:
    for path in ("/healthz", "/2015-03-31/functions/f", "/nothing"):
        _, headers, _ = server.ask("GET", path)
        assert set(headers) - {"x-amzn-errortype"} == {
            "date",
            "content-type",
            "content-length",
            "x-amzn-requestid",
        }
        uuid = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
        assert re.fullmatch(uuid, headers["x-amzn-requestid"])


def test_a_zip_of_fifty_megabytes_is_taken(client: Any) -> None:
    zipped = bytes(52_428_800)
    answer = client.create_function(
        FunctionName="f", Role="arn:aws:iam::000000000000:role/r", Code={"ZipFile": zipped}
    )
    assert answer["CodeSize"] == len(zipped)


def test_a_payload_that_is_too_large_is_refused_to_boto3(client: Any) -> None:
    answer = refusal(client.invoke, FunctionName="f", Payload=b" " * 6_291_457)
    assert answer["Error"] == {
        "Code": "RequestTooLargeException",
        "Message": "Request must be smaller than 6291456 bytes for the InvokeFunction operation",
    }
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 413


def test_a_request_that_is_too_large_is_refused_to_boto3(client: Any) -> None:
    answer = refusal(
        client.create_function,
        FunctionName="f",
        Role="arn:aws:iam::000000000000:role/r",
        Code={"ZipFile": bytes(53_000_000)},
    )
    assert answer["Error"] == {
        "Code": "RequestEntityTooLargeException",
        "Message": "Request must be smaller than 70167211 bytes for the CreateFunction operation",
    }


def test_a_client_that_goes_away_in_its_body_leaves_the_server_well(server: Running) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as raw:
        raw.sendall(
            b"POST /2015-03-31/functions/f/invocations HTTP/1.1\r\n"
            b"Host: x\r\nContent-Length: 100\r\n\r\n{"
        )
    assert server.ask("GET", "/healthz")[0] == 200


def test_a_link_downloads_the_bytes_until_it_is_over(server: Running) -> None:
    data = bytes(range(256)) * 4096
    url = urlsplit(server.links.url(server.endpoint, server.blobs.keep(data)))
    status, headers, body = server.ask("GET", f"{url.path}?{url.query}")
    assert (status, body) == (200, data)
    assert headers["content-type"] == "application/zip"
    status, headers, body = server.ask("HEAD", f"{url.path}?{url.query}")
    assert (status, headers["content-length"], body) == (200, str(len(data)), b"")
    over = Links(b"k" * 32, lambda: time.time() - 601).url(server.endpoint, "ab" * 32)
    for wrong in (f"{url.path}?{url.query}0", url.path, over.removeprefix(server.endpoint)):
        assert server.ask("GET", wrong)[0] == 403
    gone = server.links.url(server.endpoint, "cd" * 32).removeprefix(server.endpoint)
    assert server.ask("GET", gone)[0] == 404


def test_health_and_metrics_can_be_read(server: Running, client: Any) -> None:
    client.invoke(FunctionName="f")
    assert server.ask("GET", "/healthz")[2] == b"ok\n"
    status, _, body = server.ask("GET", "/metrics")
    assert status == 200
    assert b'lamella_requests_total{operation="Invoke",status="200"}' in body
    assert b'lamella_request_seconds_bucket{le="+Inf",operation="Invoke"}' in body


def test_each_request_is_a_line_and_what_runs_beside_the_server_ends_with_it(
    tmp_path: Path,
) -> None:
    running = Running(tmp_path)
    try:
        client = make_client(running)
        client.get_function(FunctionName="f")
        refusal(client.get_function, FunctionName="missing")
        client.create_function(FunctionName="made", Role="arn:aws:iam::000000000000:role/r", Code={"ZipFile": b"x"})  # fmt: skip
    finally:
        running.stop()
    assert running.events == ["started", "ended"]
    seen = [line.split(" ", 1)[1] for line in running.lines()]
    assert [line.rsplit(" ", 3)[0] for line in seen] == [
        "200 GetFunction f",
        "404 GetFunction missing",
        "201 CreateFunction made",
    ]
