"""Publishing: what a layer version is made of, and the rules it has to pass."""

from __future__ import annotations

import base64
import hashlib
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lamella.errors import (
    AccessDenied,
    ArchiveRefused,
    CodeStorageExceeded,
    InvalidParameterValue,
    NotAnArchive,
    RequestEntityTooLarge,
    ResourceNotFound,
)
from lamella.layers import packages
from lamella.layers.packages import S3Object
from lamella.layers.publish import Filter, NewVersion
from lamella.model import limits
from lamella.model.arn import LayerArn
from tests.unit.layers.shelf import (
    A_ZIP,
    ACCOUNT,
    NOW,
    OTHER,
    REGION,
    Shelf,
    asker,
    layer,
    shelf,
    zipped,
)


@pytest.fixture
def on(tmp_path: Path) -> Iterator[Shelf]:
    with shelf(tmp_path) as made:
        yield made


def test_a_version_says_what_it_was_given(on: Shelf) -> None:
    version = on.publishing.publish(
        asker(),
        layer(),
        NewVersion(
            content=A_ZIP,
            description="shared code",
            license_info="MIT",
            compatible_runtimes=("python3.11",),
            compatible_architectures=("x86_64", "arm64"),
        ),
    )
    assert version.arn == f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:shared:1"
    assert (version.description, version.license_info) == ("shared code", "MIT")
    assert version.compatible_runtimes == ("python3.11",)
    assert version.compatible_architectures == ("x86_64", "arm64")
    assert (version.digest, version.code_size) == (hashlib.sha256(A_ZIP).hexdigest(), len(A_ZIP))
    assert version.unzipped_size == len("VERSION = 1\n")
    assert version.created == NOW
    assert on.publishing.get(asker(), layer(), 1) == version


def test_the_zip_is_kept_and_unpacked(on: Shelf) -> None:
    version = on.publish()
    assert on.blobs.open(version.digest).read_bytes() == A_ZIP
    assert (on.trees.path(version.digest) / "python/shared.py").read_text() == "VERSION = 1\n"


def test_numbers_are_never_reused(on: Shelf) -> None:
    for expected in (1, 2):
        assert on.publish().version == expected
    for number in (1, 2):
        on.publishing.delete(asker(), layer(), number)
    assert on.publish().version == 3


def test_a_zip_that_fails_takes_no_number_and_leaves_nothing(on: Shelf) -> None:
    for content, error in (
        (b"this is not a zip", NotAnArchive),
        (zipped({"../up": ""}), ArchiveRefused),
    ):
        with pytest.raises(error):
            on.publish(content=content)
    assert list(on.blobs.digests()) == []
    assert on.publish().version == 1


def test_a_zip_over_50_megabytes_is_refused(on: Shelf) -> None:
    with pytest.raises(RequestEntityTooLarge) as raised:
        on.publish(content=bytes(limits.ZIP_BYTES + 1))
    assert raised.value.message == "Zipped size must be smaller than 52428800 bytes"


def test_nothing_at_all_is_no_zip(on: Shelf) -> None:
    with pytest.raises(InvalidParameterValue) as raised:
        on.publish(content=b"")
    assert raised.value.message == "Uploaded file must be a non-empty zip"


def test_storage_ends_at_75_gigabytes(on: Shelf) -> None:
    first = on.publish("first")
    full = limits.CODE_STORAGE_BYTES - first.code_size - 1
    on.records.add_layer_version(
        ACCOUNT,
        REGION,
        "big",
        lambda number: replace(first, name="big", version=number, code_size=full),
    )
    with pytest.raises(CodeStorageExceeded) as raised:
        on.publish("second")
    assert raised.value.message == "Code storage limit exceeded."


