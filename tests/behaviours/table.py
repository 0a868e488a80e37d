"""Trying the rows of a column, recording what came out, and the page that shows it."""

from __future__ import annotations

import concurrent.futures
import json
import traceback
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.behaviours import answers, contexts, errors, life, surroundings
from tests.behaviours.bench import Bench
from tests.behaviours.columns import languages
from tests.behaviours.language import Column, Language
from tests.behaviours.rows import ROWS, Row

PARTS = (answers, contexts, errors, surroundings, life)
"""The modules that register the rows, in the order of the page."""

AT_ONCE = 6
LONG = "init timeout"
"""The row that takes ten seconds whatever happens: it begins first."""
RECORD = Path(__file__).parent / "recorded.json"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "behaviours.md"

HEAD = """# How each language behaves

Each cell is a rule of AWS Lambda, tried with a real function on a real server through boto3. **✓** stands where every version of
the language that was tried keeps the rule, **✗** with the versions that do not. **\N{EN DASH}** says that AWS itself has no such thing there.

`make behaviours` tries every cell again on your machine and writes this page. The fast tests try the newest version of each
language but Java, C and Rust (an init of ten seconds in Python alone), `make slow` all of them; both fail when a ✓ here is not true. How interpreters are found is told in
[runtimes.md](runtimes.md).
"""


@dataclass(frozen=True)
class Recorded:
    """What a run of a column showed: by row, whether the rule was kept."""

    interpreter: str
    cells: Mapping[str, bool]


def rows(language: Language) -> list[Row]:
    """The rows that AWS has for a language."""
    return [each for each in ROWS if each.key not in language.absent]


def outcomes(bench: Bench, only: Collection[str] = ()) -> dict[str, str | None]:
    """By row: None where the rule is kept, else what went wrong. ``only`` these, if any."""
    wanted = [each for each in rows(bench.language) if not only or each.key in only]
    wanted.sort(key=lambda each: each.key != LONG)
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        wrong = pool.map(lambda each: _wrong(each, bench), wanted)
        return dict(zip([each.key for each in wanted], wrong, strict=True))


def _wrong(row: Row, bench: Bench) -> str | None:
    try:
        row.check(bench)
    except Exception as error:  # noqa: BLE001 - whatever goes wrong is the cell's result
        return "".join(traceback.format_exception(error, limit=-3))
    return None


def load() -> dict[str, Recorded]:
    """What was recorded, by the column's name."""
    if not RECORD.exists():
        return {}
    found = json.loads(RECORD.read_text())
    return {name: Recorded(each["interpreter"], each["cells"]) for name, each in found.items()}


def save(recorded: Mapping[str, Recorded], order: list[Column]) -> None:
    names = [each.name for each in order if each.name in recorded]
    known = [each.key for each in ROWS]
    told = {
        name: {
            "interpreter": recorded[name].interpreter,
            "cells": {
                key: recorded[name].cells[key] for key in known if key in recorded[name].cells
            },
        }
        for name in names
    }
    RECORD.write_text(json.dumps(told, indent=1) + "\n")


def page(recorded: Mapping[str, Recorded], order: list[Column]) -> str:
    """The page for what was recorded."""
    notes: list[str] = []
    parts = [HEAD]
    for part in dict.fromkeys(each.part for each in ROWS):
        parts.append(f"## {part}\n")
        parts.append(_line("", *(each.title for each in languages())))
        parts.append(_line("---", *("---" for _ in languages())))
        for each in ROWS:
            if each.part == part:
                cells = [_cell(each, language, recorded, order, notes) for language in languages()]
                parts.append(_line(each.text, *cells))
        parts.append("")
    parts += [f"<sup>{number}</sup> {note}.\\" for number, note in enumerate(notes, 1)]
    parts[-1] = parts[-1].removesuffix("\\")
    return "\n".join([*parts, "", *_versions(recorded, order)]) + "\n"


def _line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(
    row: Row,
    language: Language,
    recorded: Mapping[str, Recorded],
    order: list[Column],
    notes: list[str],
) -> str:
    if row.key in language.absent:
        note = language.absent[row.key]
        if note not in notes:
            notes.append(note)
        return f"\N{EN DASH} <sup>{notes.index(note) + 1}</sup>"
    kept = {
        each.runtime: recorded[each.name].cells[row.key]
        for each in order
        if each.language is language and row.key in _cells(recorded, each)
    }
    if not kept:
        return ""
    broken = [runtime for runtime, well in kept.items() if not well]
    return f"✗ {', '.join(broken)}" if broken else "✓"


def _cells(recorded: Mapping[str, Recorded], column: Column) -> Mapping[str, bool]:
    return recorded[column.name].cells if column.name in recorded else {}


def _versions(recorded: Mapping[str, Recorded], order: list[Column]) -> list[str]:
    lines = ["## What was tried", ""]
    lines += [_line("column", "run by", "rules kept"), _line("---", "---", "---")]
    for each in order:
        found = recorded.get(each.name)
        if found is None:
            lines.append(_line(each.name, "not on the machine that wrote this page", ""))
        else:
            kept = f"{sum(found.cells.values())} of {len(found.cells)}"
            lines.append(_line(each.name, found.interpreter, kept))
    return lines


def described(column: Column) -> str:
    """What runs a column here, in a few words."""
    assert column.interpreter is not None
    if column.note:
        return column.note
    if column.interpreter.path is None:
        return f"its own program, in {column.language.title}"
    return f"{column.language.title} {column.interpreter.version}"
