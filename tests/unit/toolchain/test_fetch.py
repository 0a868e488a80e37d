"""What is downloaded is what was described, from a bucket that serves what it was given."""

from __future__ import annotations

import base64
import hashlib

import pytest

from lamella.toolchain.fetch import NotFetched, download
from lamella.toolchain.profile import bucket


def sha(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def test_a_zip_is_downloaded_and_checked() -> None:
    with bucket.serving() as large:
        url = f"{large.endpoint}/{bucket.NAME}/{large.put(b'zip')}"
        assert download(url, sha(b"zip")) == b"zip"
        assert download(f"{url}?x-id=GetObject", sha(b"zip")) == b"zip"
        with pytest.raises(NotFetched, match="is not what the server has described"):
            download(url, sha(b"other"))


def test_what_is_not_there_is_said() -> None:
    with bucket.serving() as large:
        absent = f"{large.endpoint}/{bucket.NAME}/absent"
        with pytest.raises(NotFetched, match=r"cannot be downloaded: .*404"):
            download(absent, "")
    with pytest.raises(NotFetched, match=r"cannot be downloaded: .*refused"):
        download(absent, "")
    with pytest.raises(NotFetched, match="no address to download from"):
        download("file:///etc/passwd", "")
