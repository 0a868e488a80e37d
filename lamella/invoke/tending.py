"""Looks after zygotes: measures them now and then, and has those go that `worth` chooses.

What they hold counts as it is, their eggs with it, not as it was when they were made. When memory
of the machine gets short they go before any environment does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Protocol

from lamella.invoke.furnish import Furnisher
from lamella.invoke.rounds import rounds
from lamella.invoke.worth import Going, Stand, leaving
from lamella.invoke.zygote import Key, Zygote
from lamella.invoke.zygotes import Zygotes
from lamella.sandbox import usage
from lamella.sandbox.cgroup import Group
from lamella.sandbox.fork import Nest

EGG_BYTES = 1_048_576
"""Reckoned for an egg where there are no control groups to tell."""

log = logging.getLogger(__name__)

Program = tuple[int, int, int, int]
"""A file of the host, as it is: device, number, size, time of change."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a zygote: bytes held, with and without what its living forks keep, and names of
    functions that it was used by and that are no more."""

    held: int
    freed: int
    is_orphan: bool
    missing: frozenset[str]
    program: Program | None


class Forking(Protocol):
    """What forks are made of. ``living`` are those of them that are environments."""

    group: Group
    nest: Nest

    @property
    def living(self) -> int: ...


class Evictable:
    """A zygote, for whoever looks after the machine's memory."""

    def __init__(self, zygote: Zygote) -> None:
        self.zygote = zygote

    def memory_held(self) -> int:
        """Bytes that its end frees: what living forks share stays until they end. Blocks."""
        return measured(self.zygote, self.zygote.eggs.groups)[1]


class Tending:
    """``is_used`` says whether anything uses the bytes of a digest, ``exists`` whether there is a function
    of that account, region and name; they block, as does measuring."""

    def __init__(
        self,
        zygotes: Zygotes,
        furnisher: Furnisher,
        is_used: Callable[[str], bool],
        exists: Callable[[str, str, str], bool],
        idle_seconds: float,
    ) -> None:
        self.zygotes = zygotes
        self._furnisher = furnisher
        self._is_used = is_used
        self._exists = exists
        self._idle_seconds = idle_seconds
        self._programs: dict[Zygote, Program | None] = {}
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[NoReturn] | None = None
        zygotes.grown = self._wanted.set

    def start(self) -> None:
        looking = rounds(self.look, self._wanted, "zygotes")
        self._task = asyncio.get_running_loop().create_task(looking)

    def look_soon(self) -> None:
        """Something has gone that zygotes may have been made for."""
        if self.zygotes.count:
            self._wanted.set()

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def look(self) -> None:
        """Measure every zygote once, and have go what has to. Raises OSError, SQLAlchemyError."""
        self.zygotes.forget()
        standing = self.zygotes.standing()
        if not standing:
            self._programs.clear()
            return
        forks = {each: (each.eggs.groups, (each.function.name, *each.users)) for each in standing}
        seen = await asyncio.to_thread(
            lambda: {each: self._seen(each, *forks[each]) for each in standing}
        )
        before, self._programs = self._programs, {}
        stands: dict[Key, Stand] = {}
        by_key = {each.key: each for each in standing}
        now = asyncio.get_running_loop().time()
        for each in standing:
            found = seen[each]
            each.held = found.held
            each.eggs.calm()
            each.users -= found.missing
            program = self._programs[each] = before.get(each, found.program)
            stands[each.key] = Stand(
                worth=each.worth,
                held=found.held,
                idle=now - each.used_at,
                is_orphan=found.is_orphan,
                is_stale=program != found.program,
                depth=each.depth,
            )
        for key, why in leaving(stands, self.zygotes.memory, self._idle_seconds).items():
            if self.zygotes.retire(by_key[key], why) is not None:
                log.info("a zygote of account %s (%s) goes: %s", key.account, key.interpreter, why)

    def _seen(self, zygote: Zygote, eggs: Sequence[Group], users: Sequence[str]) -> Seen:
        held, freed = measured(zygote, eggs)
        missing = set()
        is_orphan = not all(map(self._is_used, zygote.key.layers))
        for name in () if is_orphan else users:
            if self._exists(zygote.key.account, zygote.key.region, name):
                break
            missing.add(name)
        else:
            is_orphan = True
        path = self._furnisher.program_of(zygote.function)
        return Seen(
            held, freed, is_orphan, frozenset(missing), None if path is None else program(path)
        )

    @property
    def count(self) -> int:
        return self.zygotes.count

    def waiting(self) -> list[Evictable]:
        """Every zygote, the least valuable first."""
        return [Evictable(each) for each in reversed(self.zygotes.standing())]

    def evict(self, item: Evictable) -> asyncio.Task[None] | None:
        """Have a zygote go for want of memory."""
        return self.zygotes.retire(item.zygote, Going.ROOM)


def measured(zygote: Forking, eggs: Sequence[Group]) -> tuple[int, int]:
    """Bytes that a zygote and its eggs hold, and those of them that its end would free. Blocks."""
    if zygote.group.counts_memory:
        laid = sum(each.memory().held for each in eggs)
        own = zygote.group.memory().held
    else:
        laid = len(eggs) * EGG_BYTES
        own = _of_process(zygote)
    return own + laid, laid if zygote.living else own + laid


def _of_process(zygote: Forking) -> int:
    """What the process that forks holds: the one that the box's first process has started."""
    pid = zygote.nest.box.pid
    with contextlib.suppress(OSError):
        return sum(usage.of_process(each).held for each in usage.children(pid)) if pid else 0
    return 0


def program(path: Path) -> Program | None:
    """A file as it is now; None if it is gone."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
