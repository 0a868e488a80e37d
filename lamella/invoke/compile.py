"""Compiling bytecode in a box: the sources of layers and functions are hostile to compilers too.

A `lamella.layers.bytecode.Runner`: called in threads, it runs its command in a box of its own
by way of the server's event loop and waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from lamella.errors import HostError
from lamella.sandbox.box import Box
from lamella.sandbox.cgroup import Groups
from lamella.sandbox.plan import BoxPlan, Limits
from lamella.sandbox.reserve import Reserve
from lamella.sandbox.spawn import Spawner

SECONDS = 120.0
END_SECONDS = 2.0
"""What a box that is killed has to be gone in before nobody waits for it any more."""
MEBIBYTE = 1_048_576
USR = Path("/usr")
NOTHING: Mapping[str, Path] = MappingProxyType({})
NO_STACKS: Mapping[str, Sequence[Path]] = MappingProxyType({})


class BoxRunner:
    """Runs commands in boxes without network, with a gigabyte of memory and two minutes."""

    def __init__(
        self,
        spawner: Spawner,
        groups: Groups,
        reserve: Reserve,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._spawner = spawner
        self._groups = groups
        self._reserve = reserve
        self._loop = loop
        self._numbers = itertools.count(1)
        self._running: set[Box] = set()
        self._aborted = False

    def __call__(
        self,
        argv: Sequence[str],
        readable: Sequence[Path],
        writable: Path,
        shown: Mapping[str, Path] = NOTHING,
        stacked: Mapping[str, Sequence[Path]] = NO_STACKS,
    ) -> None:
        """``shown`` are paths of the host that the command sees elsewhere, by where it does;
        ``stacked`` are folders that it sees as one, topmost first."""
        binds = {**{str(path): path for path in readable}, **shown}
        overlays = {target: tuple(folders) for target, folders in stacked.items()}
        work = self._run(tuple(argv), binds, overlays, writable)
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def abort(self) -> None:
        """Kill what runs and run nothing more: the server is stopping. Call on the event loop."""
        self._aborted = True
        for box in self._running:
            box.kill()

    async def _run(
        self,
        argv: tuple[str, ...],
        binds: Mapping[str, Path],
        overlays: Mapping[str, tuple[Path, ...]],
        writable: Path,
    ) -> None:
        name = f"compile{next(self._numbers)}"
        cores = os.cpu_count() or 1
        # No small limit of processes: without control groups it counts all of the user's threads.
        limits = Limits(memory=1024 * MEBIBYTE, tmp=MEBIBYTE, cpus=cores)
        prefix = Path(argv[0]).parent.parent
        own = {} if prefix == USR else {str(prefix): prefix}
        plan = BoxPlan(
            name=name,
            argv=argv,
            environment={"PATH": "/usr/bin:/bin"},
            limits=limits,
            overlays=overlays,
            binds={**own, **binds},
            writable={str(writable): writable},
            directory=str(writable),
        )
        async with contextlib.AsyncExitStack() as stack:
            group = self._groups.make(name)
            stack.push_async_callback(self._reserve.leave, group)
            group.limit(limits)
            room = await self._spawner.room(name, limits.tmp)
            stack.push_async_callback(self._spawner.leave, room)
            null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
            stack.callback(os.close, null)
            if not self._aborted:
                await self._wait(await self._spawner.box(plan, room, group, null))
        if self._aborted:
            raise HostError("The server is stopping.")

    async def _wait(self, box: Box) -> None:
        self._running.add(box)
        try:
            await asyncio.wait_for(asyncio.shield(box.exited), SECONDS)
        except TimeoutError:
            raise HostError(f"compiling took longer than {SECONDS:.0f} seconds") from None
        finally:
            self._running.discard(box)
            box.kill()
            await asyncio.wait((box.exited,), timeout=END_SECONDS)
            box.close()
