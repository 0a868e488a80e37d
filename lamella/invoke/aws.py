"""Clients of the AWS services that Lamella is not: SQS, SNS, EventBridge, at a configured endpoint.

Credentials are found as every AWS tool finds them, except that no metadata service is asked;
where there are none, the account signs with its own number, as emulators expect it.
"""

from __future__ import annotations

import os
import threading
from typing import Any

from botocore.config import Config
from botocore.session import Session

_TIMEOUT_SECONDS = 30


class AwsClients:
    """botocore clients by service, account and region, made when they are first asked for.

    ``endpoint`` is a URL, or None: then there are no such services. Blocking, for any thread.
    """

    def __init__(self, endpoint: str | None) -> None:
        self.endpoint = endpoint
        self._lock = threading.Lock()
        self._made: dict[tuple[str, str, str], Any] = {}

    def client(self, service: str, account: str, region: str) -> Any:
        """A client of ``sqs``, ``sns`` or ``events``. LookupError if no endpoint is configured."""
        if self.endpoint is None:
            raise LookupError(f"{service} needs a server: start Lamella with --aws-endpoint URL.")
        key = (service, account, region)
        with self._lock:
            if key not in self._made:
                self._made[key] = self._make(*key)
            return self._made[key]

    def _make(self, service: str, account: str, region: str) -> Any:
        session = Session()
        own = {"aws_access_key_id": account, "aws_secret_access_key": "lamella"}
        found = "AWS_ACCESS_KEY_ID" in os.environ or session.full_config["profiles"]
        return session.create_client(
            service,
            region_name=region,
            endpoint_url=self.endpoint,
            config=Config(
                connect_timeout=_TIMEOUT_SECONDS,
                read_timeout=_TIMEOUT_SECONDS,
                retries={"max_attempts": 0},
                max_pool_connections=32,
            ),
            **({} if found else own),
        )
