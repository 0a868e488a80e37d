"""URLs of AuthType AWS_IAM on a server that checks signatures."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.accounts import new_key
from tests.e2e.server import Cloud, Server, serving
from tests.e2e.sites import ECHO, FORBIDDEN, Site, open_to_all, signed

A, B = "111122223333", "444455556666"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("signed") / "data", "--auth", "sigv4") as server:
        yield server


@pytest.fixture(scope="module")
def cloud(server: Server) -> Cloud:
    return new_key(server, A).cloud(server)


@pytest.fixture(scope="module")
def site(cloud: Cloud) -> Site:
    return Site(cloud, cloud.function(ECHO, name="asked"), AuthType="AWS_IAM")


def test_a_signature_of_the_account_is_enough(server: Server, site: Site) -> None:
    key = new_key(server, A, "asker")
    answer = site.ask("GET", "/event", headers=signed(site, key.id, key.secret))
    context = answer.json["requestContext"]
    assert context["accountId"] == A
    iam = context["authorizer"]["iam"]
    assert (iam["accessKey"], iam["userArn"]) == (key.id, key.arn)


def test_requests_that_are_not_or_wrongly_signed(server: Server, site: Site) -> None:
    answer = site.ask("GET", "/event")
    assert (answer.status, answer.json) == (403, FORBIDDEN)
    key = new_key(server, A, "forger")
    for headers in (
        signed(site, key.id, "another"),
        signed(site, "AKIAAAAAAAAAAAAAAAAA", key.secret),
        signed(site, key.id, key.secret, path="/else"),
    ):
        assert site.ask("GET", "/event", headers=headers).status == 403


def test_a_key_with_a_policy_needs_the_action(server: Server, site: Site) -> None:
    for action, status in (("lambda:InvokeFunction", 403), ("lambda:InvokeFunctionUrl", 200)):
        statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
        limited = {"Version": "2012-10-17", "Statement": [statement]}
        key = new_key(server, A, action.rpartition(":")[2], limited)
        assert site.ask("GET", "/event", headers=signed(site, key.id, key.secret)).status == status


def test_another_account_needs_a_grant(server: Server, cloud: Cloud, site: Site) -> None:
    key = new_key(server, B)
    headers = signed(site, key.id, key.secret)
    assert site.ask("GET", "/event", headers=headers).json == FORBIDDEN
    cloud.client.add_permission(
        FunctionName="asked",
        StatementId="b",
        Action="lambda:InvokeFunctionUrl",
        Principal=B,
        FunctionUrlAuthType="AWS_IAM",
    )
    assert site.ask("GET", "/event", headers=headers).status == 200


def test_a_url_for_everybody_needs_no_signature(cloud: Cloud) -> None:
    name = cloud.function(ECHO)
    open_to_all(cloud, name)
    assert Site(cloud, name).ask("GET", "/event").status == 200
