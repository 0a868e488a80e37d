"""Functions call back: with credentials of their own, as far as their role's policies let them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from lamella.accounts.sessions import Sessions
from lamella.api.links import key_at
from lamella.invoke.recursion import LOOP, mark
from tests.e2e.accounts import Key, new_key
from tests.e2e.callers import Agent
from tests.e2e.server import Cloud, Server, serving

A, B = "111122223333", "444455556666"
PLACE = f"arn:aws:lambda:eu-west-1:{A}:function"
ROLE = f"arn:aws:iam::{A}:role/apps/caller"
SESSION = f"arn:aws:sts::{A}:assumed-role/caller/agent"
OWN_LOGS = "/aws/lambda/agent"
SEES = """
import os

def handler(event, context):
    return {name: os.environ.get(name) for name in event}
"""
NODE = """
exports.handler = async (event) =>
    Object.fromEntries(event.map((name) => [name, process.env[name]]));
"""
KEYS = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"]
TRUST = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}
ALLOWED: list[dict[str, Any]] = [
    {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": f"{PLACE}:*"},
    {"Effect": "Deny", "Action": "lambda:InvokeFunction", "Resource": f"{PLACE}:secret"},
    {
        "Effect": "Allow",
        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": f"arn:aws:logs:*:{A}:log-group:{OWN_LOGS}:*",
    },
]
UNKNOWN = "The security token included in the request is invalid."


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [*statements]})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    options = ("--auth", "sigv4", "--function-endpoint", "self")
    with serving(tmp_path_factory.mktemp("callbacks") / "data", *options) as server:
        yield server


@pytest.fixture(scope="module")
def key(server: Server) -> Key:
    return new_key(server, A)


@pytest.fixture(scope="module")
def cloud(server: Server, key: Key) -> Cloud:
    return key.cloud(server)


@pytest.fixture(scope="module")
def iam(server: Server, key: Key) -> Any:
    return client(server, "iam", key.id, key.secret)


@pytest.fixture(scope="module")
def agent(cloud: Cloud, iam: Any) -> Agent:
    iam.create_role(
        RoleName="caller",
        Path="/apps/",
        AssumeRolePolicyDocument=document({**TRUST, "Action": "sts:AssumeRole"}),
    )
    iam.put_role_policy(RoleName="caller", PolicyName="own", PolicyDocument=document(*ALLOWED))
    for name in ("target", "secret"):
        cloud.function("def handler(event, context):\n    return event\n", name=name)
    return Agent(cloud, ROLE)


def client(server: Server, service: str, key: str, secret: str, token: str | None = None) -> Any:
    return boto3.client(
        service,
        endpoint_url=server.endpoint,
        region_name="eu-west-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
    )


def who(server: Server, variables: dict[str, str]) -> str:
    """Whose credentials they are, asked from outside of the box."""
    signed = (variables[name] for name in KEYS[:3])
    return str(client(server, "sts", *signed).get_caller_identity()["Arn"])


def denied(action: str, resource: str, why: str) -> list[Any]:
    message = (
        f"User: {SESSION} is not authorized to perform: {action} on resource: {resource} {why}"
    )
    return [403, "AccessDeniedException", message]


def silent(action: str) -> str:
    return f"because no identity-based policy allows the {action} action"


def test_a_function_is_a_session_of_its_role(agent: Agent, iam: Any) -> None:
    role_id = iam.get_role(RoleName="caller")["Role"]["RoleId"]
    assert agent.call("sts", "get_caller_identity") == {
        "UserId": f"{role_id}:agent",
        "Account": A,
        "Arn": SESSION,
    }


def test_a_function_invokes_another(agent: Agent) -> None:
    answer = agent.call("lambda", "invoke", FunctionName="target", Payload='{"n": 1}')
    assert (answer["StatusCode"], answer["Payload"]) == (200, '{"n": 1}')


def test_what_a_roles_policy_denies_or_does_not_name_is_refused(agent: Agent) -> None:
    action = "lambda:InvokeFunction"
    refused = agent.call("lambda", "invoke", FunctionName="secret")
    why = "with an explicit deny in an identity-based policy"
    assert refused == denied(action, f"{PLACE}:secret", why)
    action = "lambda:ListFunctions"
    assert agent.call("lambda", "list_functions") == denied(action, "*", silent(action))


def test_another_accounts_function_is_not_reached(server: Server, agent: Agent) -> None:
    other = f"arn:aws:lambda:eu-west-1:{B}:function:theirs"
    new_key(server, B).cloud(server).function(SEES, name="theirs")
    refused = agent.call("lambda", "invoke", FunctionName=other)
    action = "lambda:InvokeFunction"
    assert refused == denied(action, other, silent(action))


def test_a_change_of_a_policy_counts_for_sessions_that_are_there(agent: Agent, iam: Any) -> None:
    allow = {"Effect": "Allow", "Action": "lambda:ListLayers", "Resource": "*"}
    arn = iam.create_policy(PolicyName="lists", PolicyDocument=document(allow))["Policy"]["Arn"]
    assert agent.call("lambda", "list_layers")[1] == "AccessDeniedException"
    iam.attach_role_policy(RoleName="caller", PolicyArn=arn)
    assert agent.call("lambda", "list_layers")["Layers"]
    iam.detach_role_policy(RoleName="caller", PolicyArn=arn)
    assert agent.call("lambda", "list_layers")[1] == "AccessDeniedException"


def test_a_function_writes_to_logs(server: Server, key: Key, agent: Agent) -> None:
    place = {"logGroupName": OWN_LOGS, "logStreamName": "of-its-own"}
    agent.call("logs", "create_log_stream", **place)
    event = {"timestamp": int(time.time() * 1000), "message": "called back"}
    agent.call("logs", "put_log_events", **place, logEvents=[event])
    logs = client(server, "logs", key.id, key.secret)
    assert [each["message"] for each in logs.get_log_events(**place)["events"]] == ["called back"]
    refused = agent.call("logs", "create_log_group", logGroupName="another")
    assert refused[1] == "AccessDeniedException"


def test_what_is_not_signed_by_this_server_is_refused(server: Server, agent: Agent) -> None:
    def asked_with(key: str, secret: str, token: str) -> Any:
        names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
        signed = dict(zip(names, (key, secret, token), strict=True))
        return agent.ask(service="lambda", operation="list_layers", signed=signed)

    assert asked_with("test", "test", "test") == [403, "UnrecognizedClientException", UNKNOWN]
    past = Sessions(key_at(server.data / "session.key"), lambda: time.time() - 1000)
    over = past.issue(A, ROLE, "agent", 900)
    expired = "The security token included in the request is expired"
    assert asked_with(over.access_key_id, over.secret, over.session_token) == [
        403,
        "ExpiredTokenException",
        expired,
    ]


def test_a_chain_of_calls_is_counted_through_the_function(agent: Agent) -> None:
    lineage = f"Root=1-00000000-{'0' * 24};Lineage={mark(f'{PLACE}:agent')}:14"
    events = agent.cloud.client.meta.events
    follow = "before-call.lambda.Invoke"

    def hand_on(params: dict[str, Any], **more: Any) -> None:
        params["headers"]["X-Amzn-Trace-Id"] = lineage

    events.register(follow, hand_on)
    try:
        refused = agent.call("lambda", "invoke", FunctionName="agent", Payload='{"n": 1}')
    finally:
        events.unregister(follow, hand_on)
    assert refused == [400, "RecursiveInvocationException", LOOP]


def test_every_environment_has_credentials_of_its_own(
    server: Server, cloud: Cloud, agent: Agent
) -> None:
    python = cloud.function(SEES, name="python", role=ROLE)
    node = cloud.function(NODE, name="node", role=ROLE, runtime="nodejs22.x", file="app.js")
    before = cloud.result(python, KEYS)
    cloud.configure(python, Description="another environment")
    seen = [before, cloud.result(python, KEYS), cloud.result(node, KEYS)]
    for name in KEYS[:3]:
        assert len({each[name] for each in seen}) == 3
    names = ("python", "python", "node")
    assert [who(server, each) for each in seen] == [SESSION.replace("agent", n) for n in names]
    assert {each["AWS_ENDPOINT_URL"] for each in seen} == {"http://127.0.0.1:9002"}
    assert before["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    logs = [server.log(), cloud.invoke(python, KEYS).log]
    assert not [each for each in seen for name in KEYS[1:3] for log in logs if each[name] in log]


def test_a_functions_own_endpoint_wins(cloud: Cloud, agent: Agent) -> None:
    own = {"Variables": {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}}
    name = cloud.function(SEES, Environment=own)
    assert cloud.result(name, KEYS[3:]) == {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}


def test_a_function_is_given_no_role_that_does_not_trust_lambda(
    server: Server, cloud: Cloud, iam: Any, agent: Agent
) -> None:
    trust = {"Effect": "Allow", "Principal": {"AWS": A}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName="people", AssumeRolePolicyDocument=document(trust))
    arn = f"arn:aws:iam::{A}:role/people"
    message = "The role defined for the function cannot be assumed by Lambda."
    with pytest.raises(ClientError, match=message) as refused:
        cloud.function(SEES, role=arn)
    assert refused.value.response["Error"]["Code"] == "InvalidParameterValueException"
    with pytest.raises(ClientError, match=message):
        cloud.client.update_function_configuration(FunctionName="target", Role=arn)


def test_nobody_passes_a_role_to_another_accounts_function(
    server: Server, cloud: Cloud, agent: Agent
) -> None:
    cloud.client.add_permission(
        FunctionName="target",
        StatementId="b",
        Action="lambda:UpdateFunctionConfiguration",
        Principal=B,
    )
    theirs = new_key(server, B, "bob").cloud(server).client
    sent = {"FunctionName": f"{PLACE}:target", "Description": "theirs"}
    theirs.update_function_configuration(**sent)
    with pytest.raises(ClientError, match="Cross-account pass role") as refused:
        theirs.update_function_configuration(**sent, Role=ROLE)
    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"


def test_a_role_that_is_not_there_gives_nothing(server: Server, cloud: Cloud) -> None:
    name = cloud.function(SEES, name="lost", role=f"arn:aws:iam::{A}:role/absent")
    seen = cloud.result(name, KEYS)
    assert who(server, seen) == f"arn:aws:sts::{A}:assumed-role/absent/lost"
    functions = client(server, "lambda", *(seen[each] for each in KEYS[:3]))
    with pytest.raises(ClientError, match="no identity-based policy allows"):
        functions.list_functions()