def test_what_is_odd_in_a_zip_is_logged(on: Shelf, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        version = on.publish(content=zipped({"shared.py": "VERSION = 1\n"}))
    assert version.arn in caplog.text


class TestFromS3:
    def test_without_an_endpoint_the_error_says_what_to_do(self, on: Shelf) -> None:
        with pytest.raises(InvalidParameterValue, match="--s3-endpoint"):
            on.publish(content=S3Object("bucket", "layer.zip", None))

    def test_an_object_is_stored_and_its_file_removed(self, tmp_path: Path) -> None:
        fetched = tmp_path / "fetched.zip"
        asked: list[tuple[str, str, str | None, int]] = []

        def fetch(bucket: str, key: str, version: str | None, limit: int) -> Path:
            asked.append((bucket, key, version, limit))
            fetched.write_bytes(A_ZIP)
            return fetched

        with shelf(tmp_path / "data", fetch) as on:
            version = on.publish(content=S3Object("bucket", "layer.zip", "v1"))
            assert on.blobs.open(version.digest).read_bytes() == A_ZIP
        assert asked == [("bucket", "layer.zip", "v1", limits.UNZIPPED_BYTES)]
        assert version.code_size == len(A_ZIP)
        assert not fetched.exists()


class TestWhereTheZipIs:
    what = "LayerVersionContentInput"

    def test_in_the_request_or_in_s3(self) -> None:
        assert packages.source(b"zip", None, None, None, what=self.what) == b"zip"
        assert packages.source(None, "b", "k", "v", what=self.what) == S3Object("b", "k", "v")

    @pytest.mark.parametrize(
        "members",
        [(b"zip", "b", "k", None), (None, None, None, None), (None, "b", None, None)],
        ids=["in both", "in neither", "half in S3"],
    )
    def test_anything_else_is_refused(
        self, members: tuple[bytes | None, str | None, str | None, str | None]
    ) -> None:
        with pytest.raises(InvalidParameterValue, match="Please"):
            packages.source(*members, what=self.what)

    def test_the_digest_is_answered_in_base64(self) -> None:
        digest = hashlib.sha256(A_ZIP)
        expected = base64.b64encode(digest.digest()).decode()
        assert packages.code_sha256(digest.hexdigest()) == expected


class TestWhoAsks:
    def test_what_is_missing_is_not_found(self, on: Shelf) -> None:
        with pytest.raises(ResourceNotFound) as raised:
            on.publishing.get(asker(), layer(), 1)
        assert raised.value.message == "The resource you requested does not exist."

    def test_a_version_is_found_by_its_arn(self, on: Shelf) -> None:
        version = on.publish()
        named = LayerArn(REGION, ACCOUNT, "shared", 1)
        assert on.publishing.by_arn(asker(), named) == version

    def test_another_account_needs_a_grant(self, on: Shelf) -> None:
        version = on.publish()
        with pytest.raises(AccessDenied, match="lambda:GetLayerVersion"):
            on.publishing.get(asker(OTHER), layer(), 1)
        on.grant(version, OTHER)
        assert on.publishing.get(asker(OTHER), layer(), 1) == version

    def test_another_account_may_not_publish_list_or_delete(self, on: Shelf) -> None:
        on.grant(on.publish(), OTHER)
        for attempt in (
            lambda: on.publishing.publish(asker(OTHER), layer(), NewVersion(content=A_ZIP)),
            lambda: on.publishing.versions(asker(OTHER), layer(), Filter()),
            lambda: on.publishing.delete(asker(OTHER), layer(), 1),
        ):
            with pytest.raises(AccessDenied, match="not authorized"):
                attempt()


class TestDeleting:
    def test_it_is_idempotent(self, on: Shelf) -> None:
        on.publish()
        for _ in range(2):
            on.publishing.delete(asker(), layer(), 1)
        on.publishing.delete(asker(), layer("never-there"), 7)

    def test_numbers_begin_at_one(self, on: Shelf) -> None:
        for number in (0, -1):
            with pytest.raises(InvalidParameterValue) as raised:
                on.publishing.delete(asker(), layer(), number)
            assert raised.value.message == "Layer Version Cannot be less than 1"
