"""Function URLs of the tests, and plain HTTP to ask them."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.e2e.server import Cloud
from tests.e2e.streaming import SECONDS

ECHO = """
import json

def handler(event, context):
    asked = event["rawPath"]
    if asked == "/event":
        return event
    if asked == "/fail":
        raise ValueError("no")
    return json.loads(event["body"])
"""

FORBIDDEN = {
    "Message": "Forbidden. For troubleshooting Function URL authorization issues, see: "
    "https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"
}


@dataclass
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Site:
    """One URL, asked by its path or by its name."""

    def __init__(self, cloud: Cloud, function: str, **config: Any) -> None:
        made = cloud.client.create_function_url_config(
            **{"FunctionName": function, "AuthType": "NONE", **config}
        )
        parts = urlsplit(made["FunctionUrl"])
        self.server, self.prefix = parts.netloc, parts.path.rstrip("/")
        self.id = self.prefix.rsplit("/", 1)[1]
        self.name = f"{self.id}.lambda-url.eu-west-1.on.aws"

    def connect(self, method: str, path: str, **sent: Any) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(self.server, timeout=SECONDS)
        connection.request(method, path, **sent)
        return connection

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        by_name: bool = False,
    ) -> Answer:
        sent = {**({"Host": self.name} if by_name else {}), **(headers or {})}
        where = path if by_name else self.prefix + path
        connection = self.connect(method, where, body=body, headers=sent)
        try:
            got = connection.getresponse()
            named = [(key.lower(), value) for key, value in got.getheaders()]
            return Answer(got.status, named, got.read())
        finally:
            connection.close()

    def answer(self, result: Any) -> Answer:
        """What the echoing function's ``result`` becomes."""
        return self.ask("POST", "/", json.dumps(result).encode(), {"content-type": "text/json"})


def open_to_all(cloud: Cloud, function: str, **more: Any) -> None:
    cloud.client.add_permission(
        FunctionName=function,
        StatementId="url",
        Action="lambda:InvokeFunctionUrl",
        Principal="*",
        FunctionUrlAuthType="NONE",
        **more,
    )


def signed(site: Site, key: str, secret: str = "secret", path: str = "/event") -> dict[str, str]:
    """The headers of a request that is signed."""
    request = AWSRequest("GET", f"http://{site.server}{site.prefix}{path}")
    SigV4Auth(Credentials(key, secret), "lambda", "eu-west-1").add_auth(request)
    return dict(request.headers)
