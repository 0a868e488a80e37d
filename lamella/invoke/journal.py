"""What is written of one environment: its log, in the format of its function, and telemetry.

The platform's own events are lines of text (`lamella.invoke.report`) or JSON records
(`lamella.invoke.happenings`); subscribers of telemetry get the records in either case, and all of
them: levels are about the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import orjson

from lamella.invoke import happenings, levels, report
from lamella.invoke.frames import Printed
from lamella.invoke.furnish import Furnished, runtime_version
from lamella.invoke.output import Output
from lamella.invoke.restoring import RESTORE, SNAPSHOT, aws_phase
from lamella.logs.append import LogStream
from lamella.model.function import Function
from lamella.runtime_api.telemetry import Telemetry, written
from lamella.sandbox.box import Pipe

TIMEOUT = "timeout"


class Journal:
    """Writes down an environment's life. `listen` names the telemetry of the box that runs."""

    def __init__(self, function: Function, furnished: Furnished, stream: LogStream) -> None:
        self.function = function
        self._stream = furnished.stream
        self._kind = furnished.plan.environment["AWS_LAMBDA_INITIALIZATION_TYPE"]
        self._init_start = furnished.init_start
        self._is_json = function.log_format == "JSON"
        self._least = levels.LEVELS[function.system_log_level or "INFO"]
        self._telemetry: Telemetry | None = None
        self._is_invoking = False
        self._output = Output(stream, framed=True, keeps=_kept(function))
        # What extensions print is told apart; without them there is nothing to tell.
        self._theirs = Output(stream) if furnished.extensions else None

    @property
    def writers(self) -> tuple[int, int, int]:
        """The descriptors for the runtime's output, its frames and the extensions' output."""
        theirs = self._theirs or self._output
        return self._output.writer, self._output.frames, theirs.writer

    def adopt(self, pipe: Pipe | None) -> None:
        """The processes to come write to a pipe that is there already, if there is one."""
        if pipe is not None:
            self._output.adopt(pipe)

    def drain(self) -> None:
        """Take in what has been printed so far."""
        self._output.drain()
        if self._theirs is not None:
            self._theirs.drain()

    def end_processes(self) -> None:
        """Everybody who wrote is gone."""
        self._output.end_process()
        if self._theirs is not None:
            self._theirs.end_process()

    def tail(self) -> bytes:
        """The last 4 KB of the invocation's log."""
        return self._output.tail()

    def forget_tail(self) -> None:
        """The invocation whose log that was is over."""
        self._is_invoking = False
        self._output.forget_tail()

    def close(self) -> None:
        self._output.close()
        if self._theirs is not None:
            self._theirs.close()

    def listen(self, telemetry: Telemetry) -> None:
        """Tell the subscribers of a new box what happens from now on."""
        self._telemetry = telemetry
        telemetry.subscribed = self._subscribed
        self._output.heard = partial(self._hear, telemetry, "function")
        if self._theirs is not None:
            self._theirs.heard = partial(self._hear, telemetry, "extension")

    def init_start(self, phase: str) -> None:
        """``phase`` is AWS's ``init`` or ``invoke``, or one of `lamella.invoke.restoring`."""
        runtime = runtime_version(self.function)
        if phase == RESTORE:
            self._happened(
                "platform.restoreStart",
                lambda: happenings.restore_start(self.function, runtime, self._stream),
                lambda: report.restore_start(*runtime),
            )
        else:
            told = (self._kind, aws_phase(phase))
            self._happened(
                "platform.initStart",
                lambda: happenings.init_start(self.function, *told, runtime, self._stream),
                lambda: self._init_start,
            )
        if not self._is_invoking:
            self._output.forget_tail()

    def init_done(
        self,
        extensions: Iterable[tuple[str, str, tuple[str, ...]]],
        phase: str,
        seconds: float,
        error_type: str | None,
        *,
        in_time: bool,
    ) -> None:
        """``extensions`` are the names, states and events of those that registered."""
        self.drain()
        for each in extensions:
            self._happened(
                "platform.extension",
                partial(happenings.extension, *each),
                partial(report.extension, *each),
            )
        if phase == RESTORE:
            self._restore_done(seconds, error_type, in_time=in_time)
            return
        told = (self._kind, aws_phase(phase))
        self._happened(
            "platform.initRuntimeDone",
            lambda: happenings.init_runtime_done(*told, error_type, in_time=in_time),
        )
        line: Callable[[], str] | None = None
        if error_type is not None or not in_time:
            line = partial(report.init_report, seconds, told[1], error_type)
        elif phase == SNAPSHOT:
            line = partial(report.snapshot_report, seconds)
        self._happened(
            "platform.initReport",
            lambda: happenings.init_report(*told, seconds, error_type, in_time=in_time),
            line,
        )

    def _restore_done(self, seconds: float, error_type: str | None, *, in_time: bool) -> None:
        self._happened(
            "platform.restoreRuntimeDone",
            lambda: happenings.restore_runtime_done(error_type, in_time=in_time),
        )
        self._happened(
            "platform.restoreReport",
            lambda: happenings.restore_report(seconds, error_type, in_time=in_time),
            lambda: report.restore_report(seconds, error_type, in_time=in_time),
        )

    def start(self, request_id: str, trace: str) -> None:
        """An invocation begins: the log's line; see `tell_start`."""
        self._is_invoking = True
        self._output.drain()
        if self._is_json:
            traced = trace if self._is_traced else None
            record = happenings.start(request_id, self.function.version, traced)
            self._log("platform.start", record)
        else:
            self._output.say(report.start(request_id, self.function.version))

    def tell_start(self, request_id: str, trace: str) -> None:
        """An invocation is given to a box: tell its subscribers."""
        telemetry = self._telemetry
        if telemetry is not None and telemetry.wanted:
            record = happenings.start(request_id, self.function.version, trace)
            telemetry.publish("platform.start", record)

    def runtime_done(
        self,
        request_id: str,
        trace: str,
        outcome: tuple[str, str | None],
        seconds: float,
        produced: int,
    ) -> None:
        """The runtime has answered: ``outcome`` is a status and the type of an error."""
        self.drain()
        self._happened(
            "platform.runtimeDone",
            lambda: happenings.runtime_done(request_id, trace, outcome, seconds, produced),
        )

    def report(self, done: happenings.Done) -> None:
        """An invocation is over."""
        self.drain()
        if done.status == TIMEOUT:
            now = datetime.now(UTC)
            self._output.say(report.timeout_line(done.request_id, self.function.timeout, now))
        self._happened("platform.report", lambda: happenings.report(done, self.function))
        if not self._is_json:
            self._output.say(report.end(done.request_id))
            size = self.function.memory_size
            self._output.say(report.report(done, size, traced=self._is_traced))

    def exited(self, request_id: str, code: int) -> None:
        """The runtime ended before it answered; records say so in their own way."""
        if not self._is_json:
            self._output.say(report.exit_line(request_id, code))

    def remark(self, line: str) -> None:
        """A line of the server's own words, whatever the format."""
        self._output.say(line)

    def blame(self, line: str, record: happenings.Record) -> None:
        """Say where an error came from, in the log's format; also when all processes are gone."""
        if self._is_json:
            line = written("lamella.layerError", record).decode() + "\n"
        self._output.note(line)

    @property
    def _is_traced(self) -> bool:
        return self.function.tracing_mode == "Active"

    def _happened(
        self,
        kind: str,
        record: Callable[[], happenings.Record],
        line: Callable[[], str] | None = None,
    ) -> None:
        """Write an event down; its record is made only for those who take it."""
        telemetry = self._telemetry
        wanted = telemetry is not None and telemetry.wanted
        if wanted or self._is_json:
            made = record()
            if telemetry is not None and wanted:
                telemetry.publish(kind, made)
            if self._is_json:
                self._log(kind, made)
        if line is not None and not self._is_json:
            self._output.say(line())

    def _log(self, kind: str, record: happenings.Record) -> None:
        if levels.of_platform(kind, record) >= self._least:
            self._output.say(written(kind, record).decode() + "\n")

    def _subscribed(self, record: happenings.Record) -> None:
        if self._is_json:
            self._log("platform.telemetrySubscription", record)
        else:
            self._output.say(report.subscription(record["name"], record["types"]))

    def _hear(self, telemetry: Telemetry, kind: str, line: str) -> None:
        if not telemetry.wanted:
            return
        found: dict[str, Any] | None = levels.json_object(line) if self._is_json else None
        try:
            telemetry.publish(kind, line if found is None else found)
        except orjson.JSONEncodeError:
            # An object that is nested too deep to be part of a record stays text.
            telemetry.publish(kind, line)


def _kept(function: Function) -> Callable[[Printed], bool] | None:
    """Which of the events that ``function`` prints are logged; None: all of them."""
    least = levels.LEVELS[function.application_log_level or "INFO"]
    if function.log_format != "JSON" or least == levels.TRACE:
        return None
    return lambda printed: levels.of_event(printed) >= least
