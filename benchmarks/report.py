"""What a run leaves: JSON with every number, and a Markdown table for people."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import lamella
from benchmarks.lamella import MEMORY_MB
from benchmarks.materials import versions
from benchmarks.rows import Row

RESULTS = Path(__file__).resolve().parent / "results"
HEADS = (
    "median / p99, ms",
    "AWS's emulator, unzip, or the first said",
    "Lamella",
    "ratio of medians",
    "bar",
    "",
)


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


def markdown(rows: Sequence[Row]) -> str:
    lines = ["| " + " | ".join(HEADS) + " |", "|---" * len(HEADS) + "|"]
    lines += ["| " + " | ".join(row.cells()) + " |" for row in rows]
    facts = machine()
    described = (
        f"{facts['cores']} cores ({facts['processor']}), {facts['memory_gib']} GiB, Linux"
        f" {facts['kernel']}, Python {facts['python']}, run as {facts['as']}"
    )
    used = ", ".join(f"{name} {version}" for name, version in versions().items())
    head = f"Measured {date.today().isoformat()} with `make bench`: Lamella {lamella.__version__}, {used}."
    fair = (
        f"Lamella's functions have {MEMORY_MB} MB. The emulator has no box and no limit of any kind,"
        " and no layers: a folder on the search path stands in for one."
    )
    return f"{head}\n\nMachine: {described}. {fair}\n\n" + "\n".join(lines) + "\n"


def write(rows: Sequence[Row], folder: Path, name: str) -> None:
    """Keep the run as ``name.json`` and ``name.md``."""
    folder.mkdir(parents=True, exist_ok=True)
    facts = {
        "date": date.today().isoformat(),
        "lamella": lamella.__version__,
        "versions": versions(),
        "machine": machine(),
        "rows": [row.as_json() for row in rows],
    }
    (folder / f"{name}.json").write_text(json.dumps(facts, indent=2) + "\n")
    (folder / f"{name}.md").write_text(markdown(rows))
