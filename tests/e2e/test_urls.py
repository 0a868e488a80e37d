"""Function URLs, asked over plain HTTP: events, answers, admission, streams."""

from __future__ import annotations

import base64
import http.client
import json
import time
from typing import Any

import pytest

from tests.e2e.server import Cloud
from tests.e2e.sites import ECHO, FORBIDDEN, Answer, Site, open_to_all, signed
from tests.e2e.streaming import SECONDS, custom, go_on, node


@pytest.fixture(scope="module")
def echo(cloud: Cloud) -> str:
    name = cloud.function(ECHO)
    open_to_all(cloud, name)
    return name


@pytest.fixture(scope="module")
def site(cloud: Cloud, echo: str) -> Site:
    return Site(cloud, echo)


@pytest.mark.parametrize("by_name", [False, True])
def test_the_event_of_a_request(site: Site, by_name: bool) -> None:
    before = int(time.time() * 1000)
    headers = {
        "X-One": "1",
        "Cookie": "a=1; b=2",
        "User-Agent": "tests",
        "Connection": "keep-alive",
        "X-Forwarded-For": "9.9.9.9",
        "X-Forwarded-Proto": "gopher",
    }
    answer = site.ask("GET", "/event?a=1&b=%20x&a=2&c", headers=headers, by_name=by_name)
    assert (answer.status, answer.header("content-type")) == (200, "application/json")
    event = answer.json
    context = event.pop("requestContext")
    got = event.pop("headers")
    assert event == {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/event",
        "rawQueryString": "a=1&b=%20x&a=2&c",
        "cookies": ["a=1", "b=2"],
        "queryStringParameters": {"a": "1,2", "b": " x", "c": ""},
        "isBase64Encoded": False,
    }
    assert got.pop("x-amzn-trace-id") == answer.header("x-amzn-trace-id")
    port = site.server.rpartition(":")[2]
    assert got == {
        "host": site.name if by_name else site.server,
        "accept-encoding": "identity",
        "x-one": "1",
        "cookie": "a=1; b=2",
        "user-agent": "tests",
        "x-forwarded-for": got["x-forwarded-for"],
        "x-forwarded-proto": got["x-forwarded-proto"],
        "x-forwarded-port": port,
    }
    at = context.pop("timeEpoch")
    assert before <= at <= time.time() * 1000
    assert context.pop("time") == time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(at // 1000))
    assert context == {
        "accountId": "anonymous",
        "apiId": site.id,
        "domainName": site.name,
        "domainPrefix": site.id,
        "http": {
            "method": "GET",
            "path": "/event",
            "protocol": "HTTP/1.1",
            "sourceIp": got["x-forwarded-for"],
            "userAgent": "tests",
        },
        "requestId": answer.header("x-amzn-requestid"),
        "routeKey": "$default",
        "stage": "$default",
    }


def test_a_trace_that_is_sent_goes_on(site: Site) -> None:
    root = "Root=1-5759e988-bd862e3fe1be46a994272793"
    answer = site.ask("GET", "/event", headers={"X-Amzn-Trace-Id": f"{root};Sampled=1"})
    assert answer.header("x-amzn-trace-id") == root
    assert answer.json["headers"]["x-amzn-trace-id"] == root


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("application/json", b'{"a":1}', True),
        ("text/plain; charset=utf-8", "käse".encode(), True),
        ("application/vnd.api+json", b"{}", True),
        ("text/plain", b"\xff\x00", False),
        ("application/octet-stream", bytes(range(256)), False),
        ("application/x-www-form-urlencoded", b"a=1", False),
    ],
)
def test_bodies_are_text_or_base64(site: Site, content_type: str, body: bytes, text: bool) -> None:
    event = site.ask("PUT", "/event", body, {"content-type": content_type}).json
    assert event["requestContext"]["http"]["method"] == "PUT"
    assert event["isBase64Encoded"] is not text
    assert event["body"] == (body.decode() if text else base64.b64encode(body).decode())


