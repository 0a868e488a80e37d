"""Accounts on one server: who is let in, what belongs to whom, what is shared and taken back."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from tests.api.functions import refusal
from tests.e2e.accounts import Key, lamella, new_key
from tests.e2e.server import Cloud, Server, serving, zipped

A, B, C = "111122223333", "444455556666", "777788889999"
SHARED = zipped({"python/shared.py": "WORD = 'from the layer'\n"})
USES_IT = "import shared\ndef handler(event, context):\n    return shared.WORD\n"
PLAIN = "def handler(event, context):\n    return 1\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("accounts") / "data", "--auth", "sigv4") as server:
        yield server


@pytest.fixture(scope="module")
def a(server: Server) -> Cloud:
    return new_key(server, A).cloud(server)


@pytest.fixture(scope="module")
def b(server: Server) -> Cloud:
    return new_key(server, B).cloud(server)


def names(cloud: Cloud) -> list[str]:
    return [each["FunctionName"] for each in cloud.client.list_functions()["Functions"]]


def denied(cloud: Cloud, arn: str, key: Key | None = None) -> tuple[int, str, str]:
    who = key.arn if key else f"arn:aws:iam::{B}:root"
    return (
        403,
        "AccessDeniedException",
        f"User: {who} is not authorized to perform: lambda:GetLayerVersion on resource: {arn} "
        "because no resource-based policy allows the lambda:GetLayerVersion action",
    )


def attached(cloud: Cloud, arn: str) -> dict[str, Any]:
    """The members of a CreateFunction that attaches a layer version."""
    return {
        "FunctionName": cloud.name(),
        "Runtime": "python3.11",
        "Handler": "app.handler",
        "Role": f"arn:aws:iam::{B}:role/r",
        "Code": {"ZipFile": zipped({"app.py": USES_IT})},
        "Layers": [arn],
    }


def until(met: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_server_without_a_key_says_how_to_make_one(server: Server) -> None:
    assert "lamella keys create --account 111122223333 --data" in server.log()


def test_accounts_and_regions_are_apart(server: Server, a: Cloud, b: Cloud) -> None:
    there = new_key(server, A).cloud(server, "us-west-2")
    name = a.function(PLAIN, name="apart")
    assert (name in names(a), name in names(there), name in names(b)) == (True, False, False)
    assert a.client.get_function(FunctionName=name)["Configuration"]["FunctionArn"] == (
        f"arn:aws:lambda:eu-west-1:{A}:function:apart"
    )
    for other in (there, b):
        assert refusal(other.client.get_function, FunctionName=name)[0] == 404
    assert a.result(name) == 1


def test_a_layer_is_shared_used_and_taken_back(a: Cloud, b: Cloud) -> None:
    arn = a.layer(SHARED, name="shared")
    assert refusal(b.client.create_function, **attached(b, arn)) == denied(b, arn)
    assert refusal(b.client.get_layer_version_by_arn, Arn=arn) == denied(b, arn)

    grant = {"LayerName": "shared", "VersionNumber": 1, "StatementId": "b"}
    a.client.add_layer_version_permission(**grant, Action="lambda:GetLayerVersion", Principal=B)
    assert b.client.get_layer_version_by_arn(Arn=arn)["LayerVersionArn"] == arn
    name = b.function(USES_IT, layers=[arn])
    assert b.result(name) == "from the layer"

    a.client.remove_layer_version_permission(**grant)
    b.configure(name, Timeout=19)  # a new environment: the layer is mounted anew
    assert b.result(name) == "from the layer"
    assert refusal(b.client.create_function, **attached(b, arn)) == denied(b, arn)
    other = b.function(PLAIN)
    update = b.client.update_function_configuration
    assert refusal(update, FunctionName=other, Layers=[arn]) == denied(b, arn)


def test_a_grant_to_an_organization_is_for_its_members(server: Server, a: Cloud, b: Cloud) -> None:
    organization = lamella("orgs", "create", data=server.data)["organization"]
    arn = a.layer(SHARED, name="of-the-organization")
    a.client.add_layer_version_permission(
        LayerName="of-the-organization",
        VersionNumber=1,
        StatementId="org",
        Action="lambda:GetLayerVersion",
        Principal="*",
        OrganizationId=organization,
    )
    assert refusal(b.client.create_function, **attached(b, arn)) == denied(b, arn)
    lamella("orgs", "add", organization, B, data=server.data)
    assert b.result(b.function(USES_IT, layers=[arn])) == "from the layer"
    lamella("orgs", "remove", organization, B, data=server.data)
    assert refusal(b.client.create_function, **attached(b, arn)) == denied(b, arn)


def test_a_revoked_key_is_refused_in_a_moment_and_its_account_lives_on(
    server: Server, a: Cloud
) -> None:
    made = lamella("keys", "create", "--account", A, "--name", "gone", data=server.data)
    key = Key(made["id"], made["secret"], A, made["arn"])
    cloud = key.cloud(server)
    cloud.client.list_layers()
    assert lamella("keys", "revoke", key.id, data=server.data)["revoked"]

    def is_refused() -> bool:
        try:
            cloud.client.list_layers()
        except ClientError as error:
            return bool(error.response["Error"]["Code"] == "UnrecognizedClientException")
        return False

    until(is_refused)
    a.client.list_layers()


def test_wrong_keys_and_requests_without_a_signature_are_refused(server: Server, a: Cloud) -> None:
    stranger = Cloud(server.endpoint, account=A)
    assert refusal(stranger.client.list_layers) == (
        403,
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
    )
    status, code = asked(server, "GET", "/2018-10-31/layers")
    assert (status, code) == (403, "MissingAuthenticationTokenException")


def test_a_body_that_was_changed_on_its_way_is_refused(server: Server, a: Cloud) -> None:
    name = a.function("def handler(event, context):\n    return event\n")
    path = f"/2015-03-31/functions/{name}/invocations"
    headers: dict[str, str] = {}

    def keep(request: Any, **more: Any) -> None:
        headers.update(
            (k, v if isinstance(v, str) else v.decode()) for k, v in request.headers.items()
        )

    a.client.meta.events.register("before-send.lambda.Invoke", keep)
    assert a.result(name, {"n": 1}) == {"n": 1}
    a.client.meta.events.unregister("before-send.lambda.Invoke", keep)
    assert asked(server, "POST", path, b'{"n": 1}', headers) == (200, "")
    expected = (403, "InvalidSignatureException")
    assert asked(server, "POST", path, b'{"n": 2}', headers) == expected
    assert asked(server, "POST", path.replace(name, "other"), b'{"n": 1}', headers) == expected


def asked(
    server: Server, method: str, path: str, body: bytes = b"", headers: Any = None
) -> tuple[int, str]:
    connection = http.client.HTTPConnection(urlsplit(server.endpoint).netloc, timeout=20)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.getheader("x-amzn-errortype") or ""
    finally:
        connection.close()


def test_a_presigned_url_works_until_it_was_changed(server: Server, a: Cloud) -> None:
    url = a.client.generate_presigned_url("list_layers", ExpiresIn=60)
    path = url.removeprefix(server.endpoint)
    assert asked(server, "GET", path) == (200, "")
    assert asked(server, "GET", f"{path}&MaxItems=1") == (403, "InvalidSignatureException")


def test_health_is_open_and_metrics_are_for_this_machine(server: Server) -> None:
    assert asked(server, "GET", "/healthz") == (200, "")
    assert asked(server, "GET", "/metrics") == (200, "")


def test_metrics_are_for_others_who_sign(server: Server, a: Cloud) -> None:
    # the server takes the address of a client from a proxy on its own machine
    forwarded = {"X-Forwarded-For": "192.0.2.1"}
    expected = (403, "MissingAuthenticationTokenException")
    assert asked(server, "GET", "/metrics", headers=forwarded) == expected


def test_a_download_link_needs_no_signature(server: Server, a: Cloud) -> None:
    name = a.function(PLAIN)
    location = a.client.get_function(FunctionName=name)["Code"]["Location"]
    assert asked(server, "GET", location.removeprefix(server.endpoint)) == (200, "")


POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "lambda:InvokeFunction",
                "lambda:Get*",
                "lambda:UpdateFunctionConfiguration",
            ],
            "Resource": f"arn:aws:lambda:*:{A}:function:open*",
        },
        {"Effect": "Deny", "Action": "lambda:*", "Resource": "arn:*:open:secret"},
        {
            "Effect": "Allow",
            "Action": "lambda:GetLayerVersion",
            "Resource": f"arn:aws:lambda:*:{A}:layer:good:*",
        },
    ],
}


def test_a_key_with_a_policy_can_do_what_that_says_and_no_more(server: Server, a: Cloud) -> None:
    key = new_key(server, A, "clerk", POLICY)
    clerk = key.cloud(server)
    a.function(PLAIN, name="open")
    a.function(PLAIN, name="shut")
    assert clerk.result("open") == 1
    assert refusal(clerk.client.invoke, FunctionName="shut") == not_allowed(
        key, "lambda:InvokeFunction", "function:shut"
    )
    assert refusal(clerk.client.delete_function, FunctionName="open") == not_allowed(
        key, "lambda:DeleteFunction", "function:open"
    )
    assert refusal(clerk.client.list_functions) == not_allowed(key, "lambda:ListFunctions", "*")
    secret = f"arn:aws:lambda:eu-west-1:{A}:function:open:secret"
    assert refusal(clerk.client.invoke, FunctionName="open", Qualifier="secret") == (
        403,
        "AccessDeniedException",
        f"User: {key.arn} is not authorized to perform: lambda:InvokeFunction on resource: "
        f"{secret} with an explicit deny in an identity-based policy",
    )


def test_a_key_with_a_policy_attaches_the_layers_that_it_may_get(server: Server, a: Cloud) -> None:
    clerk = new_key(server, A, "layerer", POLICY)
    good, bad = (a.layer(SHARED, name=name) for name in ("good", "bad"))
    a.function(PLAIN, name="open-layers")
    update = clerk.cloud(server).client.update_function_configuration
    assert update(FunctionName="open-layers", Layers=[good])["Layers"][0]["Arn"] == good
    assert refusal(update, FunctionName="open-layers", Layers=[bad]) == not_allowed(
        clerk, "lambda:GetLayerVersion", "layer:bad:1"
    )


def test_another_accounts_function_takes_both_a_grant_and_ones_own_policy(
    server: Server, a: Cloud, b: Cloud
) -> None:
    arn = f"arn:aws:lambda:eu-west-1:{A}:function:lent"
    a.function(PLAIN, name="lent")
    invoke = {"Action": "lambda:InvokeFunction", "Principal": B}
    a.client.add_permission(FunctionName="lent", StatementId="b", **invoke)
    assert b.result(arn) == 1
    reader = {"Effect": "Allow", "Action": "lambda:Get*", "Resource": "*"}
    key = new_key(server, B, "reader", {"Statement": reader})
    assert refusal(key.cloud(server).client.invoke, FunctionName=arn) == not_allowed(
        key, "lambda:InvokeFunction", "function:lent"
    )


def not_allowed(key: Key, action: str, resource: str) -> tuple[int, str, str]:
    arn = resource if resource == "*" else f"arn:aws:lambda:eu-west-1:{A}:{resource}"
    return (
        403,
        "AccessDeniedException",
        f"User: {key.arn} is not authorized to perform: {action} on resource: {arn} "
        f"because no identity-based policy allows the {action} action",
    )


def test_keys_are_listed_without_their_secrets(server: Server) -> None:
    key = new_key(server, C)
    listed = lamella("keys", "list", data=server.data)
    assert key.id in {each["id"] for each in listed}
    assert key.secret not in json.dumps(listed)
