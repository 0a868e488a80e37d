"""Zips from S3: a small server that speaks just enough of it, over a real socket."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from lamella.errors import InvalidParameterValue, UnzippedTooLarge
from lamella.layers.packages import S3Object
from lamella.layers.s3_source import S3Source
from tests.unit.layers.shelf import A_ZIP, shelf

MISSING = (
    "<?xml version='1.0' encoding='UTF-8'?><Error><Code>NoSuchKey</Code>"
    "<Message>The specified key does not exist.</Message></Error>"
)


@dataclass
class Bucket:
    """Objects by (path, version), and what was asked for."""

    endpoint: str = ""
    objects: dict[tuple[str, str | None], bytes] = field(default_factory=dict)
    signed: list[bool] = field(default_factory=list)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Bucket]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    made = Bucket()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            version = parse_qs(asked.query).get("versionId", [None])[0]
            made.signed.append("Authorization" in self.headers)
            found = made.objects.get((asked.path, version))
            body = MISSING.encode() if found is None else found
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Type", "application/xml" if found is None else "binary/zip")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield made
        server.shutdown()
        thread.join(30)


def test_an_object_becomes_a_file(bucket: Bucket, tmp_path: Path) -> None:
    bucket.objects["/code/a/layer.zip", None] = A_ZIP
    fetched = S3Source(bucket.endpoint, tmp_path).fetch("code", "a/layer.zip", None, 1000)
    assert fetched.read_bytes() == A_ZIP
    assert fetched.parent == tmp_path
    assert bucket.signed == [False]


def test_a_version_of_an_object_can_be_named(bucket: Bucket, tmp_path: Path) -> None:
    bucket.objects["/code/layer.zip", "v1"] = A_ZIP
    fetched = S3Source(bucket.endpoint, tmp_path).fetch("code", "layer.zip", "v1", 1000)
    assert fetched.read_bytes() == A_ZIP


def test_requests_are_signed_where_there_are_credentials(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    bucket.objects["/code/layer.zip", None] = A_ZIP
    S3Source(bucket.endpoint, tmp_path).fetch("code", "layer.zip", None, 1000)
    assert bucket.signed == [True]


def test_a_missing_object_is_worded_as_aws_words_it(bucket: Bucket, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameterValue) as raised:
        S3Source(bucket.endpoint, tmp_path).fetch("code", "layer.zip", None, 1000)
    assert raised.value.message == (
        "Error occurred while GetObject. S3 Error Code: NoSuchKey. "
        "S3 Error Message: The specified key does not exist."
    )


def test_an_object_over_the_limit_is_not_kept(bucket: Bucket, tmp_path: Path) -> None:
    bucket.objects["/code/layer.zip", None] = A_ZIP
    with pytest.raises(UnzippedTooLarge):
        S3Source(bucket.endpoint, tmp_path).fetch("code", "layer.zip", None, 10)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_not_there_is_named(bucket: Bucket, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(InvalidParameterValue, match=endpoint):
            S3Source(endpoint, tmp_path).fetch("code", "layer.zip", None, 10)


def test_a_layer_is_published_from_s3(bucket: Bucket, tmp_path: Path) -> None:
    bucket.objects["/code/layer.zip", None] = A_ZIP
    with shelf(tmp_path / "data", S3Source(bucket.endpoint, tmp_path).fetch) as on:
        version = on.publish(content=S3Object("code", "layer.zip", None))
        assert on.blobs.open(version.digest).read_bytes() == A_ZIP
    assert [each.name for each in tmp_path.iterdir()] == ["data"]
