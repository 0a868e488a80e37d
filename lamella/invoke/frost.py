"""Freezes boxes that have been at rest for a while, so that nothing in them runs unpaid.

AWS freezes an environment as soon as everybody in it asks for the next event. Here that is done
a moment later, so that invocations that follow each other pay neither for freezing nor for
thawing. One timer looks at all boxes that are not frozen; who invokes does nothing but count.

Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from lamella.sandbox.freezer import Freezer

LOOKS = 2
"""How often a box is looked at within the time after which it is frozen."""


class Freezable(Protocol):
    """A box that can be frozen. ``served`` grows with each invocation."""

    served: int

    @property
    def is_at_rest(self) -> bool:
        """Whether everybody in it waits for the next event."""

    def freeze(self) -> None:
        """Stop what runs in it; it thaws itself when it is needed."""


class Frost:
    """The boxes that run; one at rest for ``seconds`` is frozen, within half as long again.

    Without ``seconds`` nothing is ever frozen. ``freezer`` is what boxes freeze themselves with.
    """

    def __init__(self, freezer: Freezer, seconds: float | None) -> None:
        self.freezer = freezer
        self._seconds = seconds
        self._looked: dict[Freezable, tuple[int, int]] = {}
        """For each, what it had served when last seen at rest, and how often that was so."""
        self._timer: asyncio.TimerHandle | None = None

    def add(self, box: Freezable) -> None:
        """A box runs from now on, because it was started or thawed."""
        if self._seconds is None:
            return
        self._looked[box] = (box.served, 0)
        self._set_timer()

    def discard(self, box: Freezable) -> None:
        """A box is not to be frozen: it ends."""
        self._looked.pop(box, None)

    def _set_timer(self) -> None:
        if self._timer is None and self._looked and self._seconds is not None:
            later = asyncio.get_running_loop().call_later
            self._timer = later(self._seconds / LOOKS, self._look)

    def _look(self) -> None:
        self._timer = None
        for box, (served, times) in tuple(self._looked.items()):
            if not box.is_at_rest:
                self._looked[box] = (box.served, 0)
            elif box.served != served:
                self._looked[box] = (box.served, 1)
            elif times < LOOKS:
                self._looked[box] = (served, times + 1)
            else:
                del self._looked[box]
                box.freeze()
        self._set_timer()

    def close(self) -> None:
        self._looked.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
