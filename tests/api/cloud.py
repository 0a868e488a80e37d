"""boto3 clients of the services beside Lambda, and how their refusals read."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

ACCOUNT = "000000000000"


def client(
    endpoint: str, service: str, *, key: str = "test", region: str = "eu-west-1", **more: Any
) -> Any:
    """A client that checks nothing itself; ``key`` of twelve digits is the account."""
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=key,
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 0}, parameter_validation=False),
        **more,
    )


def refusal(call: Any, **sent: Any) -> tuple[str, int, str]:
    """Code, status and message of a call that must be refused."""
    with pytest.raises(ClientError) as refused:
        call(**sent)
    answer = refused.value.response
    error = answer["Error"]
    return error["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], error["Message"]
