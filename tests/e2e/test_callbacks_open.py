"""Calling back where no signature is checked outside: inside of boxes it is, whoever asks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from lamella.api.doors import CONNECTIONS
from tests.e2e.callers import Agent
from tests.e2e.server import ROLE, Cloud, Server, serving

ACCOUNT = "123456789012"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/r/agent"
RAW = """
import socket
import urllib.error
import urllib.request

def answer(path, headers):
    try:
        asked = urllib.request.Request("http://127.0.0.1:9002" + path, headers=headers)
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return [answer.status, answer.read().decode()]
    except urllib.error.HTTPError as error:
        return [error.code, error.headers.get("x-amzn-errortype")]

def connected(count):
    held, answered = [], 0
    for _ in range(count):
        made = socket.create_connection(("127.0.0.1", 9002), 10)
        made.sendall(b"GET /healthz HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
        held.append(made)
    for made in held:
        try:
            answered += made.recv(12) == b"HTTP/1.1 200"
        except ConnectionResetError:
            pass
    return answered

def handler(event, context):
    if "connect" in event:
        return connected(event["connect"])
    return [answer(path, event.get("headers", {})) for path in event["paths"]]
"""
AWAY = """
import os
import socket

def handler(event, context):
    with socket.socket() as tried:
        return [os.environ.get("AWS_ENDPOINT_URL"), tried.connect_ex(("127.0.0.1", 9002)) == 0]
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("open") / "data"
    with serving(data, "--auth", "none", "--function-endpoint", "self") as server:
        yield server


@pytest.fixture(scope="module")
def cloud(server: Server) -> Cloud:
    return Cloud(server.endpoint, account=ACCOUNT)


@pytest.fixture(scope="module")
def agent(cloud: Cloud) -> Agent:
    return Agent(cloud, ROLE)


def test_a_function_acts_for_its_own_account(agent: Agent) -> None:
    """Whatever account its role's ARN names."""
    asked = agent.call("sts", "get_caller_identity")
    assert (asked["Account"], asked["Arn"]) == (ACCOUNT, SESSION)


def test_a_function_may_do_what_its_account_may(agent: Agent) -> None:
    listed = agent.call("lambda", "list_functions")["Functions"]
    assert [each["FunctionName"] for each in listed] == ["agent"]


def test_a_function_assumes_a_role_and_is_narrowed_by_a_policy(agent: Agent) -> None:
    policy = (
        '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "lambda:List*", '
        '"Resource": "*"}]}'
    )
    given = agent.call(
        "sts",
        "assume_role",
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/other",
        RoleSessionName="own",
        Policy=policy,
    )["Credentials"]
    signed = {
        "aws_access_key_id": given["AccessKeyId"],
        "aws_secret_access_key": given["SecretAccessKey"],
        "aws_session_token": given["SessionToken"],
    }
    listed = agent.ask(service="lambda", operation="list_functions", signed=signed)
    assert listed["Functions"]
    refused = agent.ask(service="lambda", operation="get_account_settings", signed=signed)
    assert refused[:2] == [403, "AccessDeniedException"]
    assert "because no session policy allows the lambda:GetAccountSettings action" in refused[2]


def test_a_function_gets_into_no_other_account_by_a_role_that_nobody_made(agent: Agent) -> None:
    role = "arn:aws:iam::444455556666:role/made-up"
    refused = agent.call("sts", "assume_role", RoleArn=role, RoleSessionName="own")
    assert refused[:2] == [403, "AccessDenied"]


def test_a_function_cannot_read_the_operators_metrics(agent: Agent, cloud: Cloud) -> None:
    given = agent.variables
    credentials = Credentials(
        given["AWS_ACCESS_KEY_ID"], given["AWS_SECRET_ACCESS_KEY"], given["AWS_SESSION_TOKEN"]
    )
    asked = AWSRequest("GET", "http://127.0.0.1:9002/metrics")
    SigV4Auth(credentials, "lambda", "eu-west-1").add_auth(asked)
    raw = cloud.function(RAW, name="signs")
    answered = cloud.result(raw, {"paths": ["/metrics"], "headers": dict(asked.headers)})
    assert answered == [[403, "AccessDeniedException"]]


def test_what_is_not_signed_is_refused_inside_and_served_outside(
    server: Server, cloud: Cloud, agent: Agent
) -> None:
    signed = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    refused = agent.ask(
        service="lambda", operation="list_layers", signed={**signed, "aws_session_token": ""}
    )
    assert refused[:2] == [403, "UnrecognizedClientException"]
    assert Cloud(server.endpoint).client.list_layers()["Layers"] == []
    raw = cloud.function(RAW, name="raw")
    missing = [403, "MissingAuthenticationTokenException"]
    paths = ["/healthz", "/metrics", "/2018-10-31/layers"]
    (healthy, _), *others = cloud.result(raw, {"paths": paths})
    assert (healthy, others) == (200, [missing, missing])


def test_a_box_holds_so_many_connections_and_no_more(cloud: Cloud) -> None:
    name = cloud.function(RAW, name="many", Timeout=60)
    assert cloud.result(name, {"connect": CONNECTIONS + 8}) == CONNECTIONS
    assert cloud.result(name, {"paths": ["/healthz"]})[0][0] == 200


def test_functions_are_told_of_another_server(tmp_path_factory: pytest.TempPathFactory) -> None:
    data, url = tmp_path_factory.mktemp("url") / "data", "http://192.0.2.1:4566"
    with serving(data, "--function-endpoint", url) as server:
        assert Cloud(server.endpoint).run(AWAY) == [url, False]
