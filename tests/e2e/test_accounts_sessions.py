"""Sessions on a server that checks signatures: roles across accounts, and keys of one's own."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.api.functions import refusal
from tests.e2e.accounts import Key, lamella, new_key
from tests.e2e.server import Cloud, Server, serving

A, B = "111122223333", "444455556666"
PLAIN = "def handler(event, context):\n    return 1\n"
UNKNOWN = "UnrecognizedClientException"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("sessions") / "data", "--auth", "sigv4") as server:
        yield server


@pytest.fixture(scope="module")
def a(server: Server) -> Key:
    return new_key(server, A)


@pytest.fixture(scope="module")
def b(server: Server) -> Key:
    return new_key(server, B)


def client(server: Server, service: str, key: Key) -> Any:
    return boto3.client(
        service,
        endpoint_url=server.endpoint,
        region_name="eu-west-1",
        aws_access_key_id=key.id,
        aws_secret_access_key=key.secret,
    )


def session(server: Server, credentials: dict[str, Any]) -> Cloud:
    return Cloud(
        server.endpoint,
        account=credentials["AccessKeyId"],
        secret=credentials["SecretAccessKey"],
        token=credentials["SessionToken"],
    )


def code(call: Any, **sent: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call(**sent)
    return str(refused.value.response["Error"]["Code"])


def test_who_a_caller_is_is_told_in_the_protocol_of_sts(server: Server) -> None:
    key = new_key(server, A, "ann")
    answer = client(server, "sts", key).get_caller_identity()
    assert (answer["Account"], answer["Arn"]) == (A, f"arn:aws:iam::{A}:user/ann")
    wrong = client(server, "sts", Key(key.id, "wrong", A, ""))
    assert code(wrong.get_caller_identity) == "SignatureDoesNotMatch"
    nobody = client(server, "sts", Key("AKIAAAAAAAAAAAAAAAAA", "x", A, ""))
    assert code(nobody.get_caller_identity) == "InvalidClientTokenId"


def test_a_role_is_assumed_by_the_account_that_it_trusts(server: Server, a: Key, b: Key) -> None:
    trust = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{B}:root"},
            "Action": "sts:AssumeRole",
        },
    }
    role = client(server, "iam", a).create_role(
        RoleName="guest", AssumeRolePolicyDocument=json.dumps(trust)
    )["Role"]["Arn"]
    allow = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": "*"}
    client(server, "iam", a).put_role_policy(
        RoleName="guest",
        PolicyName="own",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow]}),
    )
    a.cloud(server).function(PLAIN, name="of-a")
    asked = {"RoleArn": role, "RoleSessionName": "visit"}
    guest = session(server, client(server, "sts", b).assume_role(**asked)["Credentials"])
    assert guest.result("of-a") == 1
    stranger = new_key(server, "777788889999")
    assert code(client(server, "sts", stranger).assume_role, **asked) == "AccessDenied"


def test_a_session_of_a_limited_key_may_do_no_more_and_ends_with_it(server: Server) -> None:
    policy = {"Statement": {"Effect": "Allow", "Action": "lambda:ListLayers", "Resource": "*"}}
    key = new_key(server, A, "lister", policy)
    own = session(server, client(server, "sts", key).get_session_token()["Credentials"])
    own.client.list_layers()
    assert refusal(own.client.list_functions) == (
        403,
        "AccessDeniedException",
        f"User: arn:aws:iam::{A}:user/lister is not authorized to perform: lambda:ListFunctions on "
        "resource: * because no identity-based policy allows the lambda:ListFunctions action",
    )
    assert code(client(server, "iam", key).list_roles) == "AccessDenied"
    lamella("keys", "revoke", key.id, data=server.data)
    own = session_until_refused(own)
    assert code(own.client.list_layers) == UNKNOWN


def session_until_refused(cloud: Cloud) -> Cloud:
    """The same session, once the server has seen that its key is revoked."""
    for _ in range(500):
        try:
            cloud.client.list_layers()
        except ClientError:
            break
    return cloud


def test_a_session_outlives_a_restart(server: Server, a: Key, tmp_path_factory: Any) -> None:
    with serving(tmp_path_factory.mktemp("again") / "data", "--auth", "sigv4") as first:
        key = new_key(first, A)
        issued = client(first, "sts", key).get_session_token()["Credentials"]
        first.stop()
        with serving(first.data, "--auth", "sigv4") as second:
            session(second, issued).client.list_layers()
            foreign = session(server, issued)
            assert code(foreign.client.list_layers) == UNKNOWN


def test_a_signature_for_one_service_is_none_for_another(server: Server, a: Key) -> None:
    cloud = a.cloud(server)
    cloud.client.meta.events.register(
        "choose-signer.lambda.*",
        lambda signing_name, context, **more: context.update({"signing": {"signing_name": "logs"}}),
    )
    assert refusal(cloud.client.list_layers) == (
        403,
        "InvalidSignatureException",
        "Credential should be scoped to correct service: 'lambda'.",
    )


def test_a_large_body_is_refused_before_it_is_taken_in(server: Server) -> None:
    headers = {"Authorization": "Bearer x", "Content-Type": "application/json"}
    path = "/2018-10-31/layers/l/versions"
    body = b"x" * 20_000_000
    connection = http.client.HTTPConnection(urlsplit(server.endpoint).netloc, timeout=20)
    connection.request("POST", path, body, headers)
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("x-amzn-errortype")) == (
        403,
        "IncompleteSignatureException",
    )
    answer.read()
    connection.request("GET", "/healthz")  # the connection is good for another request
    assert connection.getresponse().status == 200
    connection.close()


def test_a_large_body_that_waits_to_be_asked_for_is_not(server: Server) -> None:
    connection = http.client.HTTPConnection(urlsplit(server.endpoint).netloc, timeout=20)
    connection.putrequest("POST", "/2018-10-31/layers/l/versions")
    connection.putheader("Content-Length", "20000000")
    connection.putheader("Expect", "100-continue")
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("x-amzn-errortype")) == (
        403,
        "MissingAuthenticationTokenException",
    )
    connection.close()


def test_a_large_layer_is_published_with_a_signature(server: Server, a: Key) -> None:
    from tests.e2e.server import zipped

    content = zipped({"python/large.py": "x" * 3_000_000}, method=0)
    answer = a.cloud(server).client.publish_layer_version(
        LayerName="large", Content={"ZipFile": content}
    )
    assert answer["Content"]["CodeSize"] == len(content)
