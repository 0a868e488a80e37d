"""The tables of lives: what leads where, and that nothing is unreachable."""

from __future__ import annotations

import pytest

from lamella.model.lifecycle import (
    ENVIRONMENT,
    RUNTIME,
    EnvironmentEvent,
    EnvironmentState,
    IllegalTransition,
    RuntimeEvent,
    RuntimeState,
    step,
)


def test_a_runtime_answers_and_asks_again() -> None:
    state = RuntimeState.STARTED
    for event in (
        RuntimeEvent.NEXT,
        RuntimeEvent.DELIVERED,
        RuntimeEvent.RESPONSE,
        RuntimeEvent.SENT,
        RuntimeEvent.NEXT,
    ):
        state = step(RUNTIME, state, event)
    assert state is RuntimeState.READY


def test_an_environment_that_failed_starts_anew() -> None:
    state = EnvironmentState.INVOKE
    for event in (EnvironmentEvent.FAULT, EnvironmentEvent.START, EnvironmentEvent.INITIALISED):
        state = step(ENVIRONMENT, state, event)
    assert state is EnvironmentState.IDLE


@pytest.mark.parametrize(
    ("before", "event"),
    [
        (RuntimeState.STARTED, RuntimeEvent.INIT_ERROR),
        (RuntimeState.RUNNING, RuntimeEvent.RESPONSE),
        (RuntimeState.RUNNING, RuntimeEvent.ERROR),
    ],
)
def test_what_was_cut_off_can_be_said_again(before: RuntimeState, event: RuntimeEvent) -> None:
    assert step(RUNTIME, step(RUNTIME, before, event), RuntimeEvent.CUT) is before


def test_an_illegal_event_names_itself_and_the_state() -> None:
    with pytest.raises(IllegalTransition, match="response is not allowed in state Ready"):
        step(RUNTIME, RuntimeState.READY, RuntimeEvent.RESPONSE)


def test_every_state_is_reached() -> None:
    assert {RuntimeState.STARTED, *RUNTIME.values()} == set(RuntimeState)
    assert set(ENVIRONMENT.values()) == set(EnvironmentState) - {EnvironmentState.NEW}