def test_an_answer_written_out(site: Site) -> None:
    answer = site.answer(
        {
            "statusCode": 201,
            "headers": {"Content-Type": "text/html", "X-N": 5, "Date": "then", "Connection": "x"},
            "cookies": ["a=1; HttpOnly", "b=2"],
            "body": "<b>käse</b>",
        }
    )
    assert (answer.status, answer.body.decode()) == (201, "<b>käse</b>")
    assert (answer.header("content-type"), answer.header("x-n")) == ("text/html", "5")
    assert answer.header("x-amzn-remapped-date") == "then"
    assert answer.header("x-amzn-remapped-connection") == "x"
    cookies = [value for name, value in answer.headers if name == "set-cookie"]
    assert cookies == [f"a=1; HttpOnly; Path={site.prefix}/", f"b=2; Path={site.prefix}/"]
    assert (answer.header("content-security-policy") or "").startswith("sandbox ")


def test_by_its_name_a_url_is_an_origin_of_its_own(site: Site) -> None:
    body = json.dumps({"statusCode": 302, "headers": {"location": "/x"}, "cookies": ["a=1"]})
    sent = {"content-type": "application/json"}
    answer = site.ask("POST", "/", body.encode(), sent, by_name=True)
    assert (answer.status, answer.header("location")) == (302, "/x")
    assert answer.header("set-cookie") == "a=1"
    assert answer.header("content-security-policy") is None
    assert site.ask("POST", "/", body.encode(), sent).header("location") == f"{site.prefix}/x"
    # what a browser applies to a whole origin is kept from the one that the API is on
    everything = {"statusCode": 200, "headers": {"Clear-Site-Data": '"*"', "Alt-Svc": "clear"}}
    body = json.dumps(everything)
    for by_name, wanted in ((True, '"*"'), (False, None)):
        answer = site.ask("POST", "/", body.encode(), sent, by_name=by_name)
        assert answer.header("clear-site-data") == wanted
    # nothing of the server's own is reached by such a name
    for path in ("/healthz", "/metrics", "/2015-03-31/functions", "/event"):
        assert site.ask("GET", path, by_name=True).status == (200 if path == "/event" else 502)


@pytest.mark.parametrize(
    ("result", "body"),
    [
        ({"message": "hello"}, b'{"message": "hello"}'),
        ("hello", b'"hello"'),
        ([1, None], b"[1, null]"),
    ],
)
def test_any_other_json_is_the_body(site: Site, result: Any, body: bytes) -> None:
    answer = site.answer(result)
    assert (answer.status, answer.header("content-type")) == (200, "application/json")
    assert answer.body == body


def test_a_binary_answer(site: Site) -> None:
    data = bytes(range(256))
    sent = {"statusCode": 200, "body": base64.b64encode(data).decode(), "isBase64Encoded": True}
    assert site.answer(sent).body == data
    assert site.answer({"statusCode": 204, "body": "x"}).status == 204
    head = site.ask("HEAD", "/event")
    assert (head.status, head.body) == (200, b"")


@pytest.mark.parametrize(
    "result",
    [
        {"statusCode": "many"},
        {"statusCode": 99},
        {"statusCode": 200, "headers": ["x"]},
        {"statusCode": 200, "headers": {"x": {"y": 1}}},
        {"statusCode": 200, "headers": {"x y": "1"}},
        {"statusCode": 200, "headers": {"x": "1\r\nset-cookie: a=1"}},
        {"statusCode": 200, "cookies": "a=1"},
        {"statusCode": 200, "body": "%", "isBase64Encoded": True},
    ],
)
def test_a_result_that_is_no_answer(site: Site, result: Any) -> None:
    answer = site.answer(result)
    assert (answer.status, answer.body) == (502, b"Internal Server Error")


def test_a_function_that_fails(site: Site) -> None:
    answer = site.ask("GET", "/fail")
    assert (answer.status, answer.body) == (502, b"Internal Server Error")
    assert answer.header("x-amzn-requestid")


def test_what_is_too_large(site: Site) -> None:
    answer = site.ask("POST", "/", b" " * 6_291_457)
    assert answer.status == 413
    # base64 makes it larger than an event can be
    assert site.ask("POST", "/", bytes(5_000_000)).status == 413


