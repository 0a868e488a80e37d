"""Signatures: what botocore signs is let in, and nothing that was changed on its way."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from lamella.accounts import keys
from lamella.api.auth import MOST_ON_LOOP, Identity
from lamella.api.sigv4 import Request
from lamella.errors import ApiError
from tests.unit.api.signing import ACCOUNT, INVOKE, UNKNOWN, Desk, Sent, incomplete, invalid

ROOT = f"arn:aws:iam::{ACCOUNT}:root"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    desk = Desk(tmp_path_factory.mktemp("desk"))
    yield desk
    desk.close()


@pytest.fixture(autouse=True)
def at_this_time(desk: Desk) -> None:
    desk.now = time.time()


def moment(unix: float) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(int(unix)))


@pytest.mark.parametrize(
    "path",
    [
        INVOKE,
        "/",
        "/2015-03-31/functions",
        "/2015-03-31/functions/",
        "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A111122223333%3Afunction%3Ashop",
        "/2017-03-31/tags/arn%3Aaws%3Alambda?tagKeys=b&tagKeys=a%20b&tagKeys=a%2Fb",
        "/2018-10-31/layers?Marker=a%3D%3D&MaxItems=1&find=LayerVersion",
        "/a%20b/%C3%A4/(x)!*'~",
        "/a/./b/../c",
        "/a//b?empty=&bare",
    ],
)
def test_what_botocore_signs_is_let_in(desk: Desk, path: str) -> None:
    expected = Identity(ACCOUNT, "eu-west-1", ROOT, desk.key.id)
    assert desk.identity(desk.signed(path)) == expected
    assert desk.identity(desk.signed(path, method="GET", body=b"")) == expected
    assert desk.identity(desk.signed(path, expires=60)) == expected


@given(
    path=st.text(st.characters(codec="utf-8"), max_size=20),
    query=st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=4),
    body=st.binary(max_size=50),
)
def test_whatever_botocore_signs_is_let_in(
    desk: Desk, path: str, query: list[tuple[str, str]], body: bytes
) -> None:
    from botocore.utils import percent_encode, percent_encode_sequence

    encoded = f"/{percent_encode(path, safe='/~')}?{percent_encode_sequence(query)}"
    assert desk.identity(desk.signed(encoded, body=body)).account == ACCOUNT


def test_a_body_too_large_for_the_event_loop_is_checked_all_the_same(desk: Desk) -> None:
    sent = desk.signed(body=b"x" * (MOST_ON_LOOP + 1))
    assert desk.identity(sent).account == ACCOUNT
    assert desk.refusal(sent.but(body=sent.body[:-1] + b"y")) == invalid()


def test_a_header_that_came_twice_is_signed_with_both_values(desk: Desk) -> None:
    sent = desk.signed(headers={"X-Amz-Meta": "a,b"})
    raw = [each for each in sent.request.raw_headers if each[0] != b"x-amz-meta"]
    raw += [(b"x-amz-meta", b"a"), (b"x-amz-meta", b"b")]
    twice = sent.but(raw_headers=raw, headers=dict(raw))
    assert desk.identity(twice).account == ACCOUNT
    assert desk.refusal(sent.but(raw_headers=raw[:-1], headers=dict(raw[:-1]))) == invalid()


def test_runs_of_spaces_in_a_header_are_one(desk: Desk) -> None:
    sent = desk.signed(headers={"X-Amz-Meta": "a  b   c"})
    assert desk.identity(sent.with_headers(x_amz_meta=" a b  c ")).account == ACCOUNT


def test_the_hash_of_the_body_may_be_stated_and_need_not_be(desk: Desk) -> None:
    stated = hashlib.sha256(b"{}").hexdigest()
    sent = desk.signed(body=b"{}", headers={"X-Amz-Content-SHA256": stated})
    assert desk.identity(sent).account == ACCOUNT
    assert desk.refusal(sent.but(body=b"[]")) == invalid()


def test_an_unsigned_payload_is_taken_as_it_comes(desk: Desk) -> None:
    sent = desk.signed(headers={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})
    assert desk.identity(sent.but(body=b"other")).account == ACCOUNT


@pytest.mark.parametrize(
    "change",
    [
        {"method": "PUT"},
        {"raw_path": b"/2015-03-31/functions/other/invocations"},
        {"query": {"Qualifier": ["2"]}},
        {"query": {}},
        {"query": {"Qualifier": ["1", "1"]}},
        {"body": b'{"n": 2}'},
    ],
)
@pytest.mark.parametrize("expires", [None, 60])
def test_a_request_that_was_changed_is_refused(
    desk: Desk, change: dict[str, Any], expires: int | None
) -> None:
    sent = desk.signed(expires=expires)
    if "query" in change:
        kept = {k: v for k, v in sent.request.query.items() if k != "Qualifier"}
        change = {"query": {**kept, **change["query"]}}
    assert desk.refusal(sent.but(**change)) == invalid()


def test_a_changed_header_is_refused(desk: Desk) -> None:
    sent = desk.signed(headers={"X-Amz-Invocation-Type": "DryRun"})
    assert desk.refusal(sent.with_headers(x_amz_invocation_type="Event")) == invalid()
    assert desk.refusal(sent.with_headers(host="elsewhere")) == invalid()
    assert desk.refusal(sent.with_headers(x_amz_invocation_type=None)) == invalid()
    later = moment(desk.now + 1)
    assert desk.refusal(sent.with_headers(x_amz_date=later)) == invalid()


@pytest.mark.parametrize("name", ["x_amz_invocation_type", "x_amz_security_token", "x_amz_target"])
def test_a_header_of_awss_that_was_slipped_in_is_refused(desk: Desk, name: str) -> None:
    shown = name.replace("_", "-").title()
    message = f"'{shown}' must be a 'SignedHeader' in the AWS Authorization."
    for expires in (None, 60):
        sent = desk.signed(expires=expires).with_headers(**{name: "x"})
        assert desk.refusal(sent) == invalid(message)


def test_the_host_must_be_signed(desk: Desk) -> None:
    sent = desk.signed()
    header = sent.request.headers[b"authorization"].decode().replace("host;", "")
    message = "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."
    assert desk.refusal(sent.with_headers(authorization=header)) == invalid(message)


def test_a_key_that_is_unknown_revoked_or_misspelt_is_refused(desk: Desk) -> None:
    for key_id in ("AKIAAAAAAAAAAAAAAAAA", "test", "111122223333", "AKIA", "ASIAAAAAAAAAAAAAAAAA"):
        assert desk.refusal(desk.signed(credentials=Credentials(key_id, "x"))) == UNKNOWN
    wrong = desk.signed(credentials=Credentials(desk.key.id, "x" * 40))
    assert desk.refusal(wrong) == invalid()


def test_a_new_key_is_good_at_once_and_a_revoked_one_when_the_change_was_seen(desk: Desk) -> None:
    key = desk.create("444455556666", "ann")
    sent = desk.signed(credentials=Credentials(key.id, key.secret))
    expected = Identity("444455556666", "eu-west-1", "arn:aws:iam::444455556666:user/ann", key.id)
    assert desk.identity(sent) == expected
    desk.keyring.refresh()
    assert desk.identity(sent) == expected
    keys.revoke(desk.records, key.id, key.created)
    desk.keyring.refresh()
    assert desk.refusal(sent) == UNKNOWN


SCOPE = "Credential should be scoped "


@pytest.mark.parametrize(
    ("scope", "message"),
    [
        (("lambda", "eu"), SCOPE + "to a valid region."),
        (("logs", "eu-west-1"), SCOPE + "to correct service: 'lambda'."),
        (
            ("s3", "nowhere"),
            f"{SCOPE}to a valid region. {SCOPE}to correct service: 'lambda'.",
        ),
    ],
)
def test_the_scope_must_be_of_a_region_and_of_the_service(
    desk: Desk, scope: tuple[str, str], message: str
) -> None:
    assert desk.refusal(desk.signed(scope=scope)) == invalid(message)


def test_the_scope_must_be_of_the_day_and_end_as_it_does(desk: Desk) -> None:
    sent = desk.signed()
    date = sent.request.headers[b"x-amz-date"].decode()
    header = sent.request.headers[b"authorization"].decode()
    other = sent.with_headers(authorization=header.replace(f"/{date[:8]}/", "/20200101/"))
    assert desk.refusal(other) == invalid(
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
        f"'20200101' != '{date[:8]}', from '{date}'."
    )
    other = sent.with_headers(authorization=header.replace("aws4_request", "aws5"))
    message = "with a valid terminator: 'aws4_request', not 'aws5'."
    assert desk.refusal(other) == invalid(SCOPE + message)
    other = sent.with_headers(authorization=header.replace("/aws4_request", ""))
    credential = f"{desk.key.id}/{date[:8]}/eu-west-1/lambda"
    assert desk.refusal(other) == incomplete(
        "Credential must have exactly 5 slash-delimited elements, "
        f"e.g. keyid/date/region/service/term, got '{credential}'"
    )


def test_the_clocks_may_differ_by_a_quarter_of_an_hour(desk: Desk) -> None:
    sent = desk.signed()
    at = sent.request.headers[b"x-amz-date"].decode()
    then = time.mktime(time.strptime(at, "%Y%m%dT%H%M%SZ")) - time.timezone
    for good in (then - 900, then + 900):
        desk.now = good
        assert desk.identity(sent).account == ACCOUNT
    desk.now = then + 901
    assert desk.refusal(sent) == invalid(
        f"Signature expired: {at} is now earlier than {moment(then + 1)} "
        f"({moment(then + 901)} - 15 min.)"
    )
    desk.now = then - 901
    assert desk.refusal(sent) == invalid(
        f"Signature not yet current: {at} is still later than {moment(then - 1)} "
        f"({moment(then - 901)} + 15 min.)"
    )


def test_a_presigned_url_is_good_as_long_as_it_says(desk: Desk) -> None:
    sent = desk.signed(expires=3600)
    desk.now += 3590
    assert desk.identity(sent).account == ACCOUNT
    desk.now += 20
    assert desk.refusal(sent)[2].startswith("Signature expired: ")
    for bad in ("0", "604801", "-1", "soon", ""):
        query = {**sent.request.query, "X-Amz-Expires": [bad]}
        status, code, message = desk.refusal(sent.but(query=query))
        assert (status, code) == (403, "IncompleteSignatureException")
        assert message.startswith("X-Amz-Expires must be a number of seconds from 1 to 604800")


def test_a_session_is_let_in_by_its_token_until_it_ends(desk: Desk) -> None:
    role = "arn:aws:iam::444455556666:role/team/builder"
    made = desk.sessions.issue("444455556666", role, "night", 60)
    whose = Credentials(made.access_key_id, made.secret, made.session_token)
    session = "arn:aws:sts::444455556666:assumed-role/builder/night"
    for expires in (None, 60):
        sent = desk.signed(credentials=whose, expires=expires)
        assert desk.identity(sent) == Identity("444455556666", "eu-west-1", session)
    desk.now += 61
    assert desk.refusal(desk.signed(credentials=whose)) == (
        403,
        "ExpiredTokenException",
        "The security token included in the request is expired",
    )


def test_a_token_goes_with_its_own_key_alone(desk: Desk) -> None:
    made = desk.sessions.issue(ACCOUNT, "arn:aws:iam::111122223333:role/r", "s", 900)
    for key_id, secret, token in (
        (made.access_key_id, made.secret, None),
        (made.access_key_id, made.secret, "FwoGZXIvYXdzE"),
        (desk.key.id, desk.key.secret, made.session_token),
    ):
        assert desk.refusal(desk.signed(credentials=Credentials(key_id, secret, token))) == UNKNOWN
    wrong = Credentials(made.access_key_id, "x", made.session_token)
    assert desk.refusal(desk.signed(credentials=wrong)) == invalid()


def test_a_users_own_session_ends_with_its_key_and_has_its_limits(desk: Desk) -> None:
    policy = {"Statement": {"Effect": "Allow", "Action": "lambda:*", "Resource": "*"}}
    key = desk.create(name="bob", limits=policy)
    made = desk.sessions.issue_to(ACCOUNT, key.principal_arn, 900, parent=key.id)
    whose = Credentials(made.access_key_id, made.secret, made.session_token)
    identity = desk.identity(desk.signed(credentials=whose))
    assert (identity.principal_arn, identity.access_key) == (key.principal_arn, key.id)
    assert identity.limits is not None
    keys.revoke(desk.records, key.id, key.created)
    desk.keyring.refresh()
    assert desk.refusal(desk.signed(credentials=whose)) == UNKNOWN


def test_without_a_signature_the_token_is_missing(desk: Desk) -> None:
    expected = (403, "MissingAuthenticationTokenException", "Missing Authentication Token")
    assert desk.refusal(desk.signed().with_headers(authorization=None)) == expected
    assert desk.refusal(Sent(Request("GET", b"/", {}, {}, [], ""), b"")) == expected


REQUIRES = "Authorization header requires"
NO_DATE = f"{REQUIRES} existence of either a 'X-Amz-Date' or a 'Date' header."


def test_what_a_header_lacks_is_named_together(desk: Desk) -> None:
    header = "AWS4-HMAC-SHA256 Credential=a"
    hashed = base64.b64encode(hashlib.sha256(header.encode()).digest()).decode()
    sent = desk.signed().with_headers(authorization=header, x_amz_date=None)
    assert desk.refusal(sent) == incomplete(
        f"{REQUIRES} 'SignedHeaders' parameter. {REQUIRES} 'Signature' parameter. {NO_DATE} "
        f"(Hashed with SHA-256 and encoded with Base64) Authorization={hashed}"
    )
    whole = desk.signed().with_headers(x_amz_date=None)
    assert desk.refusal(whole)[2].startswith(f"{NO_DATE} (Hashed")


@pytest.mark.parametrize("header", ["Bearer abc", "AWS4-HMAC-SHA256 x", "AWS4-HMAC-SHA256 a=1,a=2"])
def test_a_header_of_another_form_is_refused(desk: Desk, header: str) -> None:
    hashed = base64.b64encode(hashlib.sha256(header.encode()).digest()).decode()
    assert desk.refusal(desk.signed().with_headers(authorization=header)) == incomplete(
        "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 "
        f"and encoded with Base64): '{hashed}'."
    )


def test_another_algorithm_is_refused(desk: Desk) -> None:
    sent = desk.signed()
    header = sent.request.headers[b"authorization"].decode()
    other = sent.with_headers(authorization=header.replace("HMAC-SHA256", "HMAC-SHA1"))
    assert desk.refusal(other) == incomplete("Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA1'.")
    none = sent.with_headers(authorization=header.replace("AWS4-HMAC-SHA256 ", ""))
    assert desk.refusal(none)[:2] == (403, "IncompleteSignatureException")


def test_the_parts_of_a_header_may_come_in_another_order(desk: Desk) -> None:
    sent = desk.signed()
    algorithm, _, rest = sent.request.headers[b"authorization"].decode().partition(" ")
    header = f"{algorithm} {','.join(reversed(rest.split(', ')))}"
    assert desk.identity(sent.with_headers(authorization=header)).account == ACCOUNT


def test_what_a_presigned_url_lacks_is_named_together(desk: Desk) -> None:
    sent = desk.signed(expires=60)
    kept = ("X-Amz-Algorithm", "X-Amz-Date", "X-Amz-SignedHeaders")
    query = {name: sent.request.query[name] for name in kept}
    must = "AWS query-string parameters must include"
    assert desk.refusal(sent.but(query=query)) == incomplete(
        f"{must} 'X-Amz-Credential'. {must} 'X-Amz-Signature'. "
        "Re-examine the query-string parameters."
    )
    other = {**sent.request.query, "X-Amz-Algorithm": ["X"]}
    assert desk.refusal(sent.but(query=other)) == incomplete("Unsupported AWS 'algorithm': 'X'.")


@pytest.mark.parametrize(
    "date", ["", "yesterday", "20261340T000000Z", "20260101T0000Z", "Mon, 99 Jan 2026 00:00:00 GMT"]
)
def test_a_date_must_be_one(desk: Desk, date: str) -> None:
    sent = desk.signed().with_headers(x_amz_date=None, date=date)
    status, code, message = desk.refusal(sent)
    assert (status, code) == (403, "IncompleteSignatureException")
    assert "Date" in message


def test_a_plain_date_header_will_do_if_it_is_signed(desk: Desk) -> None:
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(desk.now))
    sent = desk.signed().with_headers(x_amz_date=None, date=date)
    message = "'Date' must be a 'SignedHeader' in the AWS Authorization."
    assert desk.refusal(sent) == invalid(message)
    header = sent.request.headers[b"authorization"].decode().replace("host;x-amz-date", "date;host")
    assert desk.refusal(sent.with_headers(authorization=header)) == invalid()


_GARBAGE = st.sampled_from(
    [
        *("AWS4-HMAC-SHA256 ", "Credential=", "SignedHeaders=", "Signature=", ", ", "/", ";"),
        *("host;x-amz-date", "a/20260101/eu-west-1/lambda/aws4_request", "x-amz-date", "0" * 64),
    ]
) | st.text(st.characters(codec="latin-1"), max_size=6)
_TEXT = st.lists(_GARBAGE, max_size=9).map("".join)
_NAME = st.sampled_from(
    ["authorization", "x-amz-date", "date", "host", "x-amz-content-sha256", "x-amz-security-token"]
)
_PARAMETER = st.sampled_from(
    ["Algorithm", "Credential", "Date", "SignedHeaders", "Signature", "Expires", "Security-Token"]
).map("X-Amz-{}".format)


@given(
    headers=st.dictionaries(_NAME, _TEXT),
    query=st.dictionaries(_PARAMETER, st.lists(_TEXT | st.just("AWS4-HMAC-SHA256"), min_size=1)),
    body=st.binary(max_size=30),
)
def test_no_garbage_is_let_in_or_breaks_the_checker(
    desk: Desk, headers: dict[str, str], query: dict[str, list[str]], body: bytes
) -> None:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    sent = Sent(Request("POST", b"/", query, dict(raw), raw, "lambda"), body)
    with pytest.raises(ApiError) as refused:
        desk.identity(sent)
    assert refused.value.status in (400, 403)


@given(
    name=st.sampled_from(["authorization", "x-amz-date", "host"]),
    at=st.integers(0),
    character=st.characters(codec="latin-1"),
)
def test_a_character_changed_in_what_is_signed_is_refused(
    desk: Desk, name: str, at: int, character: str
) -> None:
    sent = desk.signed()
    value = sent.request.headers[name.encode()].decode()
    at %= len(value)
    changed = value[:at] + character + value[at + 1 :]
    if changed.split() != value.split() and changed.replace(",", ", ") != value:
        other = sent.with_headers(**{name.replace("-", "_"): changed})
        assert desk.refusal(other)[0] in (400, 403)
