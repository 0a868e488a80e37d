"""The box in which an environment can begin: what it shares with those of other functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from lamella.model.function import Function
from lamella.runtimes import waiting
from lamella.runtimes.start import TASK
from lamella.sandbox.plan import BoxPlan

OPT = "/opt"
ROOM_BYTES = 65_536
"""Nothing is written there: the environment's own ``/tmp`` covers it."""


def ahead(function: Function, plan: BoxPlan) -> BoxPlan | None:
    """The plan of a box that can be there before the one of ``plan``; None if none can.

    Python is left to processes that fork. A network is set up for a box that has not begun.
    """
    if (function.runtime or "").startswith("python") or plan.network is not None:
        return None
    if waiting.may_start(function, plan.overlays[OPT], plan.overlays[TASK]):
        argv, environment = plan.argv, waiting.begins_with(plan.environment)
        overlays: Mapping[str, tuple[Path, ...]] = {**plan.overlays, OPT: (), TASK: ()}
    else:
        argv, environment = waiting.SHELL, {}
        overlays = dict.fromkeys(plan.overlays, ())
    return replace(
        plan,
        name="",
        argv=argv,
        environment=environment,
        overlays=overlays,
        limits=replace(plan.limits, tmp=ROOM_BYTES),
    )
