"""A flame chart of imports as one HTML file that loads nothing.

Names of modules are anybody's text: all of it is escaped, and the page forbids every script but
the one whose digest it names.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from typing import Final

from lamella.toolchain.profile.function import FunctionPrice
from lamella.toolchain.profile.layer import LayerPrice
from lamella.toolchain.profile.trace import FUNCTION, LANGUAGE, MODULES, RUNTIME, Spent, Trace

ROW: Final = 18
DEEPEST: Final = 60
LEAST_SHARE: Final = 0.0005
"""Of the whole: what is narrower is not drawn."""
KNOWN: Final = {FUNCTION: "#4e79a7", MODULES: "#76b7b2", LANGUAGE: "#9a9a9a", RUNTIME: "#bab0ac"}
COLOURS: Final = ("#e15759", "#f28e2b", "#59a14f", "#b07aa1", "#edc948")


@dataclass(frozen=True, slots=True)
class Flame:
    """One chart: a heading, the trace and its imports' owners."""

    title: str
    trace: Trace
    spent: Sequence[Spent]


def of_layer(price: LayerPrice) -> str:
    """The page of a layer's price."""
    layer = price.layer.name
    flames = [Flame("Everything, in one process", price.together.trace, price.together.spent)]
    flames += [
        Flame(f"{each.name}, alone", each.trace, each.spent)
        for each in price.packages
        if each.error is None
    ]
    facts = (
        f"{price.runtime}: unpacked in {price.unpack:.1f} ms, compiled in {price.compile:.1f} ms,"
        f" imported in {price.together.took:.1f} ms"
    )
    return page(f"The price of {layer}", facts, [each for each in flames if each.trace.imports])


def of_function(price: FunctionPrice) -> str:
    """The page of a function's cold starts."""
    flames = [
        Flame(f"Loading the handler, {way.title}", way.trace, way.spent)
        for way in price.ways
        if way.trace.imports
    ]
    facts = "; ".join(
        f"{way.title}: a cold start of {way.cold:.1f} ms, of it {way.rest:.1f} ms box, runtime"
        " and its client"
        for way in price.ways
    )
    return page(f"The cold start of {price.subject.name}", facts, flames)


def page(title: str, facts: str, flames: Sequence[Flame]) -> str:
    """The whole page, as text."""
    style, script = _file("chart.css"), _file("chart.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    colours = _colours(flames)
    legend = "".join(
        f'<span><i style="background:{colour}"></i>{escape(owner)}</span>'
        for owner, colour in colours.items()
    )
    charts = "\n".join(_chart(each, colours) for each in flames)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n<p>{escape(facts)}</p>\n"
        f"<p>Time runs from left to right; what an import caused lies below it. Click one to see"
        f' it alone, and the topmost to see all again.</p>\n<p class="legend">{legend}</p>\n'
        f"{charts}\n<script>{script}</script>\n</body>\n</html>\n"
    )


def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _colours(flames: Sequence[Flame]) -> Mapping[str, str]:
    owners = dict.fromkeys(each.owner for flame in flames for each in flame.spent)
    layers = [owner for owner in owners if owner not in KNOWN]
    chosen = {owner: COLOURS[index % len(COLOURS)] for index, owner in enumerate(layers)}
    return {**chosen, **{owner: KNOWN[owner] for owner in KNOWN if owner in owners}}


def _chart(flame: Flame, colours: Mapping[str, str]) -> str:
    bars = list(_bars(flame, colours))
    deepest = max((row for row, _ in bars), default=0)
    whole = max(flame.trace.took, 1e-6)
    top = _bar(flame.title, f"{flame.trace.took:.1f} ms", "#dddddd", (0, 0.0, whole), whole)
    return (
        f"<h2>{escape(flame.title)}: {flame.trace.took:.1f} ms</h2>\n"
        f'<svg class="flame" width="100%" height="{(deepest + 1) * ROW}" data-whole="{whole:.3f}">'
        f"{top}{''.join(bar for _, bar in bars)}</svg>"
    )


def _bars(flame: Flame, colours: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """Each import that is wide enough to be seen, with its row."""
    rows: list[int] = []
    whole = max(flame.trace.took, 1e-6)
    for each, spent in zip(flame.trace.imports, flame.spent, strict=True):
        row = 1 if each.parent is None else rows[each.parent] + 1
        rows.append(row)
        if each.took / whole < LEAST_SHARE or row > DEEPEST:
            continue
        note = f"{each.took:.2f} ms, itself {spent.own:.2f} ms, {spent.owner}"
        note += "" if each.origin is not None else ", not found"
        place = (row, each.began, each.took)
        yield row, _bar(each.name, note, colours[spent.owner], place, whole)


def _bar(name: str, note: str, colour: str, place: tuple[int, float, float], whole: float) -> str:
    """A bar at ``place``: its row, and milliseconds from the left and wide."""
    row, began, took = place
    left, width = min(100.0, began / whole * 100), min(100.0, took / whole * 100)
    return (
        f'<svg x="{left:.4f}%" y="{row * ROW}" width="{width:.4f}%" height="{ROW - 1}"'
        f' data-began="{began:.3f}" data-took="{took:.3f}"><title>{escape(name)}: {escape(note)}'
        f'</title><rect width="100%" height="100%" fill="{colour}"/>'
        f'<text x="3" y="12">{escape(name)}</text></svg>'
    )
