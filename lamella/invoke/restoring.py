"""What SnapStart changes about the start of an environment: the phase it is in, and what may fail.

An environment of a version with SnapStart is restored, where there is a snapshot; what was begun
otherwise goes the same way in one go: initialisation, the hooks before a snapshot, those after it.
`lamella.invoke.snapshot` makes snapshots.

Source: https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from lamella.errors import ApiError, SnapshotFailed, SnapStartFailed, SnapStartTimeout
from lamella.invoke.furnish import Furnished
from lamella.invoke.happenings import Restored
from lamella.model.function import Function
from lamella.model.limits import INIT_SECONDS, PROVISIONED_INIT_SECONDS
from lamella.runtime_api.restore import Stage
from lamella.runtime_api.telemetry import written
from lamella.runtimes.forking import Plain
from lamella.runtimes.start import WRAPPER
from lamella.sandbox.box import Box
from lamella.sandbox.cgroup import NOTHING
from lamella.sandbox.reserve import Place

INIT, INVOKE = "init", "invoke"
SNAPSHOT: Final = "snapshot"
RESTORE: Final = "restore"
RESTORE_SECONDS: Final = 10.0
REASON_CHARACTERS: Final = 500
TIMEOUT = "FunctionError.InitTimeout"
EXHAUSTED = "FunctionError.InitResourceExhausted"
RUNTIME = "FunctionError.RuntimeInitError"
EXTENSION = "FunctionError.ExtensionInitError"
TOO_MANY = "FunctionError.TooManyExtensions"


def aws_phase(phase: str) -> str:
    """The name that AWS has for a phase in which something is initialised."""
    return INIT if phase == SNAPSHOT else phase


def seconds(function: Function, place: Place | None, *, provisioned: bool) -> float:
    """How long the first start in ``place`` may take; None is one of which nothing is there.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
    """
    if place is not None and place.restores:
        return RESTORE_SECONDS
    if not (provisioned or function.has_snapshot):
        return INIT_SECONDS
    return max(PROVISIONED_INIT_SECONDS, function.timeout)


def begun(furnished: Furnished, place: Place | None, *, invoking: bool) -> tuple[Furnished, str]:
    """What a box that begins in ``place`` is furnished with, and the phase that begins with it."""
    about = furnished.restore
    if about is not None and place is not None and place.restores:
        restored = replace(about, stage=Stage.RESTORED)
        return replace(furnished, restore=restored), RESTORE
    if about is not None and about.stage is Stage.SNAPSHOT:
        return furnished, SNAPSHOT
    return furnished, INVOKE if invoking else INIT


def durations(
    phase: str, began: float, made: float, ended: float
) -> tuple[float | None, Restored | None]:
    """What REPORT says of a start, by moments: when it began, when there was a process, and when
    that was ready. Of what an invocation has begun anew it says nothing."""
    if phase == RESTORE:
        return None, Restored(ended - began, ended - made)
    return (None if phase == INVOKE else ended - began), None


def was_lost(phase: str, box: Box) -> bool:
    """Whether a fork was lost, and has been replaced by a box that has everything before it."""
    return phase == RESTORE and box.base is NOTHING


def tell(place: Place | None, phase: str, *, has_ended: bool, failed: bool) -> None:
    """Tell whoever made a fork that it has ended before its hooks were done. One that ``failed``, and
    has said so, is the function's own business."""
    is_spoilt = phase == RESTORE and has_ended and not failed
    if is_spoilt and place is not None and place.spoilt is not None:
        place.spoilt()


def fault(phase: str, *, failed: bool, in_time: bool) -> ApiError | None:
    """What the caller of an invocation is told of a start that did not go well, where it is not left
    to the invocation. ``failed`` says that the runtime has reported an error of its hooks."""
    if failed:
        return SnapStartFailed()
    return SnapStartTimeout() if phase == RESTORE and not in_time else None


def obstacle(function: Function, furnished: Furnished) -> Plain | None:
    """Why there can be no snapshot of ``function``; None if there can."""
    if WRAPPER in (function.environment or {}):
        return Plain.WRAPPER
    if furnished.extensions:
        return Plain.EXTENSIONS
    if furnished.plan.network is not None:
        return Plain.NETWORK
    return Plain.TAG if furnished.plain is Plain.TAG else None


def failed(kind: str, message: str) -> SnapshotFailed:
    """What a version is refused with that could not be initialised: the type of its error, empty if
    it took too long, and what was said."""
    code = RUNTIME
    if not kind:
        code = TIMEOUT
    elif kind == "Extension.TooManyExtensions":
        code = TOO_MANY
    elif kind.startswith("Extension."):
        code = EXTENSION
    elif kind == "Runtime.ExitError" and message.endswith("signal: killed"):
        code = EXHAUSTED
    said = sentence(": ".join(each for each in (kind, message) if each))
    return SnapshotFailed(code, f"The function could not be initialized: {said}")


def remark(function: Function, why: str) -> str:
    """The line in a function's log that says that there is no snapshot of it."""
    if function.log_format == "JSON":
        return written("lamella.noSnapshot", {"reason": why}).decode() + "\n"
    return f"LAMELLA Environments of this version are initialized one by one: {why}\n"


def sentence(text: str) -> str:
    """A text from a box that may be shown: one line, not long."""
    return "".join(each if each.isprintable() else " " for each in text[:REASON_CHARACTERS])
