"""A zip on its way in: from the request or from S3, weighed, stored and unpacked.

Owns what layers and functions have in common when they are given a zip. What row references it
afterwards is the caller's affair.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lamella.blobs.base import Blobs
from lamella.errors import CodeStorageExceeded, InvalidParameterValue, RequestEntityTooLarge
from lamella.layers.collect import Collecting
from lamella.layers.manifest import Manifest
from lamella.model import limits


@dataclass(frozen=True, slots=True)
class S3Object:
    """Where a zip lies in S3; ``version`` None means the newest."""

    bucket: str
    key: str
    version: str | None


Source = bytes | S3Object

# (bucket, key, version, most bytes) -> a file of the object's bytes, which the caller removes
Fetch = Callable[[str, str, str | None, int], Path]


class Adder(Protocol):
    """What unpacks a zip: `lamella.layers.trees.Trees`."""

    def add(self, zip_path: Path, digest: str, *, layer: bool = True) -> Manifest: ...


@dataclass(frozen=True, slots=True)
class Package:
    """A stored zip: SHA-256 in lower-case hex, sizes in bytes, the archive reader's warnings."""

    digest: str
    size: int
    unzipped_size: int
    warnings: tuple[str, ...]


class Packages:
    """Takes zips in. ``fetch`` is how objects of S3 are got (`lamella.layers.s3_source`)."""

    def __init__(self, blobs: Blobs, trees: Adder, collecting: Collecting, fetch: Fetch) -> None:
        self._blobs = blobs
        self._trees = trees
        self._collecting = collecting
        self._fetch = fetch

    @contextmanager
    def taken_in(self, source: Source, *, layer: bool) -> Iterator[Package]:
        """The zip, durable and unpacked; inside the block its row is written.

        Until the block ends nothing can collect the bytes. If it raises, and nothing else
        references them, they are removed. Raises RequestEntityTooLarge for a zip over 50 MB in
        the request, InvalidParameterValue (NotAnArchive, ArchiveRefused, UnzippedTooLarge) for
        one that may not be unpacked or an object that cannot be had.
        """
        with self._on_hand(source) as zip_file, self._collecting.writing():
            digest, size = self._store(zip_file)
            try:
                manifest = self._trees.add(self._blobs.open(digest), digest, layer=layer)
                yield Package(digest, size, manifest.unzipped_size, manifest.warnings)
            except BaseException:
                self._collecting.collect({digest})
                raise

    @contextmanager
    def _on_hand(self, source: Source) -> Iterator[bytes | Path]:
        if isinstance(source, bytes):
            check_zip_size(len(source))
            yield source
            return
        fetched = self._fetch(source.bucket, source.key, source.version, limits.UNZIPPED_BYTES)
        try:
            yield fetched
        finally:
            fetched.unlink(missing_ok=True)

    def _store(self, zip_file: bytes | Path) -> tuple[str, int]:
        if isinstance(zip_file, bytes):
            return self._blobs.put_bytes(zip_file), len(zip_file)
        with zip_file.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.seek(0, 2)
        self._blobs.put(zip_file, digest)
        return digest, size


def source(
    zip_file: bytes | None, bucket: str | None, key: str | None, version: str | None, *, what: str
) -> Source:
    """Which of a request's members the zip is in; InvalidParameterValue for none or for both.

    ``what`` is the shape that holds them: ``FunctionCode``, ``LayerVersionContentInput``.
    """
    if zip_file is not None:
        if bucket or key or version:
            raise InvalidParameterValue(
                f"Please do not provide other {what} parameters when providing a ZipFile."
            )
        return zip_file
    if bucket and key:
        return S3Object(bucket, key, version)
    if bucket or key:
        raise InvalidParameterValue("Please provide both S3Bucket and S3Key.")
    raise InvalidParameterValue(
        "Please provide a source for function code."
        if what == "FunctionCode"
        else "Please provide a source for layer content."
    )


def check_zip_size(size: int) -> None:
    """Refuse what may not come in a request: nothing at all, or more than 50 MB."""
    if size == 0:
        raise InvalidParameterValue("Uploaded file must be a non-empty zip")
    if size > limits.ZIP_BYTES:
        raise RequestEntityTooLarge(f"Zipped size must be smaller than {limits.ZIP_BYTES} bytes")


def check_storage(used: int, adding: int) -> None:
    """Refuse to go over the account's 75 GB in a region; both are bytes of zips."""
    if used + adding > limits.CODE_STORAGE_BYTES:
        raise CodeStorageExceeded("Code storage limit exceeded.")


def code_sha256(digest: str) -> str:
    """``CodeSha256`` as AWS answers it: base64 of the zip's SHA-256."""
    return base64.b64encode(bytes.fromhex(digest)).decode("ascii")
