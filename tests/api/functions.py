"""Short ways to create and look at functions through boto3."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e.server import ROLE, Cloud, zipped

ACCOUNT, REGION = "000000000000", "eu-west-1"
CODE = zipped({"app.py": "def handler(event, context):\n    return 1\n"})
CODE_2 = zipped({"app.py": "def handler(event, context):\n    return 2\n"})
QUICK = {"Delay": 0.1, "MaxAttempts": 300}
NOT_LATEST = "Current operation does not support versions other than $LATEST."


def sha256(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def arn(name: str, qualifier: str | None = None) -> str:
    base = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
    return base if qualifier is None else f"{base}:{qualifier}"


def create(cloud: Cloud, name: str | None = None, **members: Any) -> dict[str, Any]:
    answer = cloud.client.create_function(
        **{
            "FunctionName": name or cloud.name(),
            "Runtime": "python3.11",
            "Handler": "app.handler",
            "Role": ROLE,
            "Code": {"ZipFile": CODE},
            **members,
        }
    )
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    return body(answer)


def active(cloud: Cloud, name: str | None = None, **members: Any) -> str:
    created = create(cloud, name, **members)
    cloud.client.get_waiter("function_active_v2").wait(
        FunctionName=created["FunctionName"], WaiterConfig=QUICK
    )
    return str(created["FunctionName"])


def updated(cloud: Cloud, name: str) -> dict[str, Any]:
    cloud.client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig=QUICK)
    return get(cloud, name)


def get(cloud: Cloud, name: str, **more: Any) -> dict[str, Any]:
    return body(cloud.client.get_function_configuration(FunctionName=name, **more))


def body(answer: Any) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def refusal(call: Any, **sent: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as refused:
        call(**sent)
    answer = refused.value.response
    error = answer["Error"]
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-errortype"] == error["Code"]
    return answer["ResponseMetadata"]["HTTPStatusCode"], error["Code"], error["Message"]


def invalid(message: str) -> tuple[int, str, str]:
    return 400, "InvalidParameterValueException", message


def missing(name: str, qualifier: str | None = None) -> tuple[int, str, str]:
    return 404, "ResourceNotFoundException", f"Function not found: {arn(name, qualifier)}"
