"""The server that a command asks by AWS's API: where it is, and with which keys."""

from __future__ import annotations

import os
from typing import Annotated, Any, Optional

import typer

OURS = "http://127.0.0.1:4566"
REGION = "eu-west-1"
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
    from botocore.session import Session

    url = endpoint or next((os.environ[name] for name in _NAMED if os.environ.get(name)), OURS)
    session = Session()
    # A machine that is not AWS's would wait for seconds before it gets no answer.
    session.get_component("credential_provider").remove("iam-role")
    made_up = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return session.create_client(
        "lambda",
        endpoint_url=url,
        region_name=region
        or os.environ.get("AWS_REGION")
        or session.get_config_variable("region")
        or REGION,
        config=Config(retries={"max_attempts": 1}, connect_timeout=5, read_timeout=60),
        **({} if session.get_credentials() else made_up),
    )
