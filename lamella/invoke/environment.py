"""One execution environment: a box, its Runtime API, its log, one invocation at a time.

Here layers and sandboxes meet, by a list of directories. `lamella.invoke.furnish` decides what
the box sees; `lamella.invoke.pool` decides which environments there are and who uses one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from lamella.errors import SandboxFailed
from lamella.functions.ready import digests
from lamella.invoke import report, restoring
from lamella.invoke.failing import Failed
from lamella.invoke.furnish import Furnished
from lamella.invoke.ground import Ground
from lamella.invoke.happenings import Done, Restored
from lamella.invoke.journal import TIMEOUT, Journal
from lamella.invoke.memory import INTERVAL_SECONDS, Watched
from lamella.invoke.session import END_SECONDS, Session
from lamella.logs.append import LogStream
from lamella.model.function import Function
from lamella.model.invocation import Event, Reply, Sink
from lamella.model.lifecycle import ENVIRONMENT, EnvironmentEvent, EnvironmentState, step
from lamella.runtime_api.extensions import Reason
from lamella.runtime_api.runtime import TRUNCATED
from lamella.sandbox import usage
from lamella.sandbox.box import Ahead, Room
from lamella.sandbox.cgroup import NOTHING, Group
from lamella.sandbox.reserve import Place

ERROR, UNSERVED = "error", "unserved"
AFTERWARDS_SECONDS = 0.001

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """An invocation before it has an environment, and so no deadline.

    ``log_tail`` says that the caller wants the end of the log with the answer.
    """

    request_id: str
    payload: bytes
    function_arn: str
    trace_id: str
    client_context: str | None = None
    log_tail: bool = False
    sink: Sink | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the runtime, or the environment in its place, answered, and the log's last 4 KB where
    the call wants them."""

    reply: Reply
    log_tail: bytes | None


