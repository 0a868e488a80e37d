"""The price of a function's cold start, and whose it is: its layers', its own, the language's.

A copy of the function is started, cold start after cold start; the function itself is never
touched. Which function it is, and how the price is shown, is left to the commands.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from lamella.toolchain.fetch import Function
from lamella.toolchain.profile.laboratory import ColdStart, Laboratory, beside
from lamella.toolchain.profile.layer import Layer
from lamella.toolchain.profile.trace import (
    Spent,
    Trace,
    Whose,
    by_owner,
    middle,
    owners,
    spent,
)

PLAIN, PRELOADED = "plain", "preloaded"
PRELOAD_TAG = "lamella:preload"
TIMEOUT = 900
LEARN_SECONDS = 30.0
LEAST_STARTS = 5

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Subject:
    """A function to be measured: the name it is shown by, what GetFunction tells of it, and its
    layers in the order listed."""

    name: str
    function: Function
    layers: tuple[Layer, ...]

    @property
    def runtime(self) -> str:
        return str(self.function.configuration.get("Runtime", ""))

    @property
    def is_preloaded(self) -> bool:
        """Whether it lets a server import ahead what it imports."""
        return self.function.tags.get(PRELOAD_TAG) != "off"

    @property
    def handler(self) -> str:
        return str(self.function.configuration.get("Handler", ""))


@dataclass(frozen=True, slots=True)
class Way:
    """Cold starts of one kind, and whose the times are, in milliseconds.

    ``cold`` is what a cold start added to a call, ``owners`` what loading the handler took of it,
    ``rest`` what is left: the box, the interpreter and the runtime client; all these, ``trace``
    and its imports, ``spent``, are those of the start in the middle. ``warm`` is a median.
    """

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

    A way in which the server turns out to import nothing ahead is left out. Raises WentWrong and
    NotMeasured.
    """
    say("make a copy of the function")
    arns = [laboratory.publish(each.content) for each in subject.layers]
    code = beside(subject.function.code, subject.runtime, subject.handler)
    for way in ways:
        more = _members(subject.function.configuration, way, tagged=PRELOADED in ways)
        laboratory.copy(way, subject.runtime, code, arns, more)
    if PRELOADED in ways and not _gets_warm(laboratory, subject, say):
        ways = [way for way in ways if way != PRELOADED]
    starts: dict[str, list[ColdStart]] = {way: [] for way in ways}
    for run in range(runs):
        for way, known in starts.items():
            say(f"cold start, {way}, {run + 1} of {runs}")
            known.append(laboratory.cold_start(way))
    whose = owners({each.name: each.manifest for each in subject.layers})
    return FunctionPrice(subject, tuple(_way(way, known, whose) for way, known in starts.items()))


def _gets_warm(laboratory: Laboratory, subject: Subject, say: Say) -> bool:
    """Whether the server begins to start the copy with what it imports, once it has learned it.

    Seen by what a cold start still imports: less than the first one did. What is made ahead for
    other languages than Python is not seen so; there some starts are all it takes.
    """
    say("wait until the server has learned what it imports")
    first = laboratory.cold_start(PRELOADED).trace
    is_python = subject.runtime.startswith("python")
    if first.error is not None or (is_python and len(first.imports) < 2):
        return False
    until = time.monotonic() + LEARN_SECONDS
    starts = 1
    while starts < LEAST_STARTS or (is_python and time.monotonic() < until):
        starts += 1
        if len(laboratory.cold_start(PRELOADED).trace.imports) < len(first.imports):
            return True
    return not is_python


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
    # The start in the middle is shown whole, because the parts of one add up.
    chosen = starts[middle([replace(start.trace, took=start.cold) for start in starts])]
    imports = spent(chosen.trace, whose)
    loaded = by_owner(imports)
    return Way(
        title=title,
        starts=tuple(starts),
        cold=chosen.cold,
        warm=median([start.warm for start in starts]),
        owners=loaded,
        rest=max(0.0, chosen.cold - sum(loaded.values())),
        trace=chosen.trace,
        spent=imports,
    )
