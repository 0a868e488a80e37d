"""The server that a command asks by AWS's API: where it is, and with which keys."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

if TYPE_CHECKING:
    from botocore.session import Session

OURS = "http://127.0.0.1:4566"
REGION = "eu-west-1"
MADE_UP = ("test", "test")
_MEMBERS = ("aws_access_key_id", "aws_secret_access_key")
_NAMED = ("AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL")

Endpoint = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--endpoint",
        metavar="URL",
        help=f"The server to ask. [AWS_ENDPOINT_URL_LAMBDA, AWS_ENDPOINT_URL; default: {OURS}]",
        show_default=False,
    ),
]


def client(endpoint: str | None, region: str | None) -> Any:
    """A Lambda client for the server at ``endpoint``, with the user's own keys.

    Without an endpoint it is the one that AWS's clients are told of by variables, else Lamella's
    default; without keys or a region some are made up, as a server without signatures takes any.
    """
    from botocore.config import Config

    session = _session()
    keys = session.get_credentials()
    return session.create_client(
        "lambda",
        endpoint_url=url(endpoint),
        region_name=_region(session, region),
        config=Config(retries={"max_attempts": 1}, connect_timeout=5, read_timeout=60),
        **({} if keys else dict(zip(_MEMBERS, MADE_UP, strict=True))),
    )


def page(endpoint: str | None, path: str, *, signed: bool) -> tuple[int, bytes]:
    """The status and body of a page of the server that is no operation of AWS's.

    Raises ConnectionError.
    """
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
    from botocore.exceptions import BotoCoreError
    from botocore.httpsession import URLLib3Session

    request = AWSRequest("GET", f"{url(endpoint).rstrip('/')}{path}")
    if signed:
        session = _session()
        keys = session.get_credentials() or Credentials(*MADE_UP)
        SigV4Auth(keys, "lambda", _region(session, None)).add_auth(request)
    try:
        answer = URLLib3Session(timeout=10).send(request.prepare())
    except BotoCoreError as error:
        raise ConnectionError(str(error)) from error
    return answer.status_code, answer.content


def url(endpoint: str | None) -> str:
    return endpoint or next((os.environ[name] for name in _NAMED if os.environ.get(name)), OURS)


def _session() -> Session:
    from botocore.session import Session

    session = Session()
    # A machine that is not AWS's would wait for seconds before it gets no answer.
    session.get_component("credential_provider").remove("iam-role")
    return session


def _region(session: Session, region: str | None) -> str:
    wanted = region or os.environ.get("AWS_REGION")
    return str(wanted or session.get_config_variable("region") or REGION)
