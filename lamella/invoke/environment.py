"""One execution environment: a box, its Runtime API, its log, one invocation at a time.

Here layers and sandboxes meet, by a list of directories. `lamella.invoke.furnish` decides what
the box sees; `lamella.invoke.pool` decides which environments there are and who uses one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from lamella.errors import SandboxFailed
from lamella.functions.ready import digests
from lamella.invoke import report
from lamella.invoke.furnish import Furnished
from lamella.invoke.memory import MemoryWatch, Watched
from lamella.invoke.output import Output
from lamella.logs.append import LogStream
from lamella.model.function import Function
from lamella.model.invocation import Event, Reply, Sink
from lamella.model.lifecycle import ENVIRONMENT, EnvironmentEvent, EnvironmentState, step
from lamella.model.limits import INIT_SECONDS, PROVISIONED_INIT_SECONDS
from lamella.runtime_api.runtime import TRUNCATED
from lamella.runtime_api.server import RuntimeApi
from lamella.sandbox.cgroup import Group
from lamella.sandbox.reserve import Reserve
from lamella.sandbox.spawn import Box, Room, Spawner

END_SECONDS = 2.0
TIMEOUT, ERROR, UNSERVED = "timeout", "error", "unserved"

log = logging.getLogger(__name__)


class Holding(Protocol):
    """Keeps the bytes that an environment has mounted."""

    def hold(self, digests: Iterable[str]) -> None: ...

    def release(self, digests: Iterable[str]) -> None: ...


@dataclass(frozen=True, slots=True)
class Ground:
    """What every environment of a server stands on."""

    spawner: Spawner
    reserve: Reserve
    watch: MemoryWatch
    holding: Holding


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """An invocation before it has an environment, and so no deadline."""

    request_id: str
    payload: bytes
    function_arn: str
    trace_id: str
    client_context: str | None = None
    sink: Sink | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the runtime, or the environment in its place, answered, and the log's last 4 KB."""

    reply: Reply
    log_tail: bytes


