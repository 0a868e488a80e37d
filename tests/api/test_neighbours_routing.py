"""Which service a request to ``/`` reaches, over plain HTTP and through boto3."""

from __future__ import annotations

import http.client
import json
from urllib.parse import urlencode
from xml.etree import ElementTree

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from lamella.api.neighbourhood import BY_TARGET, BY_VERSION, Neighbour, Neighbourhood, modules
from lamella.api.protocols.sent import Sent
from tests.e2e.server import Server
from tests.unit.api.models import model

IDENTITY = {"Action": "GetCallerIdentity", "Version": "2011-06-15"}
SCOPED = "AWS4-HMAC-SHA256 Credential=AKIA/20261121/eu-west-1/{}/aws4_request, SignedHeaders=host"


def ask(
    server: Server, method: str, path: str, body: bytes = b"", **headers: str
) -> tuple[int, str, bytes]:
    """Status, content type and body."""
    host, port = server.endpoint.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=20)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        answer = connection.getresponse()
        return answer.status, answer.getheader("content-type", ""), answer.read()
    finally:
        connection.close()


def form(**parameters: str) -> bytes:
    return urlencode(parameters).encode()


def test_boto3_reaches_sts_at_the_same_address(server: Server) -> None:
    client = boto3.client(
        "sts",
        endpoint_url=server.endpoint,
        region_name="eu-west-1",
        aws_access_key_id="111122223333",
        aws_secret_access_key="test",
    )
    answer = client.get_caller_identity()
    meta = answer.pop("ResponseMetadata")
    assert answer == {
        "UserId": "111122223333",
        "Account": "111122223333",
        "Arn": "arn:aws:iam::111122223333:root",
    }
    assert meta["RequestId"] == meta["HTTPHeaders"]["x-amzn-requestid"]


def test_an_operation_that_is_not_built_is_named(server: Server) -> None:
    client = boto3.client(
        "sts",
        endpoint_url=server.endpoint,
        region_name="eu-west-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 0}),
    )
    with pytest.raises(ClientError) as refused:
        client.get_access_key_info(AccessKeyId="AKIAIOSFODNN7EXAMPLE")
    answer = refused.value.response
    assert answer["Error"]["Code"] == "NotImplementedException"
    assert answer["Error"]["Message"] == (
        "GetAccessKeyInfo is not built: docs/neighbours.md lists what is."
    )
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_an_unsigned_form_is_known_by_its_version(server: Server) -> None:
    status, kind, body = ask(server, "POST", "/", form(**IDENTITY))
    assert (status, kind) == (200, "text/xml")
    assert body.startswith(
        b'<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
    )
    assert ask(server, "GET", "/?" + urlencode(IDENTITY))[0] == 200


def test_a_scope_decides_before_the_form(server: Server) -> None:
    signed = {"authorization": SCOPED.format("iam")}
    status, _, body = ask(server, "POST", "/", form(**IDENTITY), **signed)
    assert status == 400
    assert b"<Code>InvalidAction</Code>" in body
    assert b"https://iam.amazonaws.com/doc/2010-05-08/" in body


@pytest.mark.parametrize("service", ["lambda", "s3", "..", ""])
def test_a_service_that_is_not_here_is_an_unknown_operation(server: Server, service: str) -> None:
    signed = {"authorization": SCOPED.format(service)}
    status, kind, body = ask(server, "POST", "/", form(**IDENTITY), **signed)
    assert (status, kind) == (404, "application/json")
    assert json.loads(body) == {"message": "POST / is not an operation of Lambda."}


@pytest.mark.parametrize(
    ("body", "target"),
    [(b"", ""), (b"Version=1999", ""), (b"\xff=%ff&&", ""), (b"{}", "DynamoDB_20120810.GetItem")],
)
def test_a_request_for_nobody_is_an_unknown_operation(
    server: Server, body: bytes, target: str
) -> None:
    headers = {"x_amz_target": target} if target else {}
    assert ask(server, "POST", "/", body, **headers)[0] == 404


def test_a_form_without_an_action_is_refused(server: Server) -> None:
    status, _, body = ask(server, "POST", "/", b"Version=2011-06-15")
    assert status == 400
    assert b"<Type>Sender</Type><Code>MissingAction</Code>" in body


def test_a_body_that_is_too_large_is_refused_in_the_services_protocol(server: Server) -> None:
    signed = {"authorization": SCOPED.format("sts")}
    status, kind, body = ask(server, "POST", "/", bytes(4_194_305), **signed)
    assert (status, kind) == (413, "text/xml")
    assert b"Request must be smaller than 4194304 bytes for the POST / operation" in body


HOUSE = Neighbourhood(modules())
NAMES = [
    "RoleName",
    "PolicyName",
    "PolicyArn",
    "PolicyDocument",
    "AssumeRolePolicyDocument",
    "Path",
    "MaxItems",
    "Marker",
    "Tags.member.1.Key",
    "Tags.member.1.Value",
    "VersionId",
    "RoleArn",
    "RoleSessionName",
    "DurationSeconds",
    "ExternalId",
    "TagKeys.member.1",
    "PermissionsBoundary",
]
VALUES = [
    *("fuzz", "/", "/p/", "{}", "[]", "900", "v1"),
    *("arn:aws:iam::000000000000:policy/fuzz", "arn:aws:iam::000000000000:role/fuzz"),
    '{"Statement": [{"Effect": "Allow"}]}',
    '{"Statement": {"Effect": "Deny", "Action": "sts:*", "Principal": {"AWS": "*"}}}',
    '{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}',
]
PARAMETERS = st.dictionaries(
    st.sampled_from(NAMES), st.sampled_from(VALUES) | st.text(max_size=10), min_size=1
)


def neighbour(name: str) -> Neighbour:
    found = HOUSE.find(f"AKIA/20261121/eu-west-1/{name}/aws4_request", Sent({}, {}, b""))
    assert found is not None
    return found


@settings(max_examples=150)
@given(
    service=st.sampled_from(["iam", "iam", "sts"]),
    action=st.sampled_from(sorted({**neighbour("iam").served, **neighbour("sts").served}))
    | st.sampled_from(model("iam").operation_names)
    | st.text(max_size=5),
    parameters=PARAMETERS,
)
def test_any_form_is_answered_without_a_failure(
    server: Server, action: str, service: str, parameters: dict[str, str]
) -> None:
    signed = {"authorization": SCOPED.format(service)}
    body = form(Action=action, **parameters)
    status, kind, answer = ask(server, "POST", "/", body, **signed)
    assert status < 500 or (status == 501 and b"NotImplementedException" in answer), answer
    assert kind == "text/xml"
    ElementTree.fromstring(answer)


def test_what_names_a_service_is_what_its_model_says() -> None:
    assert {model(name).metadata["targetPrefix"]: name for name in ["logs"]} == BY_TARGET
    assert {model(name).api_version: name for name in ["sts", "iam"]} == BY_VERSION


def test_every_service_of_the_house_can_be_reached() -> None:
    for module in modules():
        found = neighbour(module.__name__.rpartition(".")[2])
        assert set(found.served) <= set(found.protocol.operations)
