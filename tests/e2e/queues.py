"""A real server of SQS, and of whatever else moto has, for tests: as a child process."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from tests.e2e.server import unmeasured

OWNER = "123456789012"
"""The account in which moto keeps what unknown keys make."""


class Queues:
    """A client of the server, and shorthand for what the tests do most."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.client: Any = boto3.client(
            "sqs",
            endpoint_url=endpoint,
            region_name="eu-west-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"max_attempts": 2}),
        )

    def make(self, name: str, **attributes: str) -> tuple[str, str]:
        """A queue; its URL and ARN."""
        url = self.client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        found = self.client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return url, found["Attributes"]["QueueArn"]

    def left(self, url: str) -> tuple[int, int]:
        """How many messages wait, and how many are with somebody."""
        found = self.client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return (
            int(found["ApproximateNumberOfMessages"]),
            int(found["ApproximateNumberOfMessagesNotVisible"]),
        )

    def take(self, url: str) -> list[dict[str, Any]]:
        """Take all that waits off a queue."""
        taken: list[dict[str, Any]] = []
        while True:
            found = self.client.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
            )
            if not found.get("Messages"):
                return taken
            taken += found["Messages"]
            self.client.delete_message_batch(
                QueueUrl=url,
                Entries=[
                    {"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]}
                    for n, message in enumerate(found["Messages"])
                ],
            )

    def bodies(self, url: str) -> list[Any]:
        """What the messages say that `take` takes."""
        return [json.loads(message["Body"]) for message in self.take(url)]


@contextlib.contextmanager
def queues(folder: Path) -> Iterator[Queues]:
    """The server, on a free port, until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (folder / "moto.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=log,
            stderr=log,
            env=unmeasured(),
        )
    try:
        until(lambda: listens(port), 30)
        yield Queues(f"http://127.0.0.1:{port}")
    finally:
        process.kill()
        process.wait(10)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def until(holds: Callable[[], object], seconds: float = 40) -> None:
    """Wait until something holds; fail where it does not come to."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"it did not come to hold in {seconds} s"
        time.sleep(0.05)
