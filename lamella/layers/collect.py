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
        self._state = threading.Condition()
        self._writers = 0
        self._held: Counter[str] = Counter()
        self._waiting: set[str] = set()
        self._going: set[str] = set()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """While inside, no bytes are removed: from before they are stored or resolved until the
        row that references them is committed. Waits for a removal that is under way.
        """
        with self._state:
            self._state.wait_for(lambda: not self._going)
            self._writers += 1
        try:
            yield
        finally:
            with self._state:
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
        """Keep digests until as many calls of `release`; never waits."""
        with self._state:
            self._held.update(digests)

    def release(self, digests: Iterable[str]) -> None:
        """End a `hold`; removes what nothing needs any more, which takes its time."""
        with self._state:
            self._held.subtract(digests)
            self._held += Counter()
        self._remove_waiting()

    def collect(self, digests: Iterable[str]) -> None:
        """Remove those of ``digests`` that nothing references; called after a row has gone."""
        with self._state:
            self._waiting.update(digests)
        self._remove_waiting()

    def is_used(self, digest: str) -> bool:
        """Whether a layer version or a function has these bytes. Blocks."""
        return self._records.is_referenced(digest)

    def collect_all(self) -> int:
        """The full pass at start-up: ask about every blob there is; return how many went."""
        unreferenced = set(self._blobs.digests()) - self._records.referenced_digests()
        with self._state:
            self._waiting |= unreferenced
        return self._remove_waiting()

    def _remove_waiting(self) -> int:
        gone = 0
        while taken := self._take():
            try:
                gone += sum(self._remove(digest) for digest in taken)
            finally:
                with self._state:
                    self._going -= taken
                    self._state.notify_all()
        return gone

    def _take(self) -> set[str]:
        """What may be removed now; from here until it is done no writer begins.

        The removal itself is done without the lock: a big tree takes a while to go, and `hold`
        is called on the event loop.
        """
        with self._state:
            if self._writers:
                return set()
            # what another thread is removing is asked about again when that thread is done
            free = self._waiting - self._going
            ready = {digest for digest in free if not self._held[digest]}
            self._waiting -= ready
            self._going |= ready
            return ready

    def _remove(self, digest: str) -> bool:
        if self._records.is_referenced(digest):
            return False
        # the blob goes last: if this dies midway, the next full pass finds the rest by it
        for derived in self._derived:
            derived.remove(digest)
        self._blobs.remove(digest)
        return True
