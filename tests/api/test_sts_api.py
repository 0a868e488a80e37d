"""STS through boto3: who a caller is, and sessions of roles."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api.cloud import ACCOUNT, client, refusal
from tests.e2e.server import Server

OTHER = "111122223333"


@pytest.fixture(scope="module")
def sts(server: Server) -> Any:
    return client(server.endpoint, "sts")


def role(server: Server, name: str, principal: Any, account: str = ACCOUNT, **more: Any) -> str:
    """Make a role that trusts ``principal``; its ARN."""
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    document = {"Version": "2012-10-17", "Statement": [{**statement, **more.pop("with_", {})}]}
    answer = client(server.endpoint, "iam", key=account).create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps(document), **more
    )
    return str(answer["Role"]["Arn"])


def identity(server: Server, credentials: dict[str, Any], region: str = "eu-west-1") -> Any:
    holder = client(
        server.endpoint,
        "sts",
        key=credentials["AccessKeyId"],
        region=region,
        aws_session_token=credentials["SessionToken"],
    )
    answer = holder.get_caller_identity()
    del answer["ResponseMetadata"]
    return answer


def test_a_session_is_given_and_known_again(sts: Any, server: Server) -> None:
    arn = role(server, "worker", {"Service": "lambda.amazonaws.com"}, Path="/team/")
    before = datetime.now(UTC)
    answer = sts.assume_role(RoleArn=arn, RoleSessionName="me@home", SourceIdentity="alice")
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/me@home"
    its_id = client(server.endpoint, "iam").get_role(RoleName="worker")["Role"]["RoleId"]
    assert answer["AssumedRoleUser"] == {"AssumedRoleId": f"{its_id}:me@home", "Arn": session}
    assert answer["SourceIdentity"] == "alice"
    given = answer["Credentials"]
    assert set(given) == {"AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"}
    assert given["AccessKeyId"].startswith("ASIA")
    assert abs(given["Expiration"] - before - timedelta(hours=1)) < timedelta(minutes=1)
    for region in ("eu-west-1", "ap-south-1"):
        assert identity(server, given, region) == {
            "UserId": f"{its_id}:me@home",
            "Account": ACCOUNT,
            "Arn": session,
        }


def test_a_session_works_for_lambda_too(sts: Any, server: Server) -> None:
    arn = f"arn:aws:iam::{OTHER}:role/anything"
    given = sts.assume_role(RoleArn=arn, RoleSessionName="me")["Credentials"]
    holder = client(
        server.endpoint,
        "lambda",
        key=given["AccessKeyId"],
        aws_session_token=given["SessionToken"],
    )
    code, _, message = refusal(holder.get_function, FunctionName="absent")
    assert code == "ResourceNotFoundException"
    assert OTHER in message


def test_without_checks_a_role_of_any_name_will_do(sts: Any) -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:role/nobody-made-it"
    ids = {
        sts.assume_role(RoleArn=arn, RoleSessionName="me")["AssumedRoleUser"]["AssumedRoleId"]
        for _ in range(2)
    }
    assert len(ids) == 1
    assert ids.pop().startswith("AROA")


def test_a_role_of_another_account_decides_by_its_trust(sts: Any, server: Server) -> None:
    for name, principal in (
        ("trusts-number", {"AWS": ACCOUNT}),
        ("trusts-root", {"AWS": [f"arn:aws:iam::{ACCOUNT}:root"]}),
        ("trusts-all", "*"),
    ):
        arn = role(server, name, principal, OTHER)
        answer = sts.assume_role(RoleArn=arn, RoleSessionName="me")
        assert identity(server, answer["Credentials"])["Account"] == OTHER
    arn = role(server, "trusts-lambda", {"Service": "lambda.amazonaws.com"}, OTHER)
    assert refusal(sts.assume_role, RoleArn=arn, RoleSessionName="me") == (
        "AccessDenied",
        403,
        f"User: arn:aws:iam::{ACCOUNT}:root is not authorized to perform: sts:AssumeRole on "
        f"resource: {arn}",
    )


def test_an_external_id_is_compared(sts: Any, server: Server) -> None:
    condition = {"Condition": {"StringEquals": {"sts:ExternalId": "ticket-1"}}}
    arn = role(server, "external", {"AWS": ACCOUNT}, OTHER, with_=condition)
    sts.assume_role(RoleArn=arn, RoleSessionName="me", ExternalId="ticket-1")
    for wrong in ({}, {"ExternalId": "ticket-2"}):
        assert refusal(sts.assume_role, RoleArn=arn, RoleSessionName="me", **wrong)[1] == 403


def test_a_session_lasts_as_long_as_the_role_allows(sts: Any, server: Server) -> None:
    arn = role(server, "short", "*")
    long = role(server, "lasting", "*", MaxSessionDuration=43200)
    code = "ValidationError"
    assert refusal(sts.assume_role, RoleArn=arn, RoleSessionName="me", DurationSeconds=3601) == (
        code,
        400,
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
    )
    answer = sts.assume_role(RoleArn=long, RoleSessionName="me", DurationSeconds=43200)
    given = answer["Credentials"]
    left = given["Expiration"] - datetime.now(UTC)
    assert timedelta(hours=11, minutes=59) < left <= timedelta(hours=12)
    chained = client(
        server.endpoint,
        "sts",
        key=given["AccessKeyId"],
        aws_session_token=given["SessionToken"],
    )
    assert refusal(
        chained.assume_role, RoleArn=long, RoleSessionName="me", DurationSeconds=3601
    ) == (
        code,
        400,
        "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by "
        "role chaining",
    )
    assert chained.assume_role(RoleArn=long, RoleSessionName="you")["Credentials"]


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({"DurationSeconds": 899}, "greater than or equal to 900"),
        ({"DurationSeconds": 43201}, "less than or equal to 43200"),
        ({"RoleSessionName": "a b"}, r"regular expression pattern: [\w+=,.@-]*"),
        ({"RoleSessionName": None}, "Value null at 'roleSessionName' failed to satisfy"),
        ({"RoleArn": "x" * 30}, "x" * 30 + " is invalid"),
        ({"RoleArn": "arn:aws:iam::000000000000:user/u"}, "user/u is invalid"),
    ],
)
def test_what_cannot_be_a_session_is_refused(sts: Any, sent: dict[str, Any], message: str) -> None:
    given = {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/r", "RoleSessionName": "me", **sent}
    code, status, told = refusal(
        sts.assume_role, **{key: value for key, value in given.items() if value is not None}
    )
    assert (code, status) == ("ValidationError", 400)
    assert message in told


def test_a_caller_may_have_a_session_of_its_own(sts: Any, server: Server) -> None:
    given = sts.get_session_token(DurationSeconds=900)["Credentials"]
    assert set(given) == {"AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"}
    assert identity(server, given) == {
        "UserId": ACCOUNT,
        "Account": ACCOUNT,
        "Arn": f"arn:aws:iam::{ACCOUNT}:root",
    }
    hours = sts.get_session_token(DurationSeconds=43200)["Credentials"]["Expiration"]
    assert hours - datetime.now(UTC) <= timedelta(hours=1)


def test_a_role_has_no_session_of_its_own(sts: Any, server: Server) -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:role/r"
    given = sts.assume_role(RoleArn=arn, RoleSessionName="me")["Credentials"]
    holder = {"key": given["AccessKeyId"], "aws_session_token": given["SessionToken"]}
    assert refusal(client(server.endpoint, "sts", **holder).get_session_token) == (
        "AccessDenied",
        403,
        "Cannot call GetSessionToken with session credentials",
    )
    iam = client(server.endpoint, "iam", **holder)
    assert refusal(iam.get_user) == (
        "ValidationError",
        400,
        "Must specify userName when calling with non-User credentials",
    )
