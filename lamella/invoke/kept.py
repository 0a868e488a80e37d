"""What is kept of provisioned environments on one shelf, and when the next one may be started.

Source: https://docs.aws.amazon.com/lambda/latest/dg/provisioned-concurrency.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

E = TypeVar("E")

AT_ONCE = 4
"""How many environments of one version are started at the same time."""
LONGEST_PAUSE_SECONDS = 60.0

NOT_INITIALISED = "FUNCTION_ERROR_INIT_FAILURE"
NOT_STARTED = "An environment could not be started; the server's log says why."
NO_MEMORY = "This server's environments hold all the memory they may (--max-memory)."
NO_ROOM = (
    "This server has no room for as many environments: at most nine in ten of those it may hold "
    "(--max-environments) are provisioned."
)


class Kept(Generic[E]):
    """``environments`` are initialised, busy ones included; ``wanted`` is how many there are to be.

    ``fault`` is why there are fewer, None while all goes well.
    """

    def __init__(self) -> None:
        self.wanted = 0
        self.starting = 0
        self.environments: set[E] = set()
        self.fault: str | None = None
        self.failures = 0
        self._pause: asyncio.TimerHandle | None = None

    @property
    def missing(self) -> int:
        """How many are to be started; below zero, how many are too many."""
        return self.wanted - self.starting - len(self.environments)

    @property
    def may_start(self) -> bool:
        return self.missing > 0 and self.starting < AT_ONCE and self._pause is None

    def failed(self, fault: str | None, again: Callable[[], None]) -> None:
        """One failed or died: ``again`` is called when the next may be started.

        That is at once for the first failure, then after 1, 2, 4 and so on up to 60 seconds.
        """
        self.fault = fault or self.fault
        self.failures += 1
        if self.failures > 1 and self._pause is None:
            pause = min(LONGEST_PAUSE_SECONDS, 2.0 ** min(self.failures - 2, 10))
            loop = asyncio.get_running_loop()
            self._pause = loop.call_later(pause, self._resume, again)

    def _resume(self, again: Callable[[], None]) -> None:
        self._pause = None
        again()

    def forgive(self) -> None:
        """Forget what failed."""
        self.fault = None
        self.failures = 0
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None

    def close(self) -> None:
        """Want nothing more; the environments are ended by who holds them."""
        self.forgive()
        self.wanted = 0
        self.environments.clear()
