"""How many invocations run at once, and who may begin another. In memory, on the event loop.

A function has a floor of executions that are its own (reserved, or provisioned) and may have a
cap. What it runs above its floor it takes from those that all functions of its account and region
share: the account's limit without the floors. So what is reserved for one function is there for
it, and nobody else can use it.

Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from enum import StrEnum
from weakref import WeakValueDictionary

from lamella.errors import TooManyRequests
from lamella.model.concurrency import Share

RATE_EXCEEDED = "Rate Exceeded."
RETRY_SECONDS = 1
UNCAPPED = sys.maxsize
NOTHING_SET = Share()


class Reason(StrEnum):
    """Why an invocation is not admitted, in AWS's words."""

    ACCOUNT = "ConcurrentInvocationLimitExceeded"
    RESERVED = "ReservedFunctionConcurrentInvocationLimitExceeded"


class Place:
    """An account in a region. ``room`` is what its functions share, ``shared`` what they use of
    it: the sum over all gates of what each runs above its floor."""

    __slots__ = ("gates", "room", "shared", "shares", "throttled")

    def __init__(self, limit: int, throttled: Counter[Reason]) -> None:
        self.room = limit
        self.shared = 0
        self.shares: Mapping[str, Share] = {}
        self.gates: WeakValueDictionary[str, Gate] = WeakValueDictionary()
        self.throttled = throttled

    def refusal(self, reason: Reason) -> TooManyRequests:
        self.throttled[reason] += 1
        return TooManyRequests(
            RATE_EXCEEDED, Reason=reason.value, retryAfterSeconds=str(RETRY_SECONDS)
        )


class Gate:
    """One function's: `enter` before an invocation, `leave` once after it, however it ended."""

    __slots__ = ("__weakref__", "_cap", "_floor", "_place", "running")

    def __init__(self, place: Place, share: Share) -> None:
        self._place = place
        self.running = 0
        self._floor = 0
        self._cap = UNCAPPED
        self.set(share)

    def enter(self) -> None:
        """Raises TooManyRequests."""
        running = self.running
        if running >= self._cap:
            raise self._place.refusal(Reason.RESERVED)
        if running >= self._floor:
            place = self._place
            if place.shared >= place.room:
                raise place.refusal(Reason.ACCOUNT)
            place.shared += 1
        self.running = running + 1

    def leave(self) -> None:
        self.running -= 1
        if self.running >= self._floor:
            self._place.shared -= 1

    def set(self, share: Share) -> None:
        """Put another share in force; what runs goes on, on whichever account it is now."""
        before = max(0, self.running - self._floor)
        self._floor = share.floor
        self._cap = UNCAPPED if share.cap is None else share.cap
        self._place.shared += max(0, self.running - self._floor) - before

    def refused(self) -> TooManyRequests:
        """What an invocation gets for which the host has no room."""
        return self._place.refusal(Reason.ACCOUNT)


class Admission:
    """The gates of every function; ``limit`` is each account's in each region."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._places: dict[tuple[str, str], Place] = {}
        self.throttled: Counter[Reason] = Counter()

    def gate(self, account: str, region: str, name: str) -> Gate:
        """The one gate of a function, as long as somebody holds it."""
        place = self._place(account, region)
        gate = place.gates.get(name)
        if gate is None:
            gate = Gate(place, place.shares.get(name, NOTHING_SET))
            place.gates[name] = gate
        return gate

    def share_out(self, account: str, region: str, shares: Mapping[str, Share]) -> None:
        """Put what is set for an account's functions in force; the others have nothing set."""
        place = self._place(account, region)
        place.shares = shares
        place.room = self._limit - sum(share.floor for share in shares.values())
        for name, gate in list(place.gates.items()):
            gate.set(shares.get(name, NOTHING_SET))

    def running(self) -> Iterator[tuple[str, str, int]]:
        """Account, region and how many invocations run there."""
        for (account, region), place in list(self._places.items()):
            yield account, region, sum(gate.running for gate in list(place.gates.values()))

    def _place(self, account: str, region: str) -> Place:
        place = self._places.get((account, region))
        if place is None:
            place = self._places[account, region] = Place(self._limit, self.throttled)
        return place
