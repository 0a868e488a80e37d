"""Which box an environment can begin in, and which of them environments share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lamella.invoke.ahead import ahead
from lamella.invoke.ready import kind
from lamella.model.function import Function
from lamella.runtimes import waiting
from lamella.sandbox.network import Network
from lamella.sandbox.plan import BoxPlan, Limits
from tests.unit.runtimes.test_start import FUNCTION

NODE = replace(FUNCTION, runtime="nodejs20.x")
PLAN = BoxPlan(
    name="e1",
    argv=("/var/lang/bin/node", "--max-old-space-size=116", "/var/runtime/bootstrap.cjs"),
    environment={
        "PATH": "/bin",
        "NODE_PATH": "/opt",
        "_HANDLER": "a.b",
        "AWS_LAMBDA_RUNTIME_API": "a:1",
    },
    limits=Limits(memory=128, tmp=512),
    overlays={
        "/opt": (Path("/l/2"), Path("/l/1")),
        "/var/task": (Path("/c"),),
        "/x": (Path("/y"),),
    },
    binds={"/var/runtime": Path("/r")},
    directory="/var/task",
    listen=(9001,),
)


def made(function: Function = NODE, plan: BoxPlan = PLAN) -> BoxPlan:
    box = ahead(function, plan)
    assert box is not None
    return box


def test_it_shows_and_knows_nothing_of_a_function() -> None:
    box = made()
    assert box.overlays == {"/opt": (), "/var/task": (), "/x": (Path("/y"),)}
    assert box.environment == {"_LAMELLA_WAITS": "a:1", "PATH": "/bin", "NODE_PATH": "/opt"}
    assert (box.argv, box.binds, box.listen) == (PLAN.argv, PLAN.binds, PLAN.listen)


def test_other_functions_share_it() -> None:
    other = replace(
        PLAN,
        name="e2",
        environment={**PLAN.environment, "_HANDLER": "c.d", "MORE": "x"},
        overlays={**PLAN.overlays, "/opt": (), "/var/task": (Path("/d"),)},
        limits=replace(PLAN.limits, tmp=10_240),
    )
    function = replace(NODE, name="other", account="111111111111")
    assert kind(made(function, other)) == kind(made())


@pytest.mark.parametrize(
    "other",
    [
        replace(PLAN, argv=(*PLAN.argv, "more")),
        replace(PLAN, environment={**PLAN.environment, "PATH": "/usr/bin"}),
        replace(PLAN, overlays={**PLAN.overlays, "/x": (Path("/z"),)}),
        replace(PLAN, binds={"/var/runtime": Path("/s")}),
        replace(PLAN, limits=replace(PLAN.limits, memory=256)),
        replace(PLAN, listen=(9001, 9002)),
    ],
)
def test_what_cannot_be_changed_later_makes_another_kind(other: BoxPlan) -> None:
    assert kind(made(plan=other)) != kind(made())


def test_where_the_interpreter_cannot_have_begun_a_shell_waits() -> None:
    wrapped = replace(NODE, environment={"NODE_OPTIONS": "--require /opt/x.js"})
    for function in (wrapped, replace(NODE, runtime="java21"), replace(NODE, runtime="provided")):
        box = made(function)
        assert (box.argv, box.environment) == (waiting.SHELL, {})
        assert box.overlays == {"/opt": (), "/var/task": (), "/x": ()}


def test_python_and_boxes_with_a_network_begin_by_themselves() -> None:
    assert ahead(replace(NODE, runtime="python3.11"), PLAN) is None
    assert ahead(NODE, replace(PLAN, network=Network())) is None
