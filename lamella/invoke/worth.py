"""What a zygote is worth, and which of them are to go. Rules alone; nothing is done here.

A zygote is worth the seconds that it saves for each byte that it holds. What it is asked for is
counted for its layer set, whether it stands or not, so that one that is made anew is known.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

RATE_HALVES_SECONDS = 600.0
"""Uses so long ago count half."""
LEAST_IDLE_SECONDS = 3_600.0
"""A zygote is kept so long at least without a use: making it takes seconds of a processor."""
FORGOTTEN_RATE = 0.001
RECENT = 0.25
"""The part of the last start in the mean of those before it."""


class Going(StrEnum):
    """Why a zygote goes."""

    IDLE = "it was not used for long"
    ORPHAN = "its layers are gone"
    INTERPRETER = "its interpreter has changed"
    ROOM = "others are worth more of the memory"


@dataclass(frozen=True, slots=True)
class Stand:
    """A zygote as it stands: ``worth`` in seconds saved for each byte, ``held`` in bytes, ``idle`` in
    seconds; ``is_orphan`` says that its layers, or the functions it was used by, are no more, ``is_stale`` that the
    file of its interpreter is another than when it was begun; ``depth`` grows from what others are
    forks of to these."""

    worth: float
    held: int
    idle: float
    is_orphan: bool = False
    is_stale: bool = False
    depth: int = 1


class Demand:
    """How often environments of a layer set start, and how long that takes them in either way."""

    def __init__(self, rate: float = 0.0) -> None:
        self._rate = rate
        self._at = time.monotonic()
        self.plain_seconds = 0.0
        self.fork_seconds = 0.0

    def note(self) -> None:
        """An environment starts."""
        now = time.monotonic()
        self._rate, self._at = decayed(self._rate, now - self._at) + 1.0, now

    def rate(self) -> float:
        """Starts, of which those of ten minutes ago count half."""
        return decayed(self._rate, time.monotonic() - self._at)

    def followed(self) -> Demand:
        """That of a set that takes the place of this one."""
        after = Demand(self.rate())
        after.plain_seconds, after.fork_seconds = self.plain_seconds, self.fork_seconds
        return after

    def took(self, seconds: float, *, forked: bool) -> None:
        """An environment has started."""
        if forked:
            self.fork_seconds = mean(self.fork_seconds, seconds)
        else:
            self.plain_seconds = mean(self.plain_seconds, seconds)

    def saved(self, otherwise: float) -> float:
        """Seconds that a fork saves; ``otherwise`` while no start of either way was seen."""
        if self.plain_seconds and self.fork_seconds:
            return max(0.0, self.plain_seconds - self.fork_seconds)
        return otherwise


def decayed(rate: float, seconds: float) -> float:
    """A rate after ``seconds`` without a use."""
    return float(rate * 0.5 ** (seconds / RATE_HALVES_SECONDS))


def mean(before: float, seconds: float) -> float:
    """A mean in which what was last counts most; the first is it."""
    return seconds if not before else before + RECENT * (seconds - before)


def worth(saved: float, rate: float, held: int) -> float:
    """Seconds saved for each byte held."""
    return saved * rate / max(1, held)


K = TypeVar("K")


def leaving(stands: Mapping[K, Stand], most: int, idle_seconds: float) -> dict[K, Going]:
    """Which go, and why; the others hold at most ``most`` bytes, the least valuable going first."""
    idle_seconds = max(idle_seconds, LEAST_IDLE_SECONDS)
    going: dict[K, Going] = {}
    for key, each in stands.items():
        if each.is_orphan:
            going[key] = Going.ORPHAN
        elif each.is_stale:
            going[key] = Going.INTERPRETER
        elif each.idle > idle_seconds:
            going[key] = Going.IDLE
    left = {key: each for key, each in stands.items() if key not in going}
    held = sum(each.held for each in left.values())
    # What is a fork of another goes first where that is for its sake alone: what both share, the end
    # of the other would not free.
    for key, each in sorted(left.items(), key=lambda item: (item[1].worth, -item[1].depth)):
        if held <= most:
            break
        going[key] = Going.ROOM
        held -= each.held
    return going