class Environment(Watched):
    """An execution environment of one function version.

    `start` once, then `invoke` one at a time, `stop` at the end. After a timeout or the end of
    the runtime the next `invoke` starts the runtime anew; ``/tmp`` is kept.
    """

    def __init__(
        self, name: str, function: Function, furnished: Furnished, stream: LogStream, ground: Ground
    ) -> None:
        super().__init__(function.memory_size * 1_048_576)
        self.name = name
        self.function = function
        self.state = EnvironmentState.NEW
        self.idle_since = time.monotonic()
        self.provisioned = furnished.provisioned
        self.on_death: Callable[[], None] | None = None
        self._furnished = furnished
        self._ground = ground
        self._output = Output(stream)
        self._held = digests(function)
        ground.holding.hold(self._held)
        self._room: Room | None = None
        self._group: Group | None = None
        self._spare: str | None = None
        self._box: Box | None = None
        self._api: RuntimeApi | None = None
        self._boxes = 0
        self._init_duration: float | None = None
        self._init_error: Reply | None = None
        self._init_failed = False
        self._timed_out = False
        self._exit_code: int | None = None
        self._answer: asyncio.Future[Reply] | None = None
        self._request_id = ""

    async def start(self) -> None:
        """Make the room, the group and the first box, and wait until the runtime is ready.

        A runtime that does not get ready is left to the invocation that comes.
        Raises SandboxFailed.
        """
        limits = self._furnished.plan.limits
        place = self._ground.reserve.take()
        self._group, self._spare = place.group, place.spare
        self._group.limit(limits)
        self._room = await self._ground.spawner.room(self.name, limits.tmp)
        if self._furnished.unstartable is not None:
            self._go(EnvironmentEvent.START)
            self._go(EnvironmentEvent.FAULT)
        elif not await self._init(self._init_seconds()):
            await self._end_box()

    def _init_seconds(self) -> float:
        """How long the first initialisation may take.

        Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
        """
        if not self.provisioned:
            return INIT_SECONDS
        return max(PROVISIONED_INIT_SECONDS, self.function.timeout)

    async def _init(self, seconds: float) -> bool:
        """Start a box and wait for the runtime's first `next`, its error or its end.

        False if none of them came within ``seconds``.
        """
        assert self._room is not None
        assert self._group is not None
        self._go(EnvironmentEvent.START)
        self._init_error = self._exit_code = None
        started = time.monotonic()
        self._output.say(self._furnished.init_start)
        self._output.forget_tail()
        self._boxes += 1
        plan = self._furnished.box(f"{self.name}.{self._boxes}")
        self._ground.watch.add(self)
        try:
            spare, self._spare = self._spare, None
            box = await self._ground.spawner.box(
                plan, self._room, self._group, self._output.writer, spare=spare
            )
            self._box = box
            ready = await self._wait_for_runtime(box, seconds)
        finally:
            self._ground.watch.discard(self)
        self._init_duration = time.monotonic() - started
        self._init_failed = self._init_error is not None or self._exit_code is not None
        failed = self._init_failed or not ready
        self._go(EnvironmentEvent.FAULT if failed else EnvironmentEvent.INITIALISED)
        self.measure_memory()
        self.idle_since = time.monotonic()
        return ready

    async def _wait_for_runtime(self, box: Box, seconds: float) -> bool:
        self._api = RuntimeApi()
        assert box.listener is not None
        await self._api.serve(box.listener)
        box.exited.add_done_callback(lambda ended: self._box_ended(box, ended.result()))
        initialised = asyncio.ensure_future(self._api.initialised())
        done, _ = await asyncio.wait(
            (initialised, box.exited), timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
        if initialised in done and initialised.exception() is None:
            self._init_error = initialised.result()
        else:
            initialised.cancel()
        if self._init_error is not None:
            # It ends by itself; what it still prints belongs to it.
            await asyncio.wait((box.exited,), timeout=END_SECONDS)
        return bool(done)

    async def invoke(self, call: Call) -> Answer:
        """Run one invocation to its answer. Raises SandboxFailed if no box can be made."""
        timeout = self.function.timeout
        reply = None
        if self.state is EnvironmentState.FAILED:
            reply = await self._begin_anew(call, timeout)
        self._output.drain()
        started = time.monotonic()
        self._output.say(report.start(call.request_id, self.function.version))
        status = None
        if reply is None:
            reply, status = await self._run(call, timeout)
        if status == UNSERVED:
            # The runtime ended after its last answer and before it asked for this invocation.
            status = None
            reply = await self._begin_anew(call, timeout)
            if reply is None:
                reply, status = await self._run(call, timeout)
        duration = time.monotonic() - started
        self._output.drain()
        if status == TIMEOUT:
            moment = datetime.now(UTC)
            self._output.say(report.timeout_line(call.request_id, timeout, moment))
        self._report(call.request_id, min(duration, timeout), status)
        tail = self._output.tail()
        self._output.forget_tail()
        self.idle_since = time.monotonic()
        return Answer(reply, tail)

    async def _begin_anew(self, call: Call, timeout: float) -> Reply | None:
        """Initialise, if that has not been tried for this invocation yet; the reply if it fails."""
        if self._furnished.unstartable is not None:
            return report.invalid_entrypoint(call.request_id, self._furnished.unstartable)
        if not self._init_failed:
            await self._end_box()
            if not await self._init(timeout):
                await self._end_box()
                return report.timed_out(call.request_id, timeout)
        if not self._init_failed:
            return None
        self._init_failed = False
        await self._end_box()
        return self._init_error or report.exited(call.request_id, self._exit_code or 0)

    async def _run(self, call: Call, timeout: float) -> tuple[Reply, str | None]:
        """Give the event to the runtime and wait; the reply, and the status for REPORT if odd."""
        assert self._api is not None
        self._go(EnvironmentEvent.INVOKE)
        event = Event(
            request_id=call.request_id,
            payload=call.payload,
            deadline_ms=int((time.time() + timeout) * 1000),
            function_arn=call.function_arn,
            trace_id=call.trace_id,
            client_context=call.client_context,
            sink=call.sink,
        )
        self._request_id = call.request_id
        self._timed_out = False
        self._answer = answer = self._api.invoke(event)
        timer = asyncio.get_running_loop().call_later(timeout, self._time_out, answer, timeout)
        self._ground.watch.add(self)
        try:
            reply = await answer
        finally:
            self._answer = None
            timer.cancel()
            self._ground.watch.discard(self)
        if reply is TRUNCATED:
            reply = await self._why_truncated()
        elif not self._timed_out and self._exit_code is None:
            self._go(EnvironmentEvent.ANSWERED)
            self._go(EnvironmentEvent.FREE)
            return reply, None
        unserved = not self._timed_out and self._api.undelivered
        self._go(EnvironmentEvent.FAULT)
        await self._end_box()
        return reply, UNSERVED if unserved else TIMEOUT if self._timed_out else ERROR

    async def _why_truncated(self) -> Reply:
        """The answer for a stream that broke off: a runtime that ends loses its connection first."""
        if self._box is not None:
            await asyncio.wait((self._box.exited,), timeout=END_SECONDS)
        if self._exit_code is None:
            return TRUNCATED
        return report.exited(self._request_id, self._exit_code)

    def _time_out(self, answer: asyncio.Future[Reply], timeout: float) -> None:
        if not answer.done():
            self._timed_out = True
            answer.set_result(report.timed_out(self._request_id, timeout))

    def _box_ended(self, box: Box, code: int) -> None:
        """The box's processes are gone; whoever waits for them learns why."""
        if box is not self._box:
            return
        self._exit_code = code
        answer = self._answer
        idle = self.state is EnvironmentState.IDLE
        if answer is not None and not answer.done():
            answer.set_result(report.exited(self._request_id, code))
        elif idle:
            self._go(EnvironmentEvent.FAULT)
        if self._api is not None:
            self._api.close()
        if idle and self.on_death is not None:
            self.on_death()

    def _report(self, request_id: str, duration: float, status: str | None) -> None:
        self._output.say(report.end(request_id))
        self._output.say(
            report.report(
                request_id,
                duration=duration,
                memory_size=self.function.memory_size,
                memory_used=self.memory_peak,
                init_duration=self._init_duration,
                status=status,
            )
        )
        self._init_duration = None

    def memory_charged(self) -> int:
        return (self._group and self._group.usage()) or 0

    def memory_now(self) -> tuple[int, int]:
        if self._group is None:
            return 0, 0
        memory = self._group.memory()
        return memory.held, memory.resident

    def out_of_memory(self) -> None:
        self._ground.watch.discard(self)
        log.info("environment %s of %s is over its memory", self.name, self.function.arn)
        if self._box is not None:
            self._box.kill()

    def abort(self) -> None:
        """End what runs, now; an invocation under way is answered as if the runtime was killed."""
        if self._box is not None:
            self._box.kill()

    async def _end_box(self) -> None:
        """Kill the box and wait until the kernel has cleared it away; the room stays."""
        box, self._box = self._box, None
        api, self._api = self._api, None
        if api is not None:
            api.close()
        if box is not None:
            box.kill()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(box.exited), END_SECONDS)
            box.close()

    async def stop(self) -> None:
        """End the environment for good: processes, ``/tmp``, control group, descriptors."""
        if self.state is EnvironmentState.ENDED:
            return
        self.state = EnvironmentState.ENDED
        self._ground.watch.discard(self)
        await self._end_box()
        with contextlib.suppress(SandboxFailed):
            if self._spare is not None:
                await self._ground.spawner.drop(self._spare)
            if self._room is not None:
                await self._ground.spawner.leave(self._room)
        if self._group is not None:
            await self._remove_group(self._group)
        self._output.close()
        await asyncio.to_thread(self._ground.holding.release, self._held)

    async def _remove_group(self, group: Group) -> None:
        for pause in (0.0, 0.001, 0.005, 0.02, 0.1, 0.5):
            await asyncio.sleep(pause)
            if group.remove():
                return
        log.warning("the control group of environment %s could not be removed", self.name)

    def _go(self, event: EnvironmentEvent) -> None:
        self.state = step(ENVIRONMENT, self.state, event)
