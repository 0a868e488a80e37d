"""The processes of one environment's box: the runtime, and the extensions beside it.

Where there are no external extensions the box's command is the runtime itself. Where there are,
it is the shell of `lamella.runtimes.crew`, which starts them, starts the runtime when it is told
to, and says who has ended; the descriptors between are this module's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace

from lamella.runtimes import crew
from lamella.sandbox.box import Ahead, Box, Room
from lamella.sandbox.cgroup import Group
from lamella.sandbox.plan import BoxPlan
from lamella.sandbox.spawn import Spawner

STATUS_BYTES = 4_096

Ended = Callable[["Crew", str | None, int], None]
"""Told of the crew, the extension that has ended (None: the runtime) and its exit code, negative
for a signal."""


class Crew:
    """One box's processes. ``ended`` is called once for the runtime and each extension."""

    def __init__(self, spawner: Spawner, extensions: Sequence[str], ended: Ended) -> None:
        self.extensions = tuple(extensions)
        self.runtime_ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._spawner = spawner
        self._ended = ended
        self._left = {*self.extensions}
        self._box: Box | None = None
        self._orders = -1
        self._statuses = -1
        self._said = b""

    @property
    def started(self) -> bool:
        return self._box is not None

    @property
    def box(self) -> Box:
        assert self._box is not None
        return self._box

    async def start(
        self,
        plan: BoxPlan,
        room: Room,
        group: Group,
        outputs: tuple[int, int, int],
        *,
        spare: str | Ahead | None,
    ) -> None:
        """Make the box. ``outputs`` are for what the runtime prints, for the frames of its log,
        and for what the extensions print.

        Raises SandboxFailed.
        """
        output, frames, theirs = outputs
        if not self.extensions:
            self._box = await self._spawner.box(
                plan, room, group, output, spare=spare, given=(frames,)
            )
        else:
            plan = replace(plan, argv=crew.command(self.extensions, plan.argv))
            orders, self._orders = os.pipe2(os.O_CLOEXEC)
            self._statuses, statuses = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
            os.set_blocking(statuses, True)
            # Whatever runs in the box may fill this pipe; the server waits for nobody there.
            os.set_blocking(self._orders, False)
            try:
                given = (frames, orders, statuses, theirs)
                self._box = await self._spawner.box(
                    plan, room, group, output, spare=spare, given=given
                )
            except BaseException:
                self.close()
                raise
            finally:
                os.close(orders)
                os.close(statuses)
            asyncio.get_running_loop().add_reader(self._statuses, self._listen)
        self._box.exited.add_done_callback(lambda done: self._box_ended(done.result()))

    def run(self) -> None:
        """Start the runtime, now that every extension has registered."""
        self._order(crew.RUN)

    async def terminate(self) -> None:
        """Ask the runtime to end: SIGTERM."""
        if self.extensions:
            self._order(crew.TERMINATE)
        else:
            await self._spawner.terminate(self.box.name)

    def kill_runtime(self) -> None:
        """Kill the runtime and leave the extensions; for a crew that has some."""
        self._order(crew.KILL)

    def kill(self) -> None:
        """Kill every process."""
        self.box.kill()

    def close(self) -> None:
        """Give back what the server holds of a crew that has ended."""
        if self._statuses >= 0:
            with contextlib.suppress(ValueError):
                asyncio.get_running_loop().remove_reader(self._statuses)
            os.close(self._statuses)
        if self._orders >= 0:
            os.close(self._orders)
        self._orders = self._statuses = -1
        if self._box is not None:
            self._box.close()

    def _order(self, word: bytes) -> None:
        if self._orders >= 0:
            with contextlib.suppress(BrokenPipeError, BlockingIOError):
                os.write(self._orders, word)

    def _listen(self) -> None:
        try:
            data = os.read(self._statuses, STATUS_BYTES)
        except BlockingIOError:
            return
        if not data:
            asyncio.get_running_loop().remove_reader(self._statuses)
        *lines, self._said = (self._said + data).split(b"\n")
        for line in lines:
            said = crew.ended(line, self.extensions)
            if said is not None:
                self._has_ended(*said)
        # Whatever runs in the box may write here, and no name is this long.
        self._said = self._said[-STATUS_BYTES:]

    def _has_ended(self, name: str | None, code: int) -> None:
        if name is None:
            if not self.runtime_ended.done():
                self.runtime_ended.set_result(code)
                self._ended(self, None, code)
        elif name in self._left:
            self._left.discard(name)
            self._ended(self, name, code)

    def _box_ended(self, code: int) -> None:
        """All are gone. Of those that are not known to have ended, the box's end is theirs."""
        if self.extensions:
            if self._statuses >= 0:
                self._listen()
            code = -signal.SIGKILL
        for name in sorted(self._left):
            self._has_ended(name, code)
        self._has_ended(None, code)
