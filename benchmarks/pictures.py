"""Where a run's figures are shown: the drawing, README's tables. All made from the kept results."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks import drawing, report

ROOT: Final = Path(__file__).resolve().parent.parent
DRAWING: Final = ROOT / "docs" / "pictures" / "cold-starts.svg"
README: Final = ROOT / "README.md"
BETWEEN: Final = re.compile(
    r"(?P<begin><!-- figures: [^\n]*-->\n).*?(?P<end><!-- end of the figures -->\n)", re.DOTALL
)


def with_figures(page: str, facts: Mapping[str, Any]) -> str:
    """``page`` with the tables of ``facts`` between its two marks."""
    tables = [report.cold_table(facts), report.bars_table(facts)]
    shown = "\n".join(table for table in tables if table)
    text = f"{report.described(facts)}; {facts['date']}.\n\n{shown}"
    return BETWEEN.sub(lambda found: f"{found['begin']}\n{text}\n{found['end']}", page)


def renew() -> None:
    """Make the drawing, the page of results and README's tables anew from the kept results."""
    facts = report.read()
    DRAWING.parent.mkdir(parents=True, exist_ok=True)
    DRAWING.write_text(drawing.cold_starts(facts))
    (report.RESULTS / f"{report.LATEST}.md").write_text(report.markdown(facts))
    README.write_text(with_figures(README.read_text(), facts))
