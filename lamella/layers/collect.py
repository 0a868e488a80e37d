"""Bytes that nothing uses any more, and the guard that keeps those that something is about to use.

Owns the decision that a digest's blob, tree and bytecode may go. What uses a digest is known to
`lamella.records` (rows) and to the holders here (operations under way, running environments).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from lamella.blobs.base import Blobs
from lamella.records.base import Records


class Derived(Protocol):
    """Something that is made from blobs and kept by digest: trees, merged trees, bytecode."""

    def remove(self, digest: str) -> None: ...


class Collecting:
    """Removes what nothing references, never under the feet of someone who is about to use it.

    A publish stores its blob first and its row after; between the two nothing references the
    blob, and another request may just have removed the last row with the same bytes. So whoever
    stores or resolves bytes does it inside `writing`, and nothing is removed meanwhile: what
    would have gone waits, and is asked about again when the last of them is done.
    """

    def __init__(self, records: Records, blobs: Blobs, *derived: Derived) -> None:
        self._records = records
        self._blobs = blobs
        self._derived = derived
        self._lock = threading.Lock()
        self._writers = 0
        self._held: Counter[str] = Counter()
        self._waiting: set[str] = set()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """While inside, no bytes are removed: from before they are stored or resolved until the
        row that references them is committed.
        """
        with self._lock:
            self._writers += 1
        try:
            yield
        finally:
            with self._lock:
                self._writers -= 1
                self._remove_waiting()

    @contextmanager
    def using(self, digests: Iterable[str]) -> Iterator[None]:
        """While inside, these digests are not removed, whatever happens to their rows.

        For an environment that has their trees mounted. `hold` and `release` are the two halves.
        """
        held = tuple(digests)
        self.hold(held)
        try:
            yield
        finally:
            self.release(held)

    def hold(self, digests: Iterable[str]) -> None:
        with self._lock:
            self._held.update(digests)

    def release(self, digests: Iterable[str]) -> None:
        with self._lock:
            self._held.subtract(digests)
            self._held += Counter()
            self._remove_waiting()

    def collect(self, digests: Iterable[str]) -> None:
        """Remove those of ``digests`` that nothing references; called after a row has gone."""
        with self._lock:
            self._waiting.update(digests)
            self._remove_waiting()

    def collect_all(self) -> int:
        """The full pass at start-up: ask about every blob there is; return how many went."""
        with self._lock:
            self._waiting |= set(self._blobs.digests()) - self._records.referenced_digests()
            return self._remove_waiting()

    def _remove_waiting(self) -> int:
        if self._writers:
            return 0
        ready = {digest for digest in self._waiting if not self._held[digest]}
        gone = {digest for digest in ready if not self._records.is_referenced(digest)}
        for digest in gone:
            # the blob goes last: if this dies midway, the next full pass finds the rest by it
            for derived in self._derived:
                derived.remove(digest)
            self._blobs.remove(digest)
        self._waiting -= ready
        return len(gone)
