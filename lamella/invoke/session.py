"""One box of an environment, from the start of its processes to their end.

Owns the order of things: extensions register, the runtime starts, everybody asks for `next`;
an invocation is over when everybody asks again; at the end the runtime is asked to go, the
extensions are told why, and what is left at the deadline is killed. What outlives a box (``/tmp``, the
log, the state) is the environment's.

Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from lamella.errors import SandboxFailed
from lamella.invoke import report
from lamella.invoke.crew import Crew
from lamella.invoke.frost import Frost
from lamella.invoke.furnish import Furnished
from lamella.model.function import Function
from lamella.model.invocation import Event, Reply
from lamella.model.lifecycle import RuntimeState
from lamella.runtime_api.extensions import MOST, About, Extensions, Reason
from lamella.runtime_api.runtime import RuntimeGone
from lamella.runtime_api.server import RuntimeApi
from lamella.runtime_api.telemetry import Telemetry
from lamella.sandbox.box import Ahead, Room
from lamella.sandbox.cgroup import NOTHING, Group
from lamella.sandbox.plan import BoxPlan
from lamella.sandbox.scales import Scales
from lamella.sandbox.spawn import Spawner

END_SECONDS = 2.0
SHUTDOWN_SECONDS = 2.0
"""What external extensions have to end in; internal ones have `INTERNAL_SECONDS`."""
INTERNAL_SECONDS = 0.5
RUNTIME_SHARE = 0.3
"""The part of it that the runtime may take, before the extensions are told."""
KILL_SECONDS = 0.1
"""What a kill of the runtime is waited for: extensions are told when it is gone."""
FLUSH_SECONDS = 0.2


class Door(Protocol):
    """What answers on a further listener of a box."""

    def close(self) -> None: ...


OpenDoor = Callable[[socket.socket], Awaitable[Door]]


class Session:
    """The processes of one box and what they talk to. ``changed`` is told when one has ended or
    has failed by its own account.

    While nobody in it has anything to do, ``frost`` may freeze it; the next invocation, or the
    end, thaws it.
    """

    def __init__(
        self,
        spawner: Spawner,
        frost: Frost,
        open_door: OpenDoor,
        function: Function,
        furnished: Furnished,
        changed: Callable[[], None],
    ) -> None:
        self.init_error: Reply | None = None
        self.exit_code: int | None = None
        self.served = 0
        self._frost = frost
        self._group: Group | None = None
        self.scales: Scales | None = None
        self._is_frozen = False
        self._spawner = spawner
        self._open_door = open_door
        self._doors: list[Door] = []
        self._changed = changed
        self._layers = furnished.extensions
        self._is_leaving = False
        about = About(function.name, function.version, function.handler or "", function.account)
        names = tuple(furnished.extensions)
        self.extensions = Extensions(about, names[:MOST], changed)
        if len(names) > MOST:
            self.extensions.too_many(names[MOST])
        self.telemetry = Telemetry(self._connect)
        self.api = RuntimeApi(
            extensions=self.extensions,
            telemetry=self.telemetry,
            on_imports=furnished.on_imports,
            restore=furnished.restore,
        )
        self.crew = Crew(spawner, names[:MOST], self._process_ended)

    @property
    def has_extensions(self) -> bool:
        return len(self.extensions) > 0

    @property
    def pid(self) -> int | None:
        """The number, on the host, of the box's first process; None when there is none."""
        return self.crew.box.pid if self.crew.started else None

    @property
    def is_broken(self) -> bool:
        """Whether the runtime, or an extension, has ended or failed."""
        return self.exit_code is not None or self.extensions.fault is not None

    @property
    def is_at_rest(self) -> bool:
        """Whether everybody waits for the next event, and nothing is on its way to them."""
        return self.api.idle and self.extensions.all_wait and not self.telemetry.is_delivering

    @property
    def is_unrestored(self) -> bool:
        """Whether what the function has to be run after a restore has failed."""
        return self.api.runtime.state is RuntimeState.RESTORE_ERROR

    def failure(self, request_id: str) -> Reply:
        """What the caller of an invocation is told of a session that broke."""
        fault = self.extensions.fault
        if fault is not None:
            return report.extension_failed(request_id, fault, self._layers.get(fault.name))
        return report.exited(request_id, self.exit_code or 0)

    def explained(self, request_id: str) -> str:
        """The log's line of an extension that failed."""
        fault = self.extensions.fault
        assert fault is not None
        why = report.extension_fault(fault, self._layers.get(fault.name))
        return f"RequestId: {request_id} Error: {fault.error_type}: {why}\n"

    def error_type(self, ready: bool) -> str | None:
        """What INIT failed of; None if it was too slow."""
        if self.extensions.fault is not None:
            return self.extensions.fault.error_type
        if self.init_error is not None:
            return self.init_error.error_type
        return "Runtime.ExitError" if ready else None

    def described(self, ready: bool) -> tuple[str, str]:
        """What INIT failed of, its type and a sentence."""
        kind = self.error_type(ready)
        if kind is None:
            return "", "it took too long"
        if self.extensions.fault is not None:
            fault = self.extensions.fault
            return kind, report.extension_fault(fault, self._layers.get(fault.name))
        if self.init_error is not None:
            return kind, report.message(self.init_error)
        return kind, report.exit_reason(self.exit_code or 0)

    async def start(
        self,
        plan: BoxPlan,
        room: Room,
        group: Group,
        outputs: tuple[int, int, int],
        spare: str | Ahead | None,
    ) -> None:
        """Make the box and listen. Raises SandboxFailed."""
        self._group = group
        await self.crew.start(plan, room, group, outputs, spare=spare)
        self.scales = Scales(group, self.pid, base=self.crew.box.base)
        if self.crew.box.base is NOTHING:
            self.api.begin_plainly()
        listener, *others = self.crew.box.listeners
        await self.api.serve(listener)
        self._doors = [await self._open_door(each) for each in others]

    async def initialised(self, seconds: float) -> bool:
        """Wait until everybody is ready, or somebody has failed; False if neither came in time."""
        coming_up = asyncio.ensure_future(self._come_up())
        done, _ = await asyncio.wait(
            (coming_up, self.crew.runtime_ended),
            timeout=seconds,
            return_when=asyncio.FIRST_COMPLETED,
        )
        if coming_up not in done:
            coming_up.cancel()
        with contextlib.suppress(RuntimeGone, asyncio.CancelledError):
            await coming_up
        if self.init_error is not None:
            # It ends by itself; what it still prints belongs to it.
            await asyncio.wait((self.crew.runtime_ended,), timeout=END_SECONDS)
        self.extensions.close_registration()
        self.telemetry.close_subscription()
        if done and self.init_error is None and not self.is_broken:
            self._frost.add(self)
        return bool(done)

    async def _come_up(self) -> None:
        if self.crew.extensions:
            await self.extensions.until(lambda them: them.all_registered)
            if self.extensions.fault is not None:
                return
            self.crew.run()
        faulty = asyncio.ensure_future(self.extensions.until(lambda them: False))
        runtime = asyncio.ensure_future(self.api.initialised())
        try:
            await asyncio.wait((faulty, runtime), return_when=asyncio.FIRST_COMPLETED)
            if runtime.done():
                self.init_error = runtime.result()
                if self.init_error is None:
                    await self.extensions.until(lambda them: them.all_wait)
        finally:
            faulty.cancel()
            runtime.cancel()

    def invoke(self, event: Event) -> asyncio.Future[Reply]:
        """Tell everybody of an invocation; the future is the runtime's answer."""
        self.served += 1
        if self._is_frozen:
            self._thaw()
            self._frost.add(self)
        if self.has_extensions:
            self.extensions.invoke(event)
        return self.api.invoke(event)

    async def finished(self, seconds: float) -> bool:
        """Wait until everybody asks for the next event, or one has failed; False if it takes longer."""

        async def everybody() -> None:
            await self.api.wait_idle()
            await self.extensions.until(lambda them: them.all_wait)

        waiting = asyncio.ensure_future(everybody())
        faulty = asyncio.ensure_future(self.extensions.until(lambda them: False))
        done, left = await asyncio.wait(
            (waiting, faulty, self.crew.runtime_ended),
            timeout=max(0.0, seconds),
            return_when=asyncio.FIRST_COMPLETED,
        )
        for each in left - {self.crew.runtime_ended}:
            each.cancel()
        return bool(done)

    def freeze(self) -> None:
        """Stop every process until somebody needs one; only while it `is_at_rest`."""
        if self._group is not None and self.crew.started:
            self._is_frozen = True
            self.telemetry.pause()
            self._frost.freezer.freeze(self._group, self.crew.box.name)

    def _thaw(self) -> None:
        if self._is_frozen and self._group is not None:
            self._is_frozen = False
            self._frost.freezer.thaw(self._group, self.crew.box.name)
            self.telemetry.resume()

    async def end(self, reason: Reason | None) -> None:
        """End every process and wait until the kernel has cleared them away.

        With a ``reason`` those who can be told are told, and have AWS's time for it.
        """
        self._frost.discard(self)
        try:
            if self.crew.started and reason is not None and self.has_extensions:
                self._thaw()
                # A signal that finds a process stopped may go to a thread that does not heed it.
                await self._frost.freezer.settled(self.crew.box.name)
                await self._say_goodbye(reason)
        finally:
            self._is_leaving = True
            if self.crew.started:
                self.crew.kill()
            # Killed first, so that nothing runs on; the group may get another box.
            self._thaw()
            self.api.close()
            for door in self._doors:
                door.close()
            try:
                await self.telemetry.close()
                if self.crew.started:
                    await asyncio.wait((self.crew.box.exited,), timeout=END_SECONDS)
            finally:
                self.crew.close()

    async def _say_goodbye(self, reason: Reason) -> None:
        """Tell everybody of the end, and wait as long as AWS does.

        Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html#runtimes-lifecycle-shutdown
        """
        seconds = SHUTDOWN_SECONDS if self.crew.extensions else INTERNAL_SECONDS
        until = time.monotonic() + seconds
        await self.telemetry.flush(FLUSH_SECONDS)
        self._is_leaving = True
        runtime = self.crew.runtime_ended
        if not runtime.done() and reason is Reason.SPINDOWN:
            with contextlib.suppress(SandboxFailed):
                await self.crew.terminate()
            share = RUNTIME_SHARE if self.crew.extensions else 1.0
            left = until - seconds * (1.0 - share) - time.monotonic()
            await asyncio.wait((runtime,), timeout=max(0.0, left))
        self.crew.kill_runtime()
        if self.crew.extensions:
            await asyncio.wait((runtime,), timeout=KILL_SECONDS)
            self.extensions.shut_down(reason, int((time.time() + until - time.monotonic()) * 1000))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, until - time.monotonic())):
                    await self.extensions.until_gone()

    def _process_ended(self, crew: Crew, name: str | None, code: int) -> None:
        self._frost.discard(self)
        if name is None:
            self.exit_code = code
        else:
            self.extensions.exited(name, code, expected=self._is_leaving)
        self._changed()
        if name is None and not self.crew.extensions:
            self.api.close()

    async def _connect(self, port: int) -> socket.socket:
        """A connection to the box's own loopback. Raises OSError."""
        try:
            made = await self._spawner.reach(self.crew.box.name)
        except SandboxFailed as error:
            raise ConnectionError(str(error)) from error
        try:
            await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", port))
        except BaseException:
            made.close()
            raise
        return made
