"""The port of bytes: named by the SHA-256 of their content, never changed, never renamed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol


class Blobs(Protocol):
    """Content-addressed bytes. A digest is 64 lower-case hex digits.

    The laws, which ``tests/ports/test_blobs.py`` executes on every backend:

    - When `put` or `put_bytes` returns, the bytes survive a power cut.
    - A blob is seen whole or not at all, whatever dies when.
    - Storing what is there already is not an error and changes nothing.
    - `remove` of what is not there is not an error.
    """

    def put(self, source: Path, digest: str) -> None:
        """Keep the file's bytes under ``digest``, which the caller has computed.

        ``source`` is left as it is (it may become a hard link of the blob).
        """
        ...

    def put_bytes(self, data: bytes) -> str:
        """Keep ``data``; return its digest."""
        ...

    def open(self, digest: str) -> Path:
        """A local file with the blob's bytes, for reading only. KeyError if it is not there."""
        ...

    def has(self, digest: str) -> bool: ...

    def remove(self, digest: str) -> None: ...

    def digests(self) -> Iterator[str]:
        """Every blob there is, in no order."""
        ...

    def sweep(self) -> int:
        """Remove what a crash left half-written; return how many files went."""
        ...
