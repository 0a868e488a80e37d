"""Memory of environments that work: measured while they do, and bounded.

Files in ``/tmp`` are memory to the kernel but not to Lambda, so the control group's own bound
leaves room for both, and without one the kernel bounds what a process sets aside, not what it
uses. What the processes themselves hold is looked at every few milliseconds while an environment
works, and one that holds more than its function may is killed, as AWS does.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod

INTERVAL_SECONDS = 0.01
RARITY = 20
"""Looking takes one part in so many of the time, at most: it holds up everybody else."""
NOTABLE_BYTES = 1_048_576
"""What is charged more than ever before that the peak is measured anew."""


class Watched(ABC):
    """Something whose memory is watched; ``limit`` is in bytes."""

    def __init__(self, limit: int) -> None:
        self.memory_limit = limit
        self.memory_peak = 0
        self.charged_peak = 0

    @abstractmethod
    def memory_charged(self) -> int:
        """Bytes charged now, files included: quick to read, never less than what is held."""

    @abstractmethod
    def memory_now(self) -> tuple[int, int]:
        """Bytes that the processes hold for themselves, and with the files they have mapped."""

    @abstractmethod
    def out_of_memory(self) -> None:
        """Called once when more is held than the limit."""

    def note_memory(self) -> int:
        """Remember the most that was held; returns what the processes hold for themselves."""
        held, resident = self.memory_now()
        self.memory_peak = max(self.memory_peak, resident)
        return held

    def measure_memory(self) -> None:
        held = self.note_memory()
        if held > self.memory_limit:
            self.out_of_memory()


class MemoryWatch:
    """Looks at everything that was added, until it is discarded."""

    def __init__(self) -> None:
        self._working: set[Watched] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, watched: Watched) -> None:
        self._working.add(watched)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(INTERVAL_SECONDS, self._look)

    def discard(self, watched: Watched) -> None:
        self._working.discard(watched)

    def _look(self) -> None:
        self._timer = None
        began = time.monotonic()
        for watched in tuple(self._working):
            charged = watched.memory_charged()
            if charged > watched.memory_limit:
                watched.measure_memory()
            elif charged > watched.charged_peak + NOTABLE_BYTES:
                watched.charged_peak = charged
                watched.note_memory()
        if self._working:
            seconds = max(INTERVAL_SECONDS, RARITY * (time.monotonic() - began))
            self._timer = asyncio.get_running_loop().call_later(seconds, self._look)

    def close(self) -> None:
        self._working.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
