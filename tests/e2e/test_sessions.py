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


def role(server: Server, key: Key, name: str, principal: Any, *allowed: str) -> str:
    """Make a role that allows what is named; its ARN."""
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam = of(server, "iam", key)
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)
    if allowed:
        allow = {"Effect": "Allow", "Action": [*allowed], "Resource": "*"}
        text = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=text)
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


def test_a_session_may_do_what_its_role_allows(server: Server, a: Key) -> None:
    arn = role(server, a, "own", {"Service": "lambda.amazonaws.com"}, "lambda:ListFunctions")
    answer = of(server, "sts", a).assume_role(RoleArn=arn, RoleSessionName="ci")
    session = by_session(server, "sts", answer).get_caller_identity()
    assert session["Arn"] == f"arn:aws:sts::{A}:assumed-role/own/ci"
    assert session["UserId"] == answer["AssumedRoleUser"]["AssumedRoleId"]
    functions = by_session(server, "lambda", answer)
    assert functions.list_functions()["Functions"] == []
    assert refusal(functions.list_layers) == (
        "AccessDeniedException",
        403,
        f"User: {session['Arn']} is not authorized to perform: lambda:ListLayers on resource: * "
        "because no identity-based policy allows the lambda:ListLayers action",
    )
    assert refusal(by_session(server, "sts", answer).get_session_token)[:2] == ("AccessDenied", 403)
    of(server, "iam", a).delete_role_policy(RoleName="own", PolicyName="own")
    assert refusal(functions.list_functions)[0] == "AccessDeniedException"


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
    allowed, other = (role(server, a, name, {"AWS": A}) for name in ("may", "may-not"))
    policy = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": allowed}
    key = new_key(server, A, "limited", {"Version": "2012-10-17", "Statement": [policy]})
    sts = of(server, "sts", key)
    assert sts.assume_role(RoleArn=allowed, RoleSessionName="ci")["Credentials"]
    code, status, message = refusal(sts.assume_role, RoleArn=other, RoleSessionName="ci")
    assert (code, status) == ("AccessDenied", 403)
    assert message.startswith(denied(key.arn, other)[2])
    closed = role(server, a, "of-lambda", {"Service": "lambda.amazonaws.com"})
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    able = new_key(server, A, "able", {"Version": "2012-10-17", "Statement": [everything]})
    asked = {"RoleArn": closed, "RoleSessionName": "ci"}
    assert refusal(of(server, "sts", able).assume_role, **asked) == denied(able.arn, closed)
    assert refusal(of(server, "iam", key).list_roles)[0] == "AccessDenied"
    assert sts.get_caller_identity()["Arn"] == key.arn
    own = by_session(server, "sts", sts.get_session_token())
    assert own.get_caller_identity()["Arn"] == key.arn
    assert refusal(own.assume_role, RoleArn=other, RoleSessionName="ci")[0] == "AccessDenied"


def test_policies_for_one_session_narrow_it(server: Server, a: Key) -> None:
    arn = role(server, a, "narrow", "*", "lambda:*")
    sts = of(server, "sts", a)
    asked = {"RoleArn": arn, "RoleSessionName": "ci"}
    allow = {"Effect": "Allow", "Action": "lambda:ListLayers", "Resource": "*"}
    text = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    functions = by_session(server, "lambda", sts.assume_role(**asked, Policy=text))
    assert functions.list_layers()["Layers"] == []
    refused = refusal(functions.list_functions)[2]
    assert refused.endswith("because no session policy allows the lambda:ListFunctions action")
    reading = [{"arn": "arn:aws:iam::aws:policy/AWSLambda_ReadOnlyAccess"}]
    functions = by_session(server, "lambda", sts.assume_role(**asked, PolicyArns=reading))
    assert functions.list_functions()["Functions"] == []
    assert refusal(functions.delete_function, FunctionName="f")[0] == "AccessDeniedException"
    assert refusal(sts.assume_role, **asked, Policy="{}") == (
        "MalformedPolicyDocument",
        400,
        "Syntax errors in policy.",
    )
    assert refusal(sts.assume_role, **asked, Policy=text + " " * 2048)[:2] == (
        "PackedPolicyTooLarge",
        400,
    )


def test_a_session_lasts_an_hour_unless_its_role_allows_more(server: Server, a: Key) -> None:
    sts = of(server, "sts", a)
    asked = {"RoleArn": role(server, a, "brief", "*"), "RoleSessionName": "ci"}
    assert refusal(sts.assume_role, **asked, DurationSeconds=3601) == (
        "ValidationError",
        400,
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
    )
    of(server, "iam", a).update_role(RoleName="brief", MaxSessionDuration=7200)
    sts.assume_role(**asked, DurationSeconds=7200)


def test_a_deny_on_a_path_holds_for_the_roles_that_are_there(server: Server, a: Key) -> None:
    iam = of(server, "iam", a)
    trust = {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    for name, path in (("kept", "/kept/"), ("loose", "/")):
        iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=document)
    policy = [
        {"Effect": "Allow", "Action": "iam:*", "Resource": "*"},
        {"Effect": "Deny", "Action": "iam:*", "Resource": f"arn:aws:iam::{A}:role/kept/*"},
    ]
    key = new_key(server, A, "janitor", {"Version": "2012-10-17", "Statement": policy})
    limited = of(server, "iam", key)
    limited.delete_role(RoleName="loose")
    assert refusal(limited.delete_role, RoleName="kept") == (
        "AccessDenied",
        403,
        f"User: {key.arn} is not authorized to perform: iam:DeleteRole on resource: "
        f"arn:aws:iam::{A}:role/kept/kept with an explicit deny in an identity-based policy",
    )


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
