"""Download links: an address of this server that opens one blob to whoever holds it, for a while.

The link carries its end and an HMAC-SHA256 over digest and end, so nothing is kept for it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlencode

from lamella.model import limits

PREFIX = "/_lamella/content/"
KEY_BYTES = 32


class Links:
    """Makes links and judges them. ``now`` gives Unix time in seconds."""

    def __init__(self, key: bytes, now: Callable[[], float]) -> None:
        self._key = key
        self._now = now

    def url(self, endpoint: str, digest: str) -> str:
        """A link to a blob, good for ten minutes. ``endpoint`` is ``http://host:port``."""
        expires = int(self._now()) + limits.DOWNLOAD_LINK_SECONDS
        query = urlencode({"Expires": expires, "Signature": self._signature(digest, str(expires))})
        return f"{endpoint}{PREFIX}{digest}?{query}"

    def is_valid(self, digest: str, query: Mapping[str, list[str]]) -> bool:
        """Whether this query is one that `url` made for this digest, and not yet over."""
        expires, signature = query.get("Expires", [""])[0], query.get("Signature", [""])[0]
        expected = self._signature(digest, expires)
        if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace")):
            return False
        return self._now() < int(expires)

    def _signature(self, digest: str, expires: str) -> str:
        signed = f"{digest}\n{expires}".encode("utf-8", "replace")
        return hmac.new(self._key, signed, hashlib.sha256).hexdigest()


def key_at(path: Path) -> bytes:
    """The key kept in this file, made when it is not there; readable by its owner alone."""
    try:
        key = path.read_bytes()
        if len(key) == KEY_BYTES:
            return key
    except FileNotFoundError:
        pass
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)
    return path.read_bytes()
