"""How a measurement is read: times by owner add up, and nothing else passes for one."""

from __future__ import annotations

from typing import Any

import pytest

from lamella.layers.manifest import Entry, Kind, Manifest
from lamella.toolchain.profile.trace import (
    FUNCTION,
    LANGUAGE,
    MODULES,
    RUNTIME,
    NotMeasured,
    Trace,
    by_owner,
    middle,
    owners,
    read,
    spent,
)


def manifest(*paths: str) -> Manifest:
    folders = {path.rpartition("/")[0] for path in paths}
    entries = [Entry(path, Kind.DIR, 0o755) for path in sorted({"python", *folders})]
    return Manifest((*entries, *(Entry(path, Kind.FILE, 0o644) for path in paths)), 0)


WHOSE = owners(
    {
        "below": manifest("python/a/__init__.py", "python/b.py"),
        "above": manifest("python/b.py", "python/c.so"),
    }
)
ANSWER: dict[str, Any] = {
    "seconds": 0.010,
    "imports": [
        ["app", -1, 0.0, 0.009, "/var/task/app.py"],
        ["a", 0, 0.001, 0.006, "/opt/python/a/__init__.py"],
        ["json", 1, 0.002, 0.002, "/usr/lib/python3.11/json/__init__.py"],
        ["missing", 1, 0.005, 0.001, None],
        ["b", 0, 0.008, 0.0005, "/opt/python/b.py"],
    ],
    "error": None,
}


def test_own_times_are_what_is_left_of_what_was_caused() -> None:
    found = spent(read(ANSWER), WHOSE)
    assert [(each.name, round(each.own, 6), each.owner) for each in found] == [
        ("app", 2.5, FUNCTION),
        ("a", 3.0, "below"),
        ("json", 2.0, LANGUAGE),
        ("missing", 1.0, "below"),
        ("b", 0.5, "above"),
    ]
    sums = by_owner(found)
    assert list(sums) == ["below", FUNCTION, LANGUAGE, "above"]
    assert sum(sums.values()) == pytest.approx(9.0)


@pytest.mark.parametrize(
    ("path", "owner"),
    [
        ("/opt/python/b.py", "above"),
        ("/opt/python/a", "below"),
        ("/opt/python/nobody.py", "unknown"),
        ("/var/runtime/bootstrap.py", RUNTIME),
        ("/var/task/a.py", FUNCTION),
        ("esm:", MODULES),
        ("built-in", LANGUAGE),
        ("", LANGUAGE),
    ],
)
def test_a_file_is_its_layers_the_functions_or_the_languages(path: str, owner: str) -> None:
    assert WHOSE(path) == owner


def row(**changes: Any) -> list[Any]:
    fields = {"name": "a", "parent": -1, "began": 0, "took": 0, "origin": "", **changes}
    return list(fields.values())


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {},
        {"imports": [], "seconds": None},
        {"imports": [], "seconds": float("nan")},
        {"imports": [], "seconds": -1},
        {"imports": {}, "seconds": 1},
        {"imports": [[]], "seconds": 1},
        *(
            {"imports": [row(**changes)], "seconds": 1}
            for changes in (
                {"name": 1},
                {"parent": 0},
                {"parent": -2},
                {"began": "1"},
                {"took": float("inf")},
                {"origin": 3},
            )
        ),
    ],
)
def test_what_is_no_measurement_is_refused(answer: Any) -> None:
    with pytest.raises(NotMeasured):
        read(answer)


def test_foreign_text_cannot_steer_a_terminal() -> None:
    hostile = row(name="a\x1b[2J\nb", origin="/opt/\r")
    trace = read({"imports": [hostile], "seconds": 1, "error": "\x1b]0;x\x07" + "y" * 999})
    assert trace.imports[0].name == "a [2J b"
    assert trace.imports[0].origin == "/opt/ "
    assert trace.error is not None
    assert (len(trace.error), trace.error[:5]) == (600, " ]0;x")


def test_a_process_that_ended_has_an_error_and_no_imports() -> None:
    assert read({"error": "it ended"}) == Trace(error="it ended")


def test_the_run_in_the_middle_is_shown_and_an_error_before_all() -> None:
    runs = [Trace(3.0), Trace(1.0), Trace(2.0), Trace(9.0)]
    assert middle(runs) == 2
    assert middle([*runs, Trace(error="no"), Trace(error="never")]) == 4
    assert middle([Trace()]) == 0
