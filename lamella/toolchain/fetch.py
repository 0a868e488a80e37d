"""Zips of layers and functions, by the API of the server that has them."""

from __future__ import annotations

import base64
import hashlib
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lamella.model import limits

SECONDS = 60.0


class NotFetched(Exception):
    """Something could not be had; the message says what and why."""


def layer(client: Any, arn: str) -> tuple[bytes, tuple[str, ...]]:
    """The zip of a layer version and its compatible runtimes. Raises NotFetched."""
    try:
        about = _called(client.get_layer_version_by_arn, Arn=arn)
    except NotFetched as error:
        raise NotFetched(
            f"{error} (Of a deleted version functions keep what they have.)"
        ) from error
    content = about["Content"]
    zip_file = download(content["Location"], content["CodeSha256"])
    return zip_file, tuple(about.get("CompatibleRuntimes", ()))


@dataclass(frozen=True, slots=True)
class Function:
    """A function as GetFunction tells of it: its ``Configuration``, its tags, and its zip."""

    configuration: Mapping[str, Any]
    tags: Mapping[str, str]
    code: bytes


def function(client: Any, name: str, qualifier: str | None) -> Function:
    """A function with its zip. Raises NotFetched."""
    which = {"Qualifier": qualifier} if qualifier else {}
    about = _called(client.get_function, FunctionName=name, **which)
    configuration = about["Configuration"]
    location = about.get("Code", {}).get("Location")
    if configuration.get("PackageType", "Zip") != "Zip" or not location:
        raise NotFetched(f"{name} is no function of a zip.")
    code = download(location, configuration["CodeSha256"])
    return Function(configuration, about.get("Tags", {}), code)


def download(url: str, code_sha256: str) -> bytes:
    """The zip at ``url``, whose SHA-256 in base64 is known. Raises NotFetched."""
    if not url.startswith(("http://", "https://")):
        raise NotFetched(f"{url} is no address to download from.")
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:
            data: bytes = answer.read(limits.UNZIPPED_BYTES + 1)
    except (urllib.error.URLError, OSError) as error:
        raise NotFetched(f"{url} cannot be downloaded: {error}") from error
    if base64.b64encode(hashlib.sha256(data).digest()).decode() != code_sha256:
        raise NotFetched(f"What was downloaded from {url} is not what the server has described.")
    return data


def _called(operation: Any, **members: Any) -> Any:
    # botocore takes a while to load, and only what fetches needs it.
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        return operation(**members)
    except ClientError as error:
        about = error.response["Error"]
        what = members.get("Arn") or members.get("FunctionName")
        raise NotFetched(f"{what}: {about['Code']}: {about['Message']}") from error
    except BotoCoreError as error:
        raise NotFetched(f"{error} Is a server running? --endpoint says where.") from error
