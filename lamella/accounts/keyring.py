"""The access keys as a running server has them at hand: in memory, and never much out of date.

A request's key is looked up in memory. One that is not there is read from the records, so that a
new key is good at once; and a thread reads all of them anew when the records have changed, so that
a revoked one is refused a moment later.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping

from lamella.accounts import keys
from lamella.accounts.keys import AccessKey
from lamella.records.base import Records

INTERVAL_SECONDS = 0.2

log = logging.getLogger(__name__)


class Keyring:
    """The keys that are good. ``changes`` gives a number that is another after any change."""

    def __init__(self, records: Records, changes: Callable[[], int]) -> None:
        self._records = records
        self._changes = changes
        self._seen: int | None = None
        self._good: Mapping[str, AccessKey] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="keyring", daemon=True)

    def start(self) -> None:
        """Read the keys, and follow their changes until `close`."""
        self.refresh()
        self._thread.start()

    def close(self) -> None:
        self._stopped.set()
        self._thread.join()

    def __len__(self) -> int:
        return len(self._good)

    def known(self, key_id: str) -> AccessKey | None:
        """A good key from memory."""
        return self._good.get(key_id)

    def read(self, key_id: str) -> AccessKey | None:
        """A good key from the records, for one that is not in memory; it blocks."""
        key = keys.find(self._records, key_id)
        return key if key is not None and key.revoked is None else None

    def refresh(self) -> None:
        """Read all keys if the records have changed since."""
        at = self._changes()
        if at == self._seen:
            return
        listed = keys.listed(self._records)
        self._good = {key.id: key for key in listed if key.revoked is None}
        self._seen = at

    def _follow(self) -> None:
        while not self._stopped.wait(INTERVAL_SECONDS):
            try:
                self.refresh()
            except Exception:  # the boundary of the thread: revocations must be noticed again
                log.exception("the access keys could not be read")
