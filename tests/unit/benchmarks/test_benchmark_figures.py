"""What is shown of the benchmark is what was measured: tables, bars, the drawing, and README."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks import drawing, pictures, report
from benchmarks.bench import of_all, of_each
from benchmarks.client import Rush
from benchmarks.rows import ABSENT, COLD, EMULATOR, LAMELLA, Bar, Row, Side, more, ratio

SVG = "{http://www.w3.org/2000/svg}"
SIDES = {
    EMULATOR: Side([40.0, 60.0, 50.0]),
    ABSENT: Side([1000.0, 2000.0, 1500.0]),
    LAMELLA: Side([4.0, 2.0, 3.0]),
}
ROWS = [
    Row(
        "pandas & <numpy>",
        SIDES,
        (
            ratio("of the emulator's p50", SIDES[LAMELLA], SIDES[EMULATOR], 0.05),
            Bar("p50", SIDES[LAMELLA].median, 8.0, unit="ms"),
        ),
        COLD,
    ),
    Row(
        "warm, 8 callers",
        {EMULATOR: Side(note="n/a"), LAMELLA: Side([1.0], rate=4321.5)},
        (Bar("answers a second", 4321.5, 4000.0, least=True, unit="/s"),),
    ),
    Row("private memory", {LAMELLA: Side([2.25])}, (Bar("left out", None, 3.0),), unit="MB"),
]


@pytest.fixture
def facts() -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(report.facts(ROWS)))
    return made


def test_the_99th_percentile_is_the_nearest_rank() -> None:
    assert Side([float(each) for each in range(1, 201)]).p99 == 198
    assert Side([3.0, 1.0, 2.0]).p99 == 3.0
    assert Side([3.0, 1.0, 2.0]).median == 2.0


def test_of_several_rushes_the_rate_is_the_median_one() -> None:
    rushes = [Rush([30.0, 10.0], 0.02), Rush([5.0, 10.0], 0.01), Rush([50.0, 90.0], 0.1)]
    each = of_each([*rushes, Rush([20.0, 40.0], 0.04)])
    assert each.times == [30.0, 10.0, 5.0, 10.0, 50.0, 90.0, 20.0, 40.0]
    assert each.rate == pytest.approx(75)  # of 20, 50, 100 and 200 a second
    whole = of_all(rushes)
    assert whole.times == pytest.approx([20.0, 10.0, 100.0])
    assert whole.rate is None


def test_a_row_that_misses_its_bar_is_printed_as_missed() -> None:
    side = Side([180.0, 151.0, 140.0])
    row = Row("20 at once", {LAMELLA: side}, (Bar("p50", side.median, 150.0, unit="ms"),))
    assert report.line(row.as_json()) == (
        "20 at once:  Lamella: 151 / 180 ms;  p50 ≤ 150 ms: **not met**"
    )


@pytest.mark.parametrize(
    ("bar", "met"),
    [
        (Bar("", 8.0, 8.0), True),
        (Bar("", 8.1, 8.0), False),
        (Bar("", 300.0, 300.0, least=True), True),
        (Bar("", 299.0, 300.0, least=True), False),
        (Bar("", None, 8.0), None),
        (ratio("", Side([1.0]), Side([20.0]), 0.05), True),
        (ratio("", Side([1.1]), Side([20.0]), 0.05), False),
        (ratio("", Side(note="no"), Side([20.0]), 0.05), None),
        (more("", Side([5.5]), Side([5.0]), 1.0), True),
        (more("", Side([6.5]), Side([5.0]), 1.0), False),
        (more("", Side([6.5]), Side(note="no"), 1.0), None),
    ],
)
def test_a_bar_is_met_or_not_or_was_not_measured(bar: Bar, met: bool | None) -> None:
    assert bar.met is met
    assert bar.as_json()["met"] is met


def test_a_column_for_each_side_that_was_measured(facts: dict[str, Any]) -> None:
    head, _, row = report.cold_table(facts).splitlines()
    assert head == (
        "| cold start, median / p99, ms | AWS's emulator, bytecode present | absent | Lamella |"
    )
    assert row == "| pandas & <numpy> | 50 / 60 | 1,500 / 2,000 | 3 / 4 |"


def test_the_other_rows_stand_beside_what_they_are_compared_with(facts: dict[str, Any]) -> None:
    lines = report.other_table(facts).splitlines()
    assert lines[2:] == [
        "| warm, 8 callers | AWS's emulator | n/a | 1 / 1 (4,322/s) |  |",
        "| private memory, MB |  |  | 2.25 / 2.25 |  |",
    ]


def test_a_bar_that_is_not_met_says_so(facts: dict[str, Any]) -> None:
    assert report.bars_table(facts).splitlines()[2:] == [
        "| of the emulator's p50 | ≤ 0.05 | 0.06 | **not met** |",
        "| p50 | ≤ 8 ms | 3 ms | met |",
        "| answers a second | ≥ 4000 /s | 4,322 /s | met |",
        "| left out | ≤ 3 |  | not measured |",
    ]


def test_the_drawing_has_a_bar_for_each_side_as_long_as_its_median(facts: dict[str, Any]) -> None:
    svg = ElementTree.fromstring(drawing.cold_starts(facts))
    bars = [each for each in svg.iter(f"{SVG}rect") if each.get("class") != "page"]
    widths = [float(each.get("width", "")) for each in bars]
    assert [each.get("class") for each in bars] == ["ours", "other", "other"]
    assert widths[2] / widths[1] == pytest.approx(30, rel=0.02)
    assert widths[0] >= 1.5  # what is too short to be seen is a line
    texts = [each.text for each in svg.iter(f"{SVG}text")]
    assert {"pandas & <numpy>", "Lamella", "1,500"} <= set(texts)
    assert "Lamella 3 ms" in (svg.findtext(f"{SVG}desc") or "")


def test_the_drawing_stays_within_itself() -> None:
    svg = ElementTree.parse(pictures.DRAWING).getroot()
    *_, width, height = map(float, svg.get("viewBox", "").split())
    for each in svg.iter(f"{SVG}rect"):
        assert float(each.get("x", "")) + float(each.get("width", "")) <= width
        assert float(each.get("y", "")) + float(each.get("height", "")) <= height


def test_the_committed_page_of_results_is_made_of_the_committed_results() -> None:
    page = (report.RESULTS / f"{report.LATEST}.md").read_text()
    assert page == report.markdown(report.read())


def test_the_committed_drawing_is_made_of_the_committed_results() -> None:
    assert pictures.DRAWING.read_text() == drawing.cold_starts(report.read())


def test_the_tables_in_readme_are_made_of_the_committed_results() -> None:
    page = pictures.README.read_text()
    assert pictures.BETWEEN.search(page)
    assert pictures.with_figures(page, report.read()) == page


def test_a_bar_in_the_committed_results_is_met_where_they_say_so() -> None:
    for row in report.read()["rows"]:
        for bar in row["bars"]:
            told = Bar(bar["what"], bar["value"], bar["limit"], bar["least"], bar["unit"])
            assert told.met is bar["met"]


@pytest.mark.parametrize(
    "path", sorted(pictures.DRAWING.parent.glob("*.svg")), ids=lambda path: path.name
)
def test_a_picture_says_what_it_shows_and_needs_nothing_else(path: Path) -> None:
    text = path.read_text()
    svg = ElementTree.fromstring(text)
    assert svg.get("role") == "img"
    assert svg.findtext(f"{SVG}title")
    assert svg.findtext(f"{SVG}desc")
    assert "prefers-color-scheme: dark" in text
    assert not re.findall(r"(?:href|src|url|@import)", text)