def test_a_url_that_is_not_there(site: Site) -> None:
    nobody = "a" * 32
    answers = [
        site.ask("GET", "/", headers={"Host": f"{nobody}.lambda-url.eu-west-1.on.aws"}),
        site.ask("GET", "/", headers={"Host": f"{site.id}.lambda-url.us-east-1.on.aws"}),
        site.ask("GET", "/healthz", headers={"Host": "x.lambda-url.y"}, by_name=True),
        site.ask("GET", "/healthz", headers={"Host": "x.Lambda-URL.y"}, by_name=True),
    ]
    site_of_nobody = http.client.HTTPConnection(site.server, timeout=SECONDS)
    site_of_nobody.request("GET", f"/lambda-url/{nobody}/")
    got = site_of_nobody.getresponse()
    answers.append(Answer(got.status, [(k.lower(), v) for k, v in got.getheaders()], got.read()))
    site_of_nobody.close()
    for answer in answers:
        assert (answer.status, answer.body) == (403, b'{"Message":null}')
        assert answer.header("x-amzn-errortype") == "AccessDeniedException"


def test_everybody_may_ask_only_where_the_policy_says_so(cloud: Cloud) -> None:
    name = cloud.function("def handler(event, context): return 1")
    site = Site(cloud, name)
    answer = site.ask("GET", "/")
    assert (answer.status, answer.json) == (403, FORBIDDEN)
    assert answer.header("x-amzn-errortype") == "AccessDeniedException"
    open_to_all(cloud, name)
    assert eventually(lambda: site.ask("GET", "/").status, 200)
    cloud.client.remove_permission(FunctionName=name, StatementId="url")
    assert eventually(lambda: site.ask("GET", "/").status, 403)
    cloud.client.delete_function_url_config(FunctionName=name)
    assert eventually(lambda: site.ask("GET", "/").body, b'{"Message":null}')


def eventually(ask: Any, wanted: Any) -> bool:
    until = time.monotonic() + SECONDS
    while ask() != wanted:
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def test_a_url_that_must_be_signed_for(cloud: Cloud) -> None:
    name = cloud.function(ECHO)
    site = Site(cloud, name, AuthType="AWS_IAM")
    answer = site.ask("GET", "/event")
    assert (answer.status, answer.json) == (403, FORBIDDEN)
    context = site.ask("GET", "/event", headers=signed(site, "test")).json["requestContext"]
    assert context["accountId"] == "000000000000"
    assert context["authorizer"] == {
        "iam": {
            "accessKey": "test",
            "accountId": "000000000000",
            "callerId": "test",
            "cognitoIdentity": None,
            "principalOrgId": None,
            "userArn": "arn:aws:iam::000000000000:root",
            "userId": "test",
        }
    }
    other = "111122223333"
    assert site.ask("GET", "/event", headers=signed(site, other)).status == 403
    cloud.client.add_permission(
        FunctionName=name,
        StatementId="other",
        Action="lambda:InvokeFunctionUrl",
        Principal=other,
        FunctionUrlAuthType="AWS_IAM",
    )
    answer = site.ask("GET", "/event", headers=signed(site, other))
    assert answer.json["requestContext"]["accountId"] == other


def test_a_function_without_concurrency_throttles(cloud: Cloud) -> None:
    name = cloud.function("def handler(event, context): return 1")
    open_to_all(cloud, name)
    cloud.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    answer = Site(cloud, name).ask("GET", "/")
    assert (answer.status, answer.json["message"]) == (429, "Rate Exceeded.")


def test_an_alias_of_a_function(cloud: Cloud) -> None:
    name = cloud.function("def handler(event, context): return context.function_version")
    cloud.client.publish_version(FunctionName=name)
    cloud.client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    open_to_all(cloud, name, Qualifier="live")
    assert Site(cloud, name, Qualifier="live").ask("GET", "/").json == "1"


CORS = {
    "AllowOrigins": ["https://a.example", "https://*.b.example"],
    "AllowMethods": ["GET", "PUT"],
    "AllowHeaders": ["x-one", "x-two"],
    "ExposeHeaders": ["x-three"],
    "AllowCredentials": True,
    "MaxAge": 60,
}


