"""The lines Lambda itself writes into a function's log, and the bodies of its own errors. Pure.

Source: https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html and LAMBDA.md 5.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Sequence
from datetime import UTC, datetime

import orjson

from lamella.invoke.happenings import Done
from lamella.model.invocation import Reply
from lamella.runtime_api.extensions import Fault

UNHANDLED = "Unhandled"
TIMED_OUT = "Sandbox.Timedout"

_SIGNALS: dict[int, str] = {
    signal.SIGKILL: "killed",
    signal.SIGSEGV: "segmentation fault",
    signal.SIGABRT: "aborted",
    signal.SIGTERM: "terminated",
    signal.SIGBUS: "bus error",
    signal.SIGFPE: "floating point exception",
    signal.SIGILL: "illegal instruction",
    signal.SIGINT: "interrupt",
    signal.SIGHUP: "hangup",
    signal.SIGQUIT: "quit",
    signal.SIGSYS: "bad system call",
    signal.SIGTRAP: "trace/breakpoint trap",
    signal.SIGPIPE: "broken pipe",
    signal.SIGXFSZ: "file size limit exceeded",
}


def init_start(runtime: str, runtime_arn: str) -> str:
    return f"INIT_START Runtime Version: {runtime}\tRuntime Version ARN: {runtime_arn}\n"


def restore_start(runtime: str, runtime_arn: str) -> str:
    """Source: https://docs.aws.amazon.com/lambda/latest/dg/snapstart-monitoring.html"""
    return f"RESTORE_START Runtime Version: {runtime}\tRuntime Version ARN: {runtime_arn}\n"


def restore_report(seconds: float, error_type: str | None, *, in_time: bool) -> str:
    line = f"RESTORE_REPORT Restore Duration: {seconds * 1000:.2f} ms"
    if not in_time:
        return line + "\tStatus: timeout\n"
    return line + ("\n" if error_type is None else f"\tStatus: error\tError Type: {error_type}\n")


def start(request_id: str, version: str) -> str:
    return f"START RequestId: {request_id} Version: {version}\n"


def end(request_id: str) -> str:
    return f"END RequestId: {request_id}\n"


def report(done: Done, memory_size: int, *, traced: bool = False) -> str:
    """The REPORT line; ``memory_size`` is MB. ``traced`` adds the trace, if it was sampled."""
    line = (
        f"REPORT RequestId: {done.request_id}\tDuration: {done.seconds * 1000:.2f} ms\t"
        f"Billed Duration: {done.billed} ms\tMemory Size: {memory_size} MB\t"
        f"Max Memory Used: {min(memory_size, math.ceil(done.memory_used / 1_048_576))} MB\t"
    )
    if done.init_seconds is not None:
        line += f"Init Duration: {done.init_seconds * 1000:.2f} ms\t"
    if done.restored is not None:
        line += f"Restore Duration: {done.restored.seconds * 1000:.2f} ms\t"
        line += f"Billed Restore Duration: {done.restored.billed} ms\t"
    if done.status is not None:
        line += f"Status: {done.status}\t"
        if done.status == "error" and done.error_type is not None:
            line += f"Error Type: {done.error_type}\t"
    return line + "\n" + (_trace(done.trace) if traced else "")


def _trace(header: str) -> str:
    parts = dict(part.strip().partition("=")[::2] for part in header.split(";"))
    if parts.get("Sampled") != "1" or "Root" not in parts:
        return ""
    segment = f"SegmentId: {parts['Parent']}\t" if "Parent" in parts else ""
    return f"XRAY TraceId: {parts['Root']}\t{segment}Sampled: true\t\n"


def extension(name: str, state: str, events: Sequence[str]) -> str:
    return f"EXTENSION\tName: {name}\tState: {state}\tEvents: [{', '.join(events)}]\n"


def subscription(name: str, types: Sequence[str]) -> str:
    told = ", ".join(each.capitalize() for each in types)
    return f"TELEMETRY\tName: {name}\tState: Subscribed\tTypes: [{told}]\n"


def exit_line(request_id: str, code: int) -> str:
    return f"RequestId: {request_id} Error: {exit_reason(code)}\nRuntime.ExitError\n"


def init_report(seconds: float, phase: str, error_type: str | None) -> str:
    """The line of an INIT that failed (``phase``: ``init`` or ``invoke``) or, with no
    ``error_type``, took too long."""
    line = f"INIT_REPORT Init Duration: {seconds * 1000:.2f} ms\tPhase: {phase}\t"
    if error_type is None:
        return line + "Status: timeout\n"
    return line + f"Status: error\tError Type: {error_type}\n"


def snapshot_report(seconds: float) -> str:
    """The line of an INIT that went well when a version with SnapStart was published."""
    return f"INIT_REPORT Init Duration: {seconds * 1000:.2f} ms\n"


def timeout_line(request_id: str, seconds: float, now: datetime) -> str:
    moment = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    return f"{moment}Z {request_id} Task timed out after {seconds:.2f} seconds\n\n"


def timed_out(request_id: str, seconds: float) -> Reply:
    return _fault(
        TIMED_OUT,
        f"RequestId: {request_id} Error: Task timed out after {seconds:.2f} seconds",
    )


def exited(request_id: str, code: int) -> Reply:
    """The answer when the runtime ended before it answered; ``code`` is negative for a signal."""
    return _fault("Runtime.ExitError", f"RequestId: {request_id} Error: {exit_reason(code)}")


def extension_failed(request_id: str, fault: Fault, layer: str | None) -> Reply:
    """The answer when an extension failed; it names the layer version that brought it, if one
    did, which AWS leaves to be guessed."""
    return _fault(
        fault.error_type, f"RequestId: {request_id} Error: {extension_fault(fault, layer)}"
    )


def extension_fault(fault: Fault, layer: str | None) -> str:
    origin = f" of {layer}" if layer else ""
    return f"{fault.message} (extension {fault.name}{origin})"


def exit_reason(code: int) -> str:
    if code == 0:
        return "Runtime exited without providing a reason"
    if code > 0:
        return f"Runtime exited with error: exit status {code}"
    name = _SIGNALS.get(-code, f"signal {-code}")
    return f"Runtime exited with error: signal: {name}"


def message(reply: Reply) -> str:
    """The message of an error that a runtime posted, if it has one."""
    try:
        posted = orjson.loads(reply.payload)
    except orjson.JSONDecodeError:
        return ""
    told = posted.get("errorMessage") if isinstance(posted, dict) else None
    return told if isinstance(told, str) else ""


def invalid_entrypoint(request_id: str, reason: str) -> Reply:
    return _fault("Runtime.InvalidEntrypoint", f"RequestId: {request_id} Error: {reason}")


def _fault(kind: str, message: str) -> Reply:
    return Reply(orjson.dumps({"errorType": kind, "errorMessage": message}), kind)
