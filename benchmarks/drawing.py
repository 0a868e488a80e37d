"""The drawing of the cold starts: one SVG from a run's facts, readable in light and in dark."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from xml.sax.saxutils import escape

from benchmarks.report import COLUMNS, described, number
from benchmarks.rows import ABSENT, COLD, EMULATOR, LAMELLA, OFFLINE, PLAIN, PODMAN

NAMES: Final = {
    EMULATOR: "AWS's emulator",
    ABSENT: "… bytecode absent",
    OFFLINE: "serverless-offline",
    PODMAN: "podman + crun",
    PLAIN: "… nothing preloaded",
    LAMELLA: "Lamella",
}
"""Sides as they are named beside their bars."""
ORDER: Final = (LAMELLA, PLAIN, EMULATOR, ABSENT, PODMAN, OFFLINE)
CLASSES: Final = {LAMELLA: "ours", PLAIN: "plain"}
WIDTH: Final = 860
LEFT: Final = 170
RIGHT: Final = 100
"""Kept free for the numbers at the ends of the bars."""
MARGIN: Final = 24
TOP: Final = 78
BAR: Final = 13
STEP: Final = 19
GROUP: Final = 40
STYLE: Final = """
  svg { --page: #ffffff; --edge: #d5dae1; --text: #1c2430; --dim: #5b6675;
        --ours: #0f7b6c; --plain: #7fc4b8; --other: #a9b2bf; }
  @media (prefers-color-scheme: dark) {
    svg { --page: #14181f; --edge: #333c49; --text: #e6eaf0; --dim: #9aa6b5;
          --ours: #35c9b0; --plain: #1f7a6c; --other: #566274; }
  }
  text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; fill: var(--text); }
  .head { font-size: 17px; font-weight: 600; }
  .what { font-size: 13px; font-weight: 600; }
  .dim { fill: var(--dim); }
  .name { text-anchor: end; fill: var(--dim); }
  .strong { font-weight: 600; fill: var(--text); }
  .page { fill: var(--page); stroke: var(--edge); }
  .ours { fill: var(--ours); }
  .plain { fill: var(--plain); }
  .other { fill: var(--other); }
  .reach { stroke: var(--dim); stroke-width: 1; }
"""


@dataclass(frozen=True, slots=True)
class Scale:
    """Linear from 0 to ``most`` ms: what is twice as long takes twice as much time."""

    most: float

    def __call__(self, ms: float) -> float:
        """Pixels of a bar; the least is a line that can be seen."""
        return max(1.5, ms / self.most * (WIDTH - LEFT - RIGHT))


def cold_starts(facts: Mapping[str, Any]) -> str:
    """The SVG of a run's cold starts."""
    rows = [row for row in facts["rows"] if row["group"] == COLD and _sides(row)]
    longest = max((side["p99"] for row in rows for _, side in _sides(row)), default=1.0)
    scale = Scale(longest)
    body: list[str] = []
    y = TOP
    for row in rows:
        body.append(_text(MARGIN, y, row["what"], "what"))
        y += 10
        for name, side in _sides(row):
            body += _bar(y, name, side, scale)
            y += STEP
        y += GROUP - STEP + 3
    height = y - 2
    return "\n".join([*_opening(facts, height), *body, _foot(facts, height), "</svg>"]) + "\n"


def _sides(row: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """The sides that were measured, Lamella first."""
    assert set(ORDER) == set(COLUMNS)
    sides = row["sides"]
    return [(name, sides[name]) for name in ORDER if "median" in sides.get(name, {})]


def _opening(facts: Mapping[str, Any], height: int) -> Iterator[str]:
    title = "Cold starts, in milliseconds"
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height + 26}"'
        ' role="img" aria-labelledby="title what">'
    )
    yield f'<title id="title">{title}</title>'
    yield f'<desc id="what">{escape(_told(facts))}</desc>'
    yield f"<style>{STYLE}</style>"
    yield (
        f'<rect class="page" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height + 25}" rx="8"/>'
    )
    yield _text(MARGIN, 32, title, "head")
    about = (
        "from the request to its answer, of podman from the command on: the bar is the median,"
        " the line reaches to the 99th percentile"
    )
    yield _text(MARGIN, 51, about, "dim")


def _told(facts: Mapping[str, Any]) -> str:
    """The same in words."""
    rows = [row for row in facts["rows"] if row["group"] == COLD]
    parts = []
    for row in rows:
        sides = (f"{COLUMNS[name]} {number(side['median'])} ms" for name, side in _sides(row))
        parts.append(f"{row['what']}: {', '.join(sides)}.")
    return " ".join(parts)


def _bar(y: int, name: str, side: Mapping[str, Any], scale: Scale) -> Iterator[str]:
    median, p99 = scale(side["median"]), scale(side["p99"])
    kind = CLASSES.get(name, "other")
    strong = " strong" if name == LAMELLA else ""
    middle = y + BAR / 2
    yield _text(LEFT - 10, y + 11, NAMES[name], f"name{strong}")
    yield f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{median:.1f}" height="{BAR}" rx="2"/>'
    yield (
        f'<line class="reach" x1="{LEFT + median:.1f}" y1="{middle}"'
        f' x2="{LEFT + max(median, p99):.1f}" y2="{middle}"/>'
    )
    at = LEFT + max(median, p99) + 7
    yield _text(round(at, 1), y + 11, number(side["median"]), strong.strip() or "dim")


def _foot(facts: Mapping[str, Any], height: int) -> str:
    text = f"{facts['date']}, {described(facts)}; one client and the same libraries for all, a set that is in use for Lamella"
    return _text(MARGIN, height + 8, text, "dim")


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text x="{x}" y="{y}" class="{kind}">{escape(text)}</text>'
