"""Zips that lie in S3: any server that speaks it, at the endpoint the settings name.

Owns the download and how its failures are worded. Credentials are found as every AWS tool finds
them, except that no metadata service is asked; without any, requests are not signed.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from lamella.errors import InvalidParameterValue, UnzippedTooLarge

_CHUNK = 1 << 20
_TIMEOUT_SECONDS = 30


class S3Source:
    """Fetches objects into ``folder``, which exists; ``endpoint`` is a URL, or None for no S3."""

    def __init__(self, endpoint: str | None, folder: Path, *, region: str = "us-east-1") -> None:
        self._endpoint = endpoint
        self._folder = folder
        self._region = region
        self._lock = threading.Lock()
        self._made: Any = None

    def fetch(self, bucket: str, key: str, version: str | None, limit: int) -> Path:
        """A new file of the object's bytes, for the caller to remove.

        Raises InvalidParameterValue, in AWS's words, if it cannot be had; UnzippedTooLarge if it
        has more than ``limit`` bytes.
        """
        if self._endpoint is None:
            raise InvalidParameterValue(
                "Code from S3 needs an S3 server: start Lamella with --s3-endpoint URL."
            )
        wanted = {"Bucket": bucket, "Key": key}
        if version is not None:
            wanted["VersionId"] = version
        with _worded(self._endpoint):
            answer = self._client().get_object(**wanted)
            with closing(answer["Body"]) as body:
                return self._save(body, answer["ContentLength"], limit)

    def _save(self, body: Any, size: int, limit: int) -> Path:
        if size > limit:
            raise UnzippedTooLarge(limit)
        descriptor, name = tempfile.mkstemp(prefix="s3-", suffix=".zip", dir=self._folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                written = 0
                while data := body.read(_CHUNK):
                    written += len(data)
                    if written > limit:
                        raise UnzippedTooLarge(limit)
                    file.write(data)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        return Path(name)

    def _client(self) -> Any:
        with self._lock:
            if self._made is None:
                self._made = _client(self._endpoint, self._region)
            return self._made


def _client(endpoint: str | None, region: str) -> Any:
    session = Session()
    # a machine that is not AWS's would wait for seconds before it gets no answer
    session.get_component("credential_provider").remove("iam-role")
    unsigned = {} if session.get_credentials() else {"signature_version": UNSIGNED}
    config = Config(
        # servers that are not AWS's seldom have a name for each bucket
        s3={"addressing_style": "path"},
        connect_timeout=_TIMEOUT_SECONDS,
        read_timeout=_TIMEOUT_SECONDS,
        retries={"total_max_attempts": 2},
        **unsigned,
    )
    return session.create_client("s3", region_name=region, endpoint_url=endpoint, config=config)


@contextmanager
def _worded(endpoint: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        said = error.response["Error"]
        raise InvalidParameterValue(
            f"Error occurred while GetObject. S3 Error Code: {said['Code']}. "
            f"S3 Error Message: {said['Message']}"
        ) from error
    except BotoCoreError as error:
        raise InvalidParameterValue(
            f"Error occurred while GetObject. The S3 server at {endpoint} did not answer: {error}"
        ) from error
