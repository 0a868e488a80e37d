"""What processes hold that nobody else holds with them."""

from __future__ import annotations

import contextlib
import re
from collections import defaultdict
from pathlib import Path

PROC = Path("/proc")


def private_mb(pid: int) -> float:
    """Private memory of a process and of all that descend from it, in MB of 10^6 bytes."""
    return sum(_private_kib(each) for each in family(pid)) * 1024 / 1e6


def family(pid: int) -> list[int]:
    """``pid`` and all processes that descend from it."""
    children = defaultdict(list)
    for path in PROC.iterdir():
        if path.name.isdigit():
            with contextlib.suppress(OSError):  # it ended meanwhile
                stat = (path / "stat").read_text()
                children[int(stat.rpartition(")")[2].split()[1])].append(int(path.name))
    found = [pid]
    for each in found:
        found += children[each]
    return found


def _private_kib(pid: int) -> int:
    try:
        text = (PROC / str(pid) / "smaps_rollup").read_text()
    except OSError:  # it ended, or has no memory any more
        return 0
    return sum(int(kib) for kib in re.findall(r"^Private_\w+:\s+(\d+) kB$", text, re.MULTILINE))
