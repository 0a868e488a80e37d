"""Functions that call AWS's services: boto3 as a layer, and a handler that calls what it is told to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import botocore

from tests.e2e.server import Cloud, zipped

SITE = Path(boto3.__file__).parent.parent
PACKAGES = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "urllib3")
SERVICES = ("iam", "lambda", "logs", "sts")

AGENT = '''
import json
import os

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

CONFIG = Config(retries={"max_attempts": 0}, connect_timeout=5, read_timeout=20)


def handler(event, context):
    """Call ``operation`` of ``service`` with ``sent``; what it answers, or is refused with."""
    if "operation" not in event:
        return {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    client = boto3.client(event["service"], config=CONFIG, **event.get("signed", {}))
    try:
        answer = getattr(client, event["operation"])(**event.get("sent", {}))
    except ClientError as error:
        said = error.response
        return [
            said["ResponseMetadata"]["HTTPStatusCode"],
            said["Error"]["Code"],
            said["Error"].get("Message"),
        ]
    answer.pop("ResponseMetadata")
    if "Payload" in answer:
        answer["Payload"] = answer["Payload"].read().decode()
    return json.loads(json.dumps(answer, default=str))
'''


def boto3_layer() -> bytes:
    """boto3 and what it needs, with the models of the services that are called."""
    files = {"python/six.py": (SITE / "six.py").read_bytes()}
    data = Path(botocore.__file__).parent / "data"
    for package in PACKAGES:
        for path in (SITE / package).rglob("*.py"):
            files[f"python/{path.relative_to(SITE)}"] = path.read_bytes()
    models = [
        path for service in SERVICES for path in (data / service).rglob("*") if path.is_file()
    ]
    for path in [*models, *data.glob("*.json"), *data.glob("*.json.gz")]:
        files[f"python/{path.relative_to(SITE)}"] = path.read_bytes()
    return zipped(files)


class Agent:
    """A function that calls what it is told to."""

    def __init__(self, cloud: Cloud, role: str, name: str = "agent", **more: Any) -> None:
        self.cloud = cloud
        layer = cloud.layer(boto3_layer(), "boto3")
        self.name = cloud.function(
            AGENT, name=name, role=role, layers=[layer], MemorySize=1024, Timeout=60, **more
        )

    def call(self, service: str, operation: str, **sent: Any) -> Any:
        return self.ask(service=service, operation=operation, sent=sent)

    def ask(self, **event: Any) -> Any:
        return self.cloud.result(self.name, event)

    @property
    def variables(self) -> dict[str, str]:
        """The variables of its environment whose names begin with AWS."""
        found: dict[str, str] = self.ask()
        return found
