"""Draw the lives of ``lamella.model.lifecycle`` into ``docs/environment.md``, between their marks.

Run it after a change of the tables: ``.venv/bin/python scripts/lifecycle_page.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from lamella.model.lifecycle import ENVIRONMENT, EXTENSION, RUNTIME

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)

PAGE = Path(__file__).resolve().parent.parent / "docs" / "environment.md"
BEGIN = "<!-- life of {}: drawn from lamella/model/lifecycle.py by scripts/lifecycle_page.py -->\n"
END = "<!-- end of the life of {} -->\n"


def diagram(table: Mapping[tuple[S, E], S]) -> str:
    """The table as a Mermaid diagram; one arrow holds all events between the same two states."""
    arrows: dict[tuple[S, S], list[str]] = {}
    for (state, event), after in table.items():
        arrows.setdefault((state, after), []).append(event.value)
    states = _states(table)
    left = {state for state, _ in table}
    lines = ["stateDiagram-v2", f"    [*] --> {states[0].value}"]
    lines += [f"    {a.value} --> {b.value}: {', '.join(by)}" for (a, b), by in arrows.items()]
    lines += [f"    {state.value} --> [*]" for state in states if state not in left]
    return "\n".join(["```mermaid", *lines, "```"]) + "\n"


def grid(table: Mapping[tuple[S, E], S]) -> str:
    """The table as one: a row for each state, a column for each event; blank is illegal."""
    events = list(dict.fromkeys(event for _, event in table))
    rows = [["in", *(event.value for event in events)], ["---"] * (len(events) + 1)]
    for state in _states(table):
        after = (table.get((state, event)) for event in events)
        rows.append([f"**{state.value}**", *("" if to is None else to.value for to in after)])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _states(table: Mapping[tuple[S, E], S]) -> list[S]:
    """Every state that the table names, in the order of its enumeration: the first is the start."""
    named = {state for (before, _), after in table.items() for state in (before, after)}
    kind = type(next(iter(named)))
    return [state for state in kind if state in named]


def _drawn(page: str, name: str, table: Mapping[tuple[S, E], S]) -> str:
    begin, end = BEGIN.format(name), END.format(name)
    before, _, rest = page.partition(begin)
    _, mark, after = rest.partition(end)
    if not mark:
        raise ValueError(f"{PAGE.name} lacks the marks of the life of {name}")
    return f"{before}{begin}\n{diagram(table)}\n{grid(table)}\n{end}{after}"


def with_lives(page: str) -> str:
    """``page`` with every life as its table is now. ValueError if a mark is missing."""
    page = _drawn(page, "the environment", ENVIRONMENT)
    page = _drawn(page, "the runtime", RUNTIME)
    return _drawn(page, "an extension", EXTENSION)


if __name__ == "__main__":
    PAGE.write_text(with_lives(PAGE.read_text()))
