"""What the processes of one box hold of memory: counted by its control group, or else process by
process, from the kernel's files about each.

The latter is slower and coarser, and how much there is to read is up to the box. So it is never
done again before twenty times as long has passed as it took, and what was found last stands in.
"""

from __future__ import annotations

import contextlib
import heapq
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from lamella.sandbox import usage
from lamella.sandbox.cgroup import NOTHING, Group, Memory
from lamella.sandbox.usage import PROC

RARITY = 20
"""Reading takes one part in so many of the time, at most."""
TREE_SECONDS = 0.1
"""How long a process may have been there before it is seen."""
SHARED = 0.25
"""The part of all memory beyond the largest process from which it is asked who shares what."""
ASKED = 16
"""So many processes, the largest, are asked."""
PAGE = os.sysconf("SC_PAGE_SIZE")
STAT_BYTES = 256

T = TypeVar("T")


class Scales:
    """Weighs a box, from its start to its end; ``pid`` is its first process, ``base`` what it
    shares with others and is counted for it all the same."""

    def __init__(
        self, group: Group, pid: int | None, proc: Path = PROC, base: Memory = NOTHING
    ) -> None:
        self._group = group
        self._base = base
        self._processes = None if group.counts_memory else Processes(pid, proc)

    def charged(self) -> int:
        """Bytes that are quick to read and never less than what is held: with files, or with
        what processes share counted for each."""
        if self._processes is None:
            return (self._group.usage() or 0) + self._base.held
        return self._processes.charged()

    def now(self) -> Memory:
        """What the processes hold now; zeros when they have ended."""
        if self._processes is not None:
            return self._processes.memory()
        own = self._group.memory()
        return Memory(own.held + self._base.held, own.resident + self._base.resident)


class Processes:
    """A process and all below it."""

    def __init__(self, pid: int | None, proc: Path = PROC) -> None:
        self._pid = pid
        self._proc = proc
        self._tree = _Seldom(self._found, TREE_SECONDS)
        self._charged = _Seldom(self._sum)
        self._memory = _Seldom(self._measured)

    def charged(self) -> int:
        """Bytes that each holds for itself, summed up."""
        return self._charged.value()

    def memory(self) -> Memory:
        """What is held by all: memory that a fork shares with its parent counts once, and so do
        files, of which the processes of a box mostly map the same."""
        return self._memory.value()

    def _found(self) -> list[int]:
        return [] if self._pid is None else usage.tree(self._pid, self._proc)

    def _sum(self) -> int:
        return sum(self._own(pid) for pid in self._tree.value())

    def _own(self, pid: int) -> int:
        with contextlib.suppress(OSError, ValueError, IndexError):
            file = os.open(f"{self._proc}/{pid}/statm", os.O_RDONLY | os.O_CLOEXEC)
            try:
                values = os.read(file, STAT_BYTES).split()
            finally:
                os.close(file)
            return max(0, int(values[1]) - int(values[2])) * PAGE
        return 0

    def _measured(self) -> Memory:
        seen = {pid: usage.of_process(pid, self._proc) for pid in self._found()}
        own = {pid: each.held for pid, each in seen.items()}
        files = max((each.resident - each.held for each in seen.values()), default=0)
        total, largest = sum(own.values()), max(own.values(), default=0)
        if total - largest > total * SHARED:
            total = self._shared_once(heapq.nlargest(ASKED, own, own.__getitem__), largest)
        return Memory(total, total + files)

    def _shared_once(self, pids: list[int], largest: int) -> int:
        """Bytes of processes, each page by its part in it. Where the kernel does not tell that
        the largest stands for all, for nobody is to be ended for what it does not hold."""
        try:
            return max(largest, sum(usage.share_of(pid, self._proc) for pid in pids))
        except OSError:
            return largest


class _Seldom(Generic[T]):
    """A value that is found anew when it is older than ``seconds``, and than what finding it
    took, times `RARITY`."""

    def __init__(self, find: Callable[[], T], seconds: float = 0.0) -> None:
        self._find = find
        self._seconds = seconds
        self._value: T | None = None
        self._until = 0.0

    def value(self) -> T:
        began = time.monotonic()
        if self._value is None or began >= self._until:
            self._value = self._find()
            now = time.monotonic()
            self._until = now + max(self._seconds, RARITY * (now - began))
        return self._value
