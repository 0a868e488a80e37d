"""Runtimes that AWS has ended, by the day."""

from __future__ import annotations

from datetime import timedelta

import boto3
import pytest

from lamella.functions.ended import AS_OF, CREATION_BLOCKED, has_ended


@pytest.mark.parametrize("runtime", sorted(CREATION_BLOCKED))
def test_a_runtime_ends_on_its_day_and_not_before(runtime: str) -> None:
    day = CREATION_BLOCKED[runtime]
    assert has_ended(runtime, day)
    assert not has_ended(runtime, day - timedelta(days=1))


def test_what_has_ended_by_the_day_of_the_table() -> None:
    ended = {runtime for runtime in CREATION_BLOCKED if has_ended(runtime)}
    assert ended == {
        *("nodejs", "nodejs4.3", "nodejs4.3-edge", "nodejs6.10", "nodejs8.10", "nodejs10.x"),
        *("nodejs12.x", "nodejs14.x", "python2.7", "python3.6", "python3.7", "ruby2.5", "ruby2.7"),
        *("dotnetcore1.0", "dotnetcore2.0", "dotnetcore2.1", "dotnetcore3.1", "go1.x", "java8"),
        "provided",
    }


def test_forecasts_refuse_nothing() -> None:
    later = [runtime for runtime, day in CREATION_BLOCKED.items() if day > AS_OF]
    assert later
    assert not [runtime for runtime in later if has_ended(runtime)]


@pytest.mark.parametrize("runtime", ["python3.14", "provided.al2023", "ruby4.0", None, "made-up"])
def test_others_have_not_ended(runtime: str | None) -> None:
    assert not has_ended(runtime)


def test_every_name_is_one_of_awss() -> None:
    model = boto3.client("lambda", "eu-west-1").meta.service_model
    assert set(model.shape_for("Runtime").enum) >= set(CREATION_BLOCKED)
