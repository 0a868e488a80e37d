"""Requests that nobody would send: real ones with parts of them replaced by anything at all."""

from __future__ import annotations

import re
import string
from dataclasses import replace
from random import Random
from typing import Any
from urllib.parse import quote

from tests.fuzz.wire import Sent

NUMBERS = (
    "-1",
    "0",
    "1e400",
    "-1e400",
    "1e30",
    "9" * 25,
    "9" * 5_000,
    "1.5",
    "-0",
    "\u0661",
    "1_0",
)
_NUMBER = re.compile(r"(?<![\w-])\d+(?![\w-])")
METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "BREW", "get", "TRACE")
SEGMENTS = (
    *("", ".", "..", "%2e%2e", "%00", "%", "%zz", "%ff%fe", "%c3%a9", "%F0%9F%82%A1", "a%2Fb"),
    *("a" * 3_000, "$LATEST", "function:", ":", "::", "-1", "0", "9" * 400, "1.5", "\xe9", ";a=b"),
    *("arn:aws:lambda", "*", "{FunctionName}", "%0d%0aX: y", "healthz", "metrics", "code", "tags"),
    *("lambda-url", "functions", "2015-03-31", "layers", "%ED%A0%80", "+", "%2B", "nul%00nul"),
)
QUERIES = (
    *("", "=", "&&&", "Qualifier", "Qualifier=", "Qualifier=%ff", "MaxItems=abc", "MaxItems=-1"),
    *("MaxItems=9999999999999999999999", "MaxItems=1_0", "MaxItems=%D9%A1", "MaxItems=1e3"),
    *("Marker=%00", "Marker=a%7Cb", "Marker=x:9999999999999999999", "Marker=-1", "Marker=%ff"),
    *("find=LayerVersion", "find=LayerVersion&Arn=x", "List=ALL", "tagKeys=", "tagKeys=%00"),
    *("tagKeys=" + "k" * 5_000, "X-Amz-Credential=a/b/c/d/e", "a=1&a=2", "%", "%E0%80", "Arn=%00"),
    *("FunctionVersion=ALL&MasterRegion=ALL", "CompatibleRuntime=x", "Qualifier=1&Qualifier=2"),
    *("VersionNumber=nan", "EventSourceArn=%00", "FunctionName=%0a", "Action=x&Version=2011-06-15"),
)
HEADERS = (
    ("Authorization", "AWS4-HMAC-SHA256 Credential=a/b/c"),
    ("Authorization", "\xff\xfe"),
    ("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/../lambda/aws4_request"),
    ("Authorization", "AWS4-HMAC-SHA256 Credential=x/20260101/eu-west-1/logs/aws4_request"),
    ("Authorization", "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/iam/aws4_request"),
    ("Authorization", "Basic eDp5"),
    ("X-Amz-Target", "Logs_20140328.DescribeLogGroups"),
    ("X-Amz-Target", "Logs_20140328."),
    ("X-Amz-Target", "\xe9" * 200),
    ("Content-Type", "application/x-www-form-urlencoded"),
    ("Content-Type", "multipart/form-data; boundary=x"),
    ("Content-Encoding", "gzip"),
    ("X-Amz-Invocation-Type", "Sometimes"),
    ("X-Amz-Invocation-Type", "DryRun"),
    ("X-Amz-Log-Type", "\xff"),
    ("X-Amz-Client-Context", "%%%"),
    ("X-Amz-Client-Context", "e30="),
    ("X-Amz-Client-Context", "/w=="),
    ("X-Amz-Tenant-Id", "\xe9"),
    ("X-Amzn-Trace-Id", "Root=;;;Lineage=a:b|c:999999999999999999999"),
    ("X-Amzn-Trace-Id", "Lineage=" + "x:1|" * 1_000),
    ("X-Amz-Date", "yesterday"),
    ("X-Amz-Security-Token", "\xff" * 50),
    ("X-Amz-Content-Sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
    ("Host", "abcdefghijklmnopqrstuvwxyz012345.lambda-url.eu-west-1.on.aws"),
    ("Host", ""),
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Range", "bytes=0-"),
    ("Origin", "null"),
    ("If-None-Match", "*"),
)
BODIES = (
    *(b"", b"{", b"[]", b"null", b"1", b'"x"', b"\xff\xfe\0", b"{}" * 100, b"[" * 5_000),
    *(b'{"a":' * 3_000, b'{"Layers": [[[[]]]]}', b'{"Timeout": 1e400}', b'{"Timeout": -1e400}'),
    *(b'{"Timeout": 1' + b"0" * 400 + b"}", b'{"Timeout": 3.7}', b'{"Timeout": true}'),
    *(b'{"Timeout": 3, "Timeout": 4}', b'{"FunctionName": "\\ud800"}', b'{"Tags": {"a": null}}'),
    *(b'{"Description": "\\u0000"}', b'{"Environment": {"Variables": {"A": "\\u0000"}}}'),
    *(b'{"Code": {"ZipFile": "UEsDBA=="}}', b'{"Code": {"ZipFile": "*"}}', b"\xef\xbb\xbf{}"),
    *(b'{"Layers": [null]}', b'{"AllowedPublishers": {"SigningProfileVersionArns": [null]}}'),
    *(b'{"Cors": {"MaxAge": 99999999999999999999}}', b'{"StartingPositionTimestamp": 1e300}'),
    *(b'{"StartingPositionTimestamp": "x"}', b'{"StartingPositionTimestamp": -1e18}'),
    *(b"Action=AssumeRole&Version=2011-06-15", b"Action=&Version=", b"a=b&" * 2_000),
)


def disturbed(sent: Sent, random: Random) -> Sent:
    """``sent`` with one to four of its parts changed."""
    for _ in range(random.randint(1, 4)):
        change = random.choice(
            (_method, _path, _path, _query, _headers, _body, _body, _flipped, _flipped, _numbers)
        )
        sent = change(sent, random)
    return sent


def to_url(path: str, random: Random) -> Sent:
    """A request to the function URL whose path is ``path``, disturbed or not."""
    segments = [random.choice((*SEGMENTS, "a", "b")) for _ in range(random.randint(0, 3))]
    headers = [each for each in HEADERS if each[0] not in ("Host", "Upgrade", "Connection")]
    cookies = ("Cookie", random.choice(("a=b", "a=b; c=d", ";;", "\xe9=\xff", "a" * 5_000)))
    sent = Sent(
        random.choice(METHODS),
        path + "/".join(segments) + "?" + random.choice(QUERIES),
        (*random.sample(headers, 3), cookies),
        random.choice(BODIES),
    )
    return disturbed(sent, random) if random.random() < 0.3 else sent


def _method(sent: Sent, random: Random) -> Sent:
    return replace(sent, method=random.choice(METHODS))


def _path(sent: Sent, random: Random) -> Sent:
    path, mark, query = sent.target.partition("?")
    parts = path.split("/")
    action, at = random.randrange(4), random.randrange(1, max(2, len(parts)))
    if action == 0:
        parts.insert(at, random.choice(SEGMENTS))
    elif action == 1 and len(parts) > 2:
        del parts[at]
    elif at < len(parts):
        parts[at] = random.choice(SEGMENTS) if action == 2 else _anything(random)
    return replace(sent, target="/".join(parts).replace(" ", "%20") + mark + query)


def _query(sent: Sent, random: Random) -> Sent:
    path, _, query = sent.target.partition("?")
    added = random.choice(QUERIES) if random.random() < 0.8 else _anything(random)
    kept = query if random.random() < 0.5 else ""
    return replace(sent, target=f"{path}?{kept}&{added}".replace(" ", "%20"))


def _headers(sent: Sent, random: Random) -> Sent:
    added = random.sample(HEADERS, random.randint(1, 3))
    names = {name.lower() for name, _ in added}
    kept = tuple(each for each in sent.headers if each[0].lower() not in names)
    return replace(sent, headers=(*kept, *added))


def _body(sent: Sent, random: Random) -> Sent:
    if random.random() < 0.3:
        return replace(sent, body=random.randbytes(random.randint(0, 300)))
    return replace(sent, body=random.choice(BODIES))


def _flipped(sent: Sent, random: Random) -> Sent:
    """Some bytes of the body are others, or gone."""
    body = bytearray(sent.body)
    for _ in range(random.randint(1, 4)):
        if not body:
            break
        at = random.randrange(len(body))
        choices: tuple[Any, ...] = (b"", b'"', b"\0", b"9999999999", b"{}", b"-", b"\xff")
        body[at : at + 1] = random.choice(choices)
    return replace(sent, body=bytes(body))


def _numbers(sent: Sent, random: Random) -> Sent:
    """A number is another, and one of a JSON body perhaps none that JSON has."""
    if random.random() < 0.5:
        target = _NUMBER.sub(lambda found: quote(random.choice(NUMBERS)), sent.target)
        return replace(sent, target=target)
    body = _NUMBER.sub(lambda found: random.choice(NUMBERS), sent.body.decode("latin-1"))
    return replace(sent, body=body.encode())


def _anything(random: Random) -> str:
    characters = string.ascii_letters + string.digits + "%:/?#[]@!$&'()*+,;=-._~\xe9\xff"
    return "".join(random.choice(characters) for _ in range(random.randint(0, 30)))