def test_cors_is_answered_for_the_function(cloud: Cloud) -> None:
    name = cloud.function(
        "def handler(event, context):\n"
        "    return {'statusCode': 200, 'headers': {'Access-Control-Allow-Origin': 'mine'}}"
    )
    open_to_all(cloud, name)
    site = Site(cloud, name, Cors=CORS)
    asked = {"Origin": "https://x.b.example", "Access-Control-Request-Method": "PUT"}
    preflight = site.ask("OPTIONS", "/", headers=asked)
    assert (preflight.status, preflight.body) == (200, b"")
    assert preflight.header("access-control-allow-origin") == "https://x.b.example"
    assert preflight.header("access-control-allow-methods") == "GET,PUT"
    assert preflight.header("access-control-allow-headers") == "x-one,x-two"
    assert preflight.header("access-control-allow-credentials") == "true"
    assert preflight.header("access-control-max-age") == "60"
    answer = site.ask("GET", "/", headers={"Origin": "https://a.example"})
    origins = [value for key, value in answer.headers if key == "access-control-allow-origin"]
    assert origins == ["https://a.example"]
    assert answer.header("access-control-expose-headers") == "x-three"
    assert answer.header("vary") == "Origin"
    for headers in ({"Origin": "https://evil.example"}, {}):
        got = site.ask("GET", "/", headers=headers)
        assert (got.status, got.header("access-control-allow-origin")) == (200, None)


def test_a_streamed_answer_arrives_while_the_function_writes(cloud: Cloud) -> None:
    title = cloud.name("page")
    body = """
    stream = awslambda.HttpResponseStream.from(stream, {
      statusCode: 202, headers: {'Content-Type': 'text/html', 'x-own': 'yes'}, cookies: ['a=1'],
    });
    stream.write('<p>one'); await go(); stream.end('<p>two');"""
    name = node(cloud, body, title=title)
    open_to_all(cloud, name)
    site = Site(cloud, name, InvokeMode="RESPONSE_STREAM")
    connection = site.connect("GET", "/", headers={"Host": site.name})
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("content-type")) == (202, "text/html")
    assert (answer.getheader("x-own"), answer.getheader("set-cookie")) == ("yes", "a=1")
    assert answer.getheader("transfer-encoding") == "chunked"
    assert answer.read1(100) == b"<p>one"
    go_on(title)
    assert answer.read() == b"<p>two"
    connection.close()


def test_streams_of_a_custom_runtime(cloud: Cloud) -> None:
    name = custom(cloud)
    open_to_all(cloud, name)
    site = Site(cloud, name, InvokeMode="RESPONSE_STREAM")
    answer = site.ask("GET", "/")
    assert (answer.status, answer.body) == (200, b"one,two")
    assert answer.header("content-type") == "application/octet-stream"
    assert site.ask("HEAD", "/").body == b""


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("stream.write('half'); throw new Error('gone');", None),
        ("throw new Error('at once');", 502),
        ("stream = awslambda.HttpResponseStream.from(stream, {statusCode: 7}); stream.end('x');", 502),
        ("stream = awslambda.HttpResponseStream.from(stream, {statusCode: 204}); stream.end('x');", 204),
        ("stream.setContentType('application/vnd.awslambda.http-integration-response');"
         "stream.end('{}');", 502),
    ],
)  # fmt: skip
def test_streams_that_fail(cloud: Cloud, body: str, status: int | None) -> None:
    name = node(cloud, body)
    open_to_all(cloud, name)
    site = Site(cloud, name, InvokeMode="RESPONSE_STREAM")
    if status is None:
        with pytest.raises(http.client.IncompleteRead) as cut:
            site.ask("GET", "/")
        assert cut.value.partial == b"half"
    else:
        assert site.ask("GET", "/").status == status


def test_a_function_that_does_not_stream_behind_a_url_that_does(cloud: Cloud) -> None:
    name = cloud.function(ECHO)
    open_to_all(cloud, name)
    site = Site(cloud, name, InvokeMode="RESPONSE_STREAM")
    answer = site.answer({"statusCode": 201, "body": "x"})
    assert (answer.status, answer.body) == (201, b"x")
    assert site.ask("GET", "/fail").status == 502