@dataclass(frozen=True, slots=True)
class Unfinished:
    """An invocation that is answered while extensions still work on it."""

    call: Call
    started: float
    until: float
    error_type: str | None


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
        self.worn_at = furnished.worn_at
        self.on_death: Callable[[], None] | None = None
        self._furnished = furnished
        self._ground = ground
        self._journal = Journal(function, furnished, stream)
        self._held = digests(function)
        ground.holding.hold(self._held)
        self._room: Room | None = None
        self._group: Group | None = None
        self._place: Place | None = None
        self._session: Session | None = None
        self._ending: asyncio.Task[None] | None = None
        self._boxes = 0
        self._init_duration: float | None = None
        self._restored: Restored | None = None
        self.fault: tuple[str, str] | None = None
        self._timed_out = self._aborted = False
        self._answer: asyncio.Future[Reply] | None = None
        self._request_id = ""
        self._unfinished: Unfinished | None = None
        self._unreported: Done | None = None

    async def start(self) -> None:
        """Make the room, the group and the first box, and wait until the runtime is ready.

        A runtime that does not get ready is left to the invocation that comes.
        Raises SandboxFailed, SnapStartFailed, SnapStartTimeout.
        """
        self._place = place = await self._ground.places.place(self.function, self._furnished)
        self._journal.adopt(place.pipe)
        self._group, limits = place.group, self._furnished.plan.limits
        self._group.limit(limits)
        self._room = place.room
        if place.room is None:
            self._room = await self._ground.spawner.room(self.name, limits.tmp, place.uid)
        elif place.room.size != limits.tmp:
            await self._ground.spawner.resize(place.room, limits.tmp)
        if self._furnished.unstartable is not None:
            self._go(EnvironmentEvent.START)
            self._go(EnvironmentEvent.FAULT)
        else:
            await self._init(restoring.seconds(self.function, place, provisioned=self.provisioned))
            if self.state is EnvironmentState.FAILED:
                await self._end_box(Reason.FAILURE)

    async def _init(self, seconds: float, *, invoking: bool = False) -> bool:
        """Start a box and wait until everybody in it is ready, or somebody has failed.

        False if neither came within ``seconds``. ``invoking`` says that it is done again, within
        an invocation. Raises SandboxFailed, SnapStartFailed, SnapStartTimeout.
        """
        assert self._room is not None
        assert self._group is not None
        self._go(EnvironmentEvent.START)
        started = time.monotonic()
        self._boxes += 1
        plan = self._furnished.box(f"{self.name}.{self._boxes}")
        made_by = (self._ground.spawner, self._ground.frost, self._ground.open_door, self.function)
        furnished, phase = restoring.begun(self._furnished, self._place, invoking=invoking)
        self._session = session = Session(*made_by, furnished, self._session_changed)
        self._journal.listen(session.telemetry)
        self._journal.init_start(phase)
        self._ground.watch.add(self)
        try:
            place, self._place = self._place, None
            spare = place.spare if place else None
            await session.start(plan, self._room, self._group, self._journal.writers, spare)
            made = time.monotonic()
            if restoring.was_lost(phase, session.crew.box):
                phase, spare = restoring.INIT, None
                seconds = restoring.seconds(self.function, None, provisioned=self.provisioned)
                self._journal.init_start(phase)
            if self._aborted:
                session.crew.kill()
            ready = await session.initialised(seconds)
        finally:
            self._ground.watch.discard(self)
        ended = time.monotonic()
        began = self.idle_since if phase == restoring.RESTORE else started
        took = ended - began
        self._init_duration, self._restored = restoring.durations(phase, began, made, ended)
        failed = session.init_error is not None or session.is_broken or not ready
        error_type = session.error_type(ready) if failed else None
        self.fault = session.described(ready) if failed else None
        has_ended = session.exit_code is not None and not self._aborted
        restoring.tell(place, phase, has_ended=has_ended, failed=session.is_unrestored)
        self._journal.init_done(
            session.extensions.described(), phase, took, error_type, in_time=ready
        )
        self._go(EnvironmentEvent.FAULT if failed else EnvironmentEvent.INITIALISED)
        if failed or invoking:
            self.measure_memory()
        else:
            # The first invocation goes first.
            told = (spare, time.monotonic() - self.idle_since)
            asyncio.get_running_loop().call_later(AFTERWARDS_SECONDS, self._has_begun, *told)
        self.idle_since = time.monotonic()
        unrestored = restoring.fault(phase, failed=session.is_unrestored, in_time=ready)
        if unrestored is not None:
            await self._end_box(Reason.FAILURE)
            raise unrestored
        return ready

    def _has_begun(self, spare: str | Ahead | None, seconds: float) -> None:
        self._ground.starts.began(self.function, spare, seconds)
        self.measure_memory()

    async def invoke(self, call: Call) -> Answer:
        """Run one invocation to its answer. Raises SandboxFailed if no box can be made."""
        self._report()
        if self._ending is not None:
            await self._end_box(None)
        until = time.monotonic() + self.function.timeout
        reply = None
        if self.state is EnvironmentState.FAILED:
            reply = await self._begin_anew(call, until)
        started = time.monotonic()
        self._journal.start(call.request_id, call.trace_id)
        status = _status(reply)
        if reply is None:
            reply, status = await self._run(call, until)
        if status == UNSERVED:
            # The runtime ended after its last answer and before it asked for this invocation.
            reply = await self._begin_anew(call, until)
            status = _status(reply)
            if reply is None:
                reply, status = await self._run(call, until)
        if reply.error_type is not None:
            self._failed(call, reply)
        if self.state is EnvironmentState.FINISHING:
            self._journal.drain()
            self._unfinished = Unfinished(call, started, until, reply.error_type)
            return Answer(reply, self._journal.tail() if call.log_tail else None)
        self._conclude(call, started, status, reply.error_type)
        if not call.log_tail:
            # The answer goes out at the end of this turn of the loop, the report is written after.
            asyncio.get_running_loop().call_soon(self._report)
            return Answer(reply, None)
        return Answer(reply, self._report(tail=True))

    def _conclude(
        self, call: Call, started: float, status: str | None, error_type: str | None
    ) -> None:
        """An invocation is over: what `_report` will say of it."""
        now = time.monotonic()
        duration = now - started
        if duration > INTERVAL_SECONDS:
            # Shorter ones are looked at now and then, by the watch.
            self.note_memory()
        self._unreported = Done(
            request_id=call.request_id,
            seconds=min(duration, self.function.timeout),
            memory_used=self.memory_peak,
            init_seconds=self._init_duration,
            status=status,
            error_type=error_type,
            trace=call.trace_id,
            restored=self._restored,
        )
        self._init_duration = self._restored = None
        self.idle_since = now

    def _report(self, *, tail: bool = False) -> bytes | None:
        """Write the last lines of an invocation, unless that is done; the log's ``tail``."""
        done, self._unreported = self._unreported, None
        if done is None:
            return None
        if not done.memory_used:
            self.note_memory()
            done = done._replace(memory_used=self.memory_peak)
        self._journal.report(done)
        last = self._journal.tail() if tail else None
        self._journal.forget_tail()
        return last

    async def finish(self) -> None:
        """Wait until the extensions have done what they do after an answer, as long as the
        function's timeout lasts; whoever takes longer, or fails, costs the environment its box."""
        unfinished, self._unfinished = self._unfinished, None
        session = self._session
        if unfinished is None or session is None:
            return
        status, error_type = None, unfinished.error_type
        in_time = await session.finished(unfinished.until - time.monotonic())
        if in_time and not session.is_broken:
            self._go(EnvironmentEvent.FREE)
        else:
            status = ERROR if in_time else TIMEOUT
            self._go(EnvironmentEvent.FAULT)
            request_id = unfinished.call.request_id
            self._explain(session, request_id)
            if in_time:
                failure = session.failure(request_id)
                error_type = failure.error_type
                self._failed(unfinished.call, failure)
            else:
                error_type = None
            await self._end_box(Reason.FAILURE if in_time else Reason.TIMEOUT)
        self._conclude(unfinished.call, unfinished.started, status, error_type)
        self._report()

    def _failed(self, call: Call, reply: Reply) -> None:
        """Have an error looked into, later; what a stop of the server ended is nobody's."""
        if self._aborted:
            return
        self._journal.drain()
        journal, tail = self._journal, self._journal.tail()
        self._ground.failing.add(
            Failed(self.function, call.function_arn, call.request_id, reply, tail, journal.blame)
        )

    def _explain(self, session: Session, request_id: str) -> None:
        """The log's line about a session that broke."""
        if session.extensions.fault is not None:
            self._journal.remark(session.explained(request_id))
        elif session.exit_code is not None:
            self._journal.exited(request_id, session.exit_code)

    async def _begin_anew(self, call: Call, until: float) -> Reply | None:
        """Initialise again, as part of an invocation; the reply if that fails too."""
        if self._furnished.unstartable is not None:
            return report.invalid_entrypoint(call.request_id, self._furnished.unstartable)
        await self._end_box(None)
        if not await self._init(until - time.monotonic(), invoking=True):
            await self._end_box(Reason.TIMEOUT)
            return report.timed_out(call.request_id, self.function.timeout)
        session = self._session
        assert session is not None
        if self.state is not EnvironmentState.FAILED:
            return None
        if session.init_error is None or session.extensions.fault is not None:
            self._explain(session, call.request_id)
        await self._end_box(Reason.FAILURE)
        if session.init_error is not None and session.extensions.fault is None:
            return session.init_error
        return session.failure(call.request_id)

    async def _run(self, call: Call, until: float) -> tuple[Reply, str | None]:
        """Give the event to the runtime and wait; the reply, and the status for REPORT if odd."""
        session = self._session
        assert session is not None
        self._go(EnvironmentEvent.INVOKE)
        left = max(0.0, until - time.monotonic())
        event = Event(
            request_id=call.request_id,
            payload=call.payload,
            deadline_ms=int((time.time() + left) * 1000),
            function_arn=call.function_arn,
            trace_id=call.trace_id,
            client_context=call.client_context,
            sink=call.sink,
        )
        self._request_id = call.request_id
        self._timed_out = False
        self._journal.tell_start(call.request_id, call.trace_id)
        began = time.monotonic()
        self._answer = answer = session.invoke(event)
        timer = asyncio.get_running_loop().call_later(left, self._time_out, answer)
        self._ground.watch.add(self)
        try:
            reply = await answer
        finally:
            self._answer = None
            timer.cancel()
            self._ground.watch.discard(self)
        self._journal.runtime_done(
            call.request_id,
            call.trace_id,
            (self._outcome(session, reply), reply.error_type),
            time.monotonic() - began,
            len(reply.payload),
        )
        if reply is TRUNCATED:
            reply = await self._why_truncated(session)
        elif not self._timed_out and not session.is_broken:
            self._go(EnvironmentEvent.ANSWERED)
            if not session.has_extensions:
                self._go(EnvironmentEvent.FREE)
            return reply, None
        unserved = not self._timed_out and session.api.undelivered
        if not self._timed_out and not unserved:
            self._explain(session, call.request_id)
        self._go(EnvironmentEvent.FAULT)
        await self._end_box(Reason.TIMEOUT if self._timed_out else Reason.FAILURE)
        return reply, UNSERVED if unserved else TIMEOUT if self._timed_out else ERROR

    def _outcome(self, session: Session, reply: Reply) -> str:
        if self._timed_out:
            return TIMEOUT
        if session.is_broken:
            return "failure"
        return "success" if reply.error_type is None else ERROR

    async def _why_truncated(self, session: Session) -> Reply:
        """The answer for a stream that broke off: a runtime that ends loses its connection first."""
        await asyncio.wait((session.crew.runtime_ended,), timeout=END_SECONDS)
        return session.failure(self._request_id) if session.is_broken else TRUNCATED

    def _time_out(self, answer: asyncio.Future[Reply]) -> None:
        if not answer.done():
            self._timed_out = True
            answer.set_result(report.timed_out(self._request_id, self.function.timeout))

    def _session_changed(self) -> None:
        """A process of the box is gone, or says that it has failed; whoever waits learns why."""
        session = self._session
        if session is None or not session.is_broken:
            return
        answer = self._answer
        idle = self.state is EnvironmentState.IDLE
        if answer is not None and not answer.done():
            answer.set_result(session.failure(self._request_id))
        elif idle:
            # Nobody waits for this box: those who are left in it are told now, and end.
            self._go(EnvironmentEvent.FAULT)
            self._session = None
            ending = self._end_session(session, Reason.FAILURE)
            self._ending = asyncio.get_running_loop().create_task(ending)
        if idle and self.on_death is not None:
            self.on_death()

    def memory_charged(self) -> int:
        scales = self._session and self._session.scales
        return scales.charged() if scales else 0

    def memory_now(self) -> tuple[int, int]:
        scales = self._session and self._session.scales
        memory = scales.now() if scales else NOTHING
        return memory.held, memory.resident

    def out_of_memory(self) -> None:
        self._ground.watch.discard(self)
        log.info("environment %s of %s is over its memory", self.name, self.function.arn)
        if self._session is not None and self._session.crew.started:
            self._session.crew.kill()

    def memory_held(self) -> int:
        """Bytes that the box holds, its files in ``/tmp`` among them. Blocks; for any thread."""
        session = self._session  # another thread may end it meanwhile
        return usage.held(self._group, session.pid if session else None)

    def abort(self) -> None:
        """End what runs, now; an invocation under way is answered as if the runtime was killed.

        Extensions at rest are left to `stop`, which tells them first.
        """
        self._aborted = True
        session = self._session
        if session is None or (self.state is EnvironmentState.IDLE and session.has_extensions):
            return
        if session.crew.started:
            session.crew.kill()

    async def _end_box(self, reason: Reason | None) -> None:
        """End the box and wait until the kernel has cleared it away; the room stays."""
        ending, self._ending = self._ending, None
        if ending is not None:
            await ending
        session, self._session = self._session, None
        if session is not None:
            await self._end_session(session, reason)

    async def _end_session(self, session: Session, reason: Reason | None) -> None:
        await session.end(reason)
        self._journal.end_processes()

    async def stop(self) -> None:
        """End the environment for good: processes, ``/tmp``, control group, descriptors.

        Whatever of it fails, the rest is given back.
        """
        if self.state in (EnvironmentState.SHUTDOWN, EnvironmentState.ENDED):
            return
        self._go(EnvironmentEvent.STOP)
        self._report()
        self._ground.watch.discard(self)
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self._exited)
            stack.push_async_callback(asyncio.to_thread, self._ground.holding.release, self._held)
            stack.callback(self._journal.close)
            if self._group is not None:
                stack.push_async_callback(self._ground.reserve.leave, self._group)
            stack.push_async_callback(self._leave_room)
            await self._end_box(Reason.SPINDOWN)

    def _exited(self) -> None:
        if self.state is EnvironmentState.SHUTDOWN:  # and not one that was never started
            self._go(EnvironmentEvent.EXITED)

    async def _leave_room(self) -> None:
        with contextlib.suppress(SandboxFailed):
            await self._ground.reserve.drop(self._place)
            if self._room is not None:
                await self._ground.spawner.leave(self._room)

    def _go(self, event: EnvironmentEvent) -> None:
        self.state = step(ENVIRONMENT, self.state, event)


def _status(reply: Reply | None) -> str | None:
    """REPORT's status of an invocation that ended before it reached the runtime."""
    if reply is None:
        return None
    return TIMEOUT if reply.error_type == report.TIMED_OUT else ERROR
