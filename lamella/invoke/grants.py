"""Decisions about callers from other accounts, remembered on the event loop.

They are dropped when the function's policies change, and soon at any rate: who belongs to an
organization is decided elsewhere.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping

from lamella.functions.access import Principal
from lamella.functions.permissions import Place

Asked = tuple[Place, Principal, str]

SECONDS = 1.0
MOST = 4_096


class Grants:
    """``ask`` decides, blocking, as `lamella.functions.permissions.Permissions.allows` does."""

    def __init__(
        self,
        ask: Callable[[Place, Principal, str, Mapping[str, str]], bool],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._clock = clock
        self._decided: dict[Asked, tuple[bool, float]] = {}
        self._changes: Counter[tuple[str, str, str]] = Counter()

    async def allows(self, at: Place, who: Principal, action: str) -> bool:
        """Whether ``who`` may do ``action`` (``lambda:Action``)."""
        asked = (at, who, action)
        known = self._decided.get(asked)
        if known is not None and self._clock() < known[1]:
            return known[0]
        changes, until = self._changes[at.where], self._clock() + SECONDS
        allowed = await asyncio.to_thread(self._ask, at, who, action, {})
        # A decision that a change overtook is this caller's, who asked before it, and nobody else's.
        if changes == self._changes[at.where]:
            if len(self._decided) >= MOST:
                self._decided.clear()
            self._decided[asked] = (allowed, until)
        return allowed

    def forget(self, account: str, region: str, name: str) -> None:
        """The policies of a function changed. Call on the event loop."""
        where = (account, region, name)
        self._changes[where] += 1
        for asked in [each for each in self._decided if each[0].where == where]:
            del self._decided[asked]
