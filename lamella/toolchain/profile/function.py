"""The price of a function's cold start, and whose it is: its layers', its own, the language's.

A copy of the function is started, cold start after cold start; the function itself is never
touched. Which function it is, and how the price is shown, is left to the commands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from lamella.toolchain.profile.laboratory import ColdStart, Laboratory, beside
from lamella.toolchain.profile.layer import Layer
from lamella.toolchain.profile.trace import (
    Spent,
    Trace,
    Whose,
    by_owner,
    medians,
    owners,
    spent,
)

PLAIN, PRELOADED = "plain", "preloaded"
PRELOAD_TAG = "lamella:preload"
TIMEOUT = 900

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Subject:
    """A function to be measured: the name it is shown by, GetFunction's ``Configuration``, its
    zip, and its layers in the order listed."""

    name: str
    configuration: Mapping[str, Any]
    code: bytes
    layers: tuple[Layer, ...]

    @property
    def runtime(self) -> str:
        return str(self.configuration.get("Runtime", ""))

    @property
    def handler(self) -> str:
        return str(self.configuration.get("Handler", ""))


@dataclass(frozen=True, slots=True)
class Way:
    """Cold starts of one kind, and whose the times are. All are medians in milliseconds:
    ``cold`` is what a cold start adds to a call, ``owners`` what loading the handler took of it,
    ``rest`` what is left: the box, the interpreter and the runtime client. ``trace`` is that of
    the start in the middle, ``spent`` its imports."""

    title: str
    starts: tuple[ColdStart, ...]
    cold: float
    warm: float
    owners: Mapping[str, float]
    rest: float
    trace: Trace
    spent: tuple[Spent, ...]


@dataclass(frozen=True, slots=True)
class FunctionPrice:
    """What a function's cold start costs, in each way."""

    subject: Subject
    ways: tuple[Way, ...]

    @property
    def error(self) -> str | None:
        """Why the handler could not be loaded, if it could not."""
        return next((way.trace.error for way in self.ways if way.trace.error is not None), None)


def price(
    laboratory: Laboratory, subject: Subject, ways: Sequence[str], *, runs: int, say: Say
) -> FunctionPrice:
    """Measure ``runs`` cold starts in each of ``ways`` (`PLAIN`, `PRELOADED`), in turns.

    Raises WentWrong and NotMeasured.
    """
    say("make a copy of the function")
    arns = [laboratory.publish(each.content) for each in subject.layers]
    code = beside(subject.code, subject.handler)
    for way in ways:
        more = _members(subject.configuration, way, tagged=PRELOADED in ways)
        laboratory.copy(way, subject.runtime, code, arns, more)
    starts: dict[str, list[ColdStart]] = {way: [] for way in ways}
    turn = 0
    for run in range(runs):
        for way, known in starts.items():
            turn += 1
            say(f"cold start, {way}, {run + 1} of {runs}")
            known.append(laboratory.cold_start(way, turn))
    whose = owners({each.name: each.manifest for each in subject.layers})
    return FunctionPrice(subject, tuple(_way(way, known, whose) for way, known in starts.items()))


def _members(about: Mapping[str, Any], way: str, *, tagged: bool) -> dict[str, Any]:
    """Of a function's configuration, what its initialisation may depend on."""
    members = {each: about[each] for each in ("MemorySize", "EphemeralStorage") if each in about}
    variables = about.get("Environment", {}).get("Variables")
    if variables:
        members["Environment"] = {"Variables": variables}
    if about.get("LoggingConfig", {}).get("LogFormat") == "JSON":
        members["LoggingConfig"] = {"LogFormat": "JSON"}
    if tagged and way == PLAIN:
        members["Tags"] = {PRELOAD_TAG: "off"}
    return {**members, "Timeout": TIMEOUT}


def _way(title: str, starts: Sequence[ColdStart], whose: Whose) -> Way:
    each = [by_owner(spent(start.trace, whose)) for start in starts]
    chosen = _middle(starts).trace
    return Way(
        title=title,
        starts=tuple(starts),
        cold=median([start.cold for start in starts]),
        warm=median([start.warm for start in starts]),
        owners=medians(each),
        rest=median([max(0.0, start.cold - start.trace.took) for start in starts]),
        trace=chosen,
        spent=spent(chosen, whose),
    )


def _middle(starts: Sequence[ColdStart]) -> ColdStart:
    failed = next((start for start in starts if start.trace.error is not None), None)
    if failed is not None:
        return failed
    return sorted(starts, key=lambda start: start.trace.took)[(len(starts) - 1) // 2]
