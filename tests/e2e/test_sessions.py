"""Sessions of roles where callers are checked: who may have one, and what it may do then."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.api.cloud import refusal
from tests.e2e.accounts import Key, new_key
from tests.e2e.server import Server, serving

A, B = "111122223333", "444455556666"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("sessions") / "data", "--auth", "sigv4") as server:
        yield server


@pytest.fixture(scope="module")
def a(server: Server) -> Key:
    return new_key(server, A, "alice")


@pytest.fixture(scope="module")
def b(server: Server) -> Key:
    return new_key(server, B, "bob")


def signed(server: Server, service: str, key_id: str, secret: str, token: str | None = None) -> Any:
    return boto3.client(
        service,
        endpoint_url=server.endpoint,
        region_name="eu-west-1",
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=Config(retries={"max_attempts": 0}),
    )


def of(server: Server, service: str, key: Key) -> Any:
    return signed(server, service, key.id, key.secret)


def by_session(server: Server, service: str, answer: dict[str, Any]) -> Any:
    given = answer["Credentials"]
    return signed(
        server, service, given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]
    )


def role(server: Server, key: Key, name: str, principal: Any) -> str:
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    made = of(server, "iam", key).create_role(RoleName=name, AssumeRolePolicyDocument=document)
    return str(made["Role"]["Arn"])


def denied(who: str, arn: str) -> tuple[str, int, str]:
    message = f"User: {who} is not authorized to perform: sts:AssumeRole on resource: {arn}"
    return "AccessDenied", 403, message


def test_a_user_is_known_to_sts_and_iam(server: Server, a: Key) -> None:
    answer = of(server, "sts", a).get_caller_identity()
    assert (answer["Account"], answer["Arn"]) == (A, f"arn:aws:iam::{A}:user/alice")
    assert answer["UserId"].startswith("AIDA")
    for given in ({}, {"UserName": "alice"}):
        user = of(server, "iam", a).get_user(**given)["User"]
        assert (user["UserName"], user["Path"]) == ("alice", "/")
        assert (user["UserId"], user["Arn"]) == (answer["UserId"], answer["Arn"])
    assert refusal(of(server, "iam", a).get_user, UserName="bob")[0] == "NoSuchEntity"


def test_a_session_may_do_what_its_account_may(server: Server, a: Key) -> None:
    arn = role(server, a, "own", {"Service": "lambda.amazonaws.com"})
    answer = of(server, "sts", a).assume_role(RoleArn=arn, RoleSessionName="ci")
    session = by_session(server, "sts", answer).get_caller_identity()
    assert session["Arn"] == f"arn:aws:sts::{A}:assumed-role/own/ci"
    assert session["UserId"] == answer["AssumedRoleUser"]["AssumedRoleId"]
    assert by_session(server, "lambda", answer).list_functions()["Functions"] == []


def test_a_role_must_have_been_made(server: Server, a: Key) -> None:
    arn = f"arn:aws:iam::{A}:role/absent"
    sts = of(server, "sts", a)
    assert refusal(sts.assume_role, RoleArn=arn, RoleSessionName="ci") == denied(a.arn, arn)


def test_another_account_is_let_in_by_trust_alone(server: Server, a: Key, b: Key) -> None:
    sts = of(server, "sts", b)
    closed = role(server, a, "closed", {"AWS": f"arn:aws:iam::{B}:user/somebody"})
    assert refusal(sts.assume_role, RoleArn=closed, RoleSessionName="ci") == denied(b.arn, closed)
    opened = role(server, a, "opened", {"AWS": B})
    answer = sts.assume_role(RoleArn=opened, RoleSessionName="ci")
    assert by_session(server, "sts", answer).get_caller_identity()["Account"] == A
    of(server, "iam", a).delete_role(RoleName="opened")
    assert refusal(sts.assume_role, RoleArn=opened, RoleSessionName="ci") == denied(b.arn, opened)


def test_a_key_with_a_policy_assumes_what_its_policy_says(server: Server, a: Key) -> None:
    allowed, other = (role(server, a, name, "*") for name in ("may", "may-not"))
    policy = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": allowed}
    key = new_key(server, A, "limited", {"Version": "2012-10-17", "Statement": [policy]})
    sts = of(server, "sts", key)
    assert sts.assume_role(RoleArn=allowed, RoleSessionName="ci")["Credentials"]
    code, status, message = refusal(sts.assume_role, RoleArn=other, RoleSessionName="ci")
    assert (code, status) == ("AccessDenied", 403)
    assert message.startswith(denied(key.arn, other)[2])
    assert refusal(of(server, "iam", key).list_roles)[0] == "AccessDenied"
    assert sts.get_caller_identity()["Arn"] == key.arn
    own = by_session(server, "sts", sts.get_session_token())
    assert own.get_caller_identity()["Arn"] == key.arn
    assert refusal(own.assume_role, RoleArn=other, RoleSessionName="ci")[0] == "AccessDenied"


def test_policies_for_one_session_are_refused(server: Server, a: Key) -> None:
    arn = role(server, a, "narrow", "*")
    sts = of(server, "sts", a)
    for given in ({"Policy": "{}"}, {"PolicyArns": [{"arn": "arn:aws:iam::aws:policy/ReadOnly"}]}):
        refused = refusal(sts.assume_role, RoleArn=arn, RoleSessionName="ci", **given)
        assert refused[:2] == ("NotImplementedException", 501)


def test_a_wrong_signature_is_refused_in_the_services_words(server: Server, a: Key) -> None:
    wrong = signed(server, "sts", a.id, "x" * 40)
    assert refusal(wrong.get_caller_identity)[:2] == ("SignatureDoesNotMatch", 403)
    nobody = signed(server, "iam", "AKIA" + "X" * 16, "x" * 40)
    assert refusal(nobody.list_roles) == (
        "InvalidClientTokenId",
        403,
        "The security token included in the request is invalid.",
    )
    body = b"Action=GetCallerIdentity&Version=2011-06-15"
    with pytest.raises(urllib.error.HTTPError) as unsigned:
        urllib.request.urlopen(server.endpoint, body, timeout=20)
    assert unsigned.value.code == 403
    assert b"<Code>MissingAuthenticationToken</Code>" in unsigned.value.read()


def test_a_url_signed_for_who_am_i_works(server: Server, a: Key) -> None:
    url = of(server, "sts", a).generate_presigned_url("get_caller_identity", HttpMethod="GET")
    with urllib.request.urlopen(url, timeout=20) as answer:
        assert b":user/alice</Arn>" in answer.read()
