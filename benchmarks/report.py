"""What a run leaves: facts as JSON with every number, and the tables made of them for people."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import lamella
from benchmarks.lamella import MEMORY_MB
from benchmarks.materials import versions
from benchmarks.rows import ABSENT, COLD, EMULATOR, LAMELLA, OFFLINE, PLAIN, PODMAN, Row

Facts = Mapping[str, Any]

RESULTS = Path(__file__).resolve().parent / "results"
LATEST = "latest"
COLUMNS = {
    EMULATOR: "AWS's emulator, bytecode present",
    ABSENT: "absent",
    OFFLINE: OFFLINE,
    PODMAN: PODMAN,
    PLAIN: "Lamella, nothing preloaded",
    LAMELLA: "Lamella",
}
"""The sides of a cold start in the order of columns, and their heads."""


def facts(rows: Sequence[Row]) -> dict[str, Any]:
    return {
        "date": date.today().isoformat(),
        "lamella": lamella.__version__,
        "versions": versions(),
        "machine": machine(),
        "rows": [row.as_json() for row in rows],
    }


def machine() -> dict[str, Any]:
    """What the numbers depend on; nothing that names the machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "processor": _processor(),
        "kernel": re.split(r"[-+]", platform.release())[0],
        "python": platform.python_version(),
        "as": "root" if os.geteuid() == 0 else "a user",
    }


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1] if found else platform.machine()


def described(facts: Facts) -> str:
    """The machine, in a line."""
    machine = facts["machine"]
    return (
        f"{machine['cores']} cores ({machine['processor']}), {machine['memory_gib']} GiB,"
        f" Linux {machine['kernel']}, Python {machine['python']}, as {machine['as']}"
    )


def number(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def shown(side: Facts | None) -> str:
    """One side of a row: median and p99, or why there are none."""
    if side is None:
        return ""
    if "median" not in side:
        return str(side["note"])
    text = f"{number(side['median'])} / {number(side['p99'])}"
    rate = side.get("rate_per_second")
    return f"{text} ({rate:,.0f}/s)" if rate else text


def line(row: Facts) -> str:
    """A row in a line, as it is printed when it was measured."""
    unit = row["unit"]
    said = [
        f"{name}: {shown(side)} {unit if 'median' in side else ''}".rstrip()
        for name, side in row["sides"].items()
    ]
    bars = [f"{bar['what']} {_limit(bar)}: {_verdict(bar)}" for bar in row["bars"]]
    return f"{row['what']}:  " + ";  ".join(said + bars)


def cold_table(facts: Facts) -> str:
    """The cold starts: a row for each function, a column for each side that was measured at all."""
    rows = [row for row in facts["rows"] if row["group"] == COLD]
    names = [name for name in COLUMNS if any(_measured(row, name) for row in rows)]
    heads = ["cold start, median / p99, ms", *(COLUMNS[name] for name in names)]
    cells = [[row["what"], *(shown(row["sides"].get(name)) for name in names)] for row in rows]
    return _table(heads, cells) if rows else ""


def _measured(row: Facts, name: str) -> bool:
    return "median" in row["sides"].get(name, {})


def other_table(facts: Facts) -> str:
    """Everything else: Lamella beside the one that it is compared with, if there is one."""
    rows = [row for row in facts["rows"] if row["group"] != COLD]
    heads = ["median / p99", "beside", "", "Lamella", "ratio"]
    return _table(heads, [cells for row in rows for cells in _pairs(row)]) if rows else ""


def _pairs(row: Facts) -> list[list[str]]:
    what = row["what"] if row["unit"] == "ms" else f"{row['what']}, {row['unit']}"
    ours = row["sides"].get(LAMELLA, {"note": ""})
    others = {name: side for name, side in row["sides"].items() if name != LAMELLA}
    if not others:
        return [[what, "", "", shown(ours), ""]]
    return [
        [what, name, shown(side), shown(ours), _ratio(ours, side)] for name, side in others.items()
    ]


def _ratio(ours: Facts, other: Facts) -> str:
    if not ours.get("median") or not other.get("median"):
        return ""
    return f"{ours['median'] / other['median']:.2f}"


def bars_table(facts: Facts) -> str:
    """Each bar, what was measured, and whether it is met."""
    bars = [bar for row in facts["rows"] for bar in row["bars"]]
    cells = [[bar["what"], _limit(bar), _value(bar), _verdict(bar)] for bar in bars]
    return _table(["bar", "", "measured", ""], cells) if bars else ""


def _limit(bar: Facts) -> str:
    return f"{'≥' if bar['least'] else '≤'} {bar['limit']:g} {bar['unit']}".rstrip()


def _value(bar: Facts) -> str:
    return "" if bar["value"] is None else f"{number(bar['value'])} {bar['unit']}".rstrip()


def _verdict(bar: Facts) -> str:
    return {True: "met", False: "**not met**", None: "not measured"}[bar["met"]]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def markdown(facts: Facts) -> str:
    """The whole run, as a page."""
    used = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    parts = [
        f"Measured {facts['date']} with `make bench`: Lamella {facts['lamella']}, {used}.\n",
        f"Machine: {described(facts)}. Lamella's functions have {MEMORY_MB} MB. The emulator has no box,"
        " no limit of any kind and no layers: a folder on the search path stands in for one."
        " Lamella's layer sets are in use, as its last column has them: what they import is known, and"
        " forks lie ready; the first start of a set takes what the column before it says. How"
        f" often each was measured is in [{LATEST}.json]({LATEST}.json).\n",
        cold_table(facts),
        other_table(facts),
        bars_table(facts),
    ]
    return "\n".join(part for part in parts if part)


def write(facts: Facts, folder: Path, name: str) -> None:
    """Keep the run as ``name.json`` and ``name.md``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
    (folder / f"{name}.md").write_text(markdown(facts))


def read(name: str = LATEST) -> dict[str, Any]:
    """A run that was kept."""
    kept: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return kept
