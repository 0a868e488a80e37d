"""Which functions have a way out of their boxes: what the server allows and the function asks for."""

from __future__ import annotations

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

    ``tags`` are those of a function by account, region and name; blocking, and not asked where
    nobody has a network.
    """

    def __init__(
        self,
        policy: str = NONE,
        allow: tuple[IPv4Network, ...] = (),
        tags: Callable[[str, str, str], Mapping[str, str]] = lambda account, region, name: {},
    ) -> None:
        self._policy = policy
        self._network = Network(allow)
        self._tags = tags

    def declines_forks(self, function: Function) -> bool:
        """Whether a function's tag says that it is to begin plainly."""
        return self._tags(function.account, function.region, function.name).get(FORKS) == OFF

    def of(self, function: Function) -> Network | None:
        """The network of a function's environments that start now; None for loopback alone."""
        if self._policy == NONE:
            return None
        asked = self._tags(function.account, function.region, function.name).get(TAG)
        if asked == NONE or (asked is None and self._policy == TAGGED):
            return None
        return self._network
