"""Which functions have a way out of their boxes: what the server allows and the function asks for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from ipaddress import IPv4Network

from lamella.functions.network import NONE, TAG
from lamella.model.function import Function
from lamella.runtimes.forking import OFF
from lamella.runtimes.forking import TAG as FORKS
from lamella.sandbox.network import Network

TAGGED = "tagged"


class Ways:
    """``policy`` is `NONE` (nobody), `TAGGED` (who asks for it) or `HOST_NAT` (who does not decline).

    ``tags`` are those of a function by account, region and name; it blocks, and is asked once until
    `forget`.
    """

    def __init__(
        self,
        policy: str = NONE,
        allow: tuple[IPv4Network, ...] = (),
        tags: Callable[[str, str, str], Mapping[str, str]] = lambda account, region, name: {},
    ) -> None:
        self._policy = policy
        self._network = Network(allow)
        self._ask = tags
        self._known: dict[tuple[str, str, str], Mapping[str, str]] = {}
        self._changes: Counter[tuple[str, str, str]] = Counter()

    def _tags(self, function: Function) -> Mapping[str, str]:
        where = (function.account, function.region, function.name)
        known = self._known.get(where)
        if known is None:
            changes = self._changes[where]
            known = self._ask(*where)
            self._known[where] = known
            if changes != self._changes[where]:
                # They changed while they were asked for.
                self._known.pop(where, None)
        return known

    def forget(self, function: Function) -> None:
        """The tags of a function may have changed. For any thread."""
        where = (function.account, function.region, function.name)
        self._changes[where] += 1
        self._known.pop(where, None)

    def plainly(self, function: Function) -> bool:
        """Whether a function's tag says that it is to begin plainly."""
        return self._tags(function).get(FORKS) == OFF

    def of(self, function: Function) -> Network | None:
        """The network of a function's environments that start now; None for loopback alone."""
        if self._policy == NONE:
            return None
        asked = self._tags(function).get(TAG)
        if asked == NONE or (asked is None and self._policy == TAGGED):
            return None
        return self._network
