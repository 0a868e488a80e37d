"""How much memory the machine has and what boxes hold of it, read from the kernel's files.

A machine is what this server may use of one: in a container with a limit of its own that is the
limit. All of it blocks, for a millisecond at most, and belongs in a thread.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from lamella.sandbox.cgroup import Group, Hierarchy, Memory

PROC = Path("/proc")
UNLIMITED = 2**60
FILES = ("inactive_file", "active_file", "total_inactive_file", "total_active_file")


@dataclass(frozen=True, slots=True)
class Machine:
    """Bytes there are and bytes that can be had without swapping; ``stalled`` is the share of
    the last ten seconds, in percent, in which every process waited for memory (0 where the
    kernel does not tell)."""

    total: int
    available: int
    stalled: float


def machine(hierarchy: Hierarchy, proc: Path = PROC) -> Machine:
    """What there is now."""
    values = _kibibytes(proc / "meminfo", ("MemTotal", "MemAvailable"))
    total, available = values["MemTotal"], values["MemAvailable"]
    for limit, used in _limits(hierarchy):
        total = min(total, limit)
        available = min(available, max(0, limit - used))
    return Machine(total, available, _stalled(proc / "pressure" / "memory"))


def _limits(hierarchy: Hierarchy) -> list[tuple[int, int]]:
    """The limits above this server's own control group, and what is used of each."""
    folder = hierarchy.folders.get("memory")
    if folder is None:
        return []
    first = hierarchy.version == 1
    names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
    limit_name, usage_name = names if first else ("memory.max", "memory.current")
    found = []
    for each in (folder, *folder.parents):
        with contextlib.suppress(OSError, ValueError):
            limit = int((each / limit_name).read_text())
            if limit < UNLIMITED:
                used = int((each / usage_name).read_text()) - _files(each, total=first)
                found.append((limit, max(0, used)))
    return found


def _files(folder: Path, *, total: bool) -> int:
    """Bytes of files that the kernel keeps in memory for as long as there is room."""
    wanted = FILES[2:] if total else FILES[:2]
    lines = (line.split() for line in (folder / "memory.stat").read_text().splitlines())
    return sum(int(value) for name, value in lines if name in wanted)


def _stalled(path: Path) -> float:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in path.read_text().splitlines():
            kind, *averages = line.split()
            if kind == "full":
                return float(averages[0].partition("=")[2])
    return 0.0


def held(group: Group | None, pid: int | None, proc: Path = PROC) -> int:
    """Bytes that a box holds: by its control group, or else by the processes from ``pid`` down,
    whose files in ``/tmp`` are not seen."""
    occupied = None if group is None else group.occupied()
    if occupied is not None:
        return occupied
    return 0 if pid is None else of_tree(pid, proc)


def of_tree(pid: int, proc: Path = PROC) -> int:
    """Bytes that a process and all below it hold for themselves; less for those that end now."""
    total = 0
    for each in tree(pid, proc):
        with contextlib.suppress(OSError):
            total += sum(_kibibytes(proc / str(each) / "status", ("RssAnon", "RssShmem")).values())
    return total


def tree(pid: int, proc: Path = PROC) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for each in found:
        with contextlib.suppress(OSError):
            found += children(each, proc)
    return found


def of_process(pid: int, proc: Path = PROC) -> Memory:
    """What one process holds; zeros if it is gone."""
    names = ("RssAnon", "RssShmem", "RssFile")
    with contextlib.suppress(OSError):
        own, *files = _kibibytes(proc / str(pid) / "status", names).values()
        return Memory(own, own + sum(files))
    return Memory(0, 0)


def share_of(pid: int, proc: Path = PROC) -> int:
    """Bytes that a process holds for itself, a page it shares with others by its part in it;
    takes the longer the more it holds. Raises OSError, also where that is a secret."""
    return _kibibytes(proc / str(pid) / "smaps_rollup", ("Pss_Anon",))["Pss_Anon"]


def children(pid: int, proc: Path = PROC) -> list[int]:
    """The processes that each thread of a process has started. Raises OSError if it is gone."""
    tasks = (proc / str(pid) / "task").iterdir()
    return [int(each) for task in tasks for each in (task / "children").read_text().split()]


def _kibibytes(path: Path, names: tuple[str, ...]) -> dict[str, int]:
    """Values of a file of the kernel that counts in KiB, in bytes; 0 for what it lacks."""
    found = dict.fromkeys(names, 0)
    for line in path.read_text().splitlines():
        name, _, value = line.partition(":")
        if name in found:
            found[name] = int(value.split()[0]) * 1024
    return found
