"""Control groups: what a box may use, and what it used. Version 1, version 2, or neither.

`find` looks once at what this process may write; `Groups` makes and removes one group for
each box below a parent group named after the data directory, so that the next start can
clear what a crash left. Where no controller can be written, resource limits stand in. Frozen is
by version 2 alone, which a host may have beside the controllers of version 1.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lamella.sandbox.plan import Limits

CONTROLLERS = ("memory", "cpu", "pids")
PERIOD_US = 100_000
SHARES = 1_024
ABANDONED_SECONDS = 3_600
FROZEN_IN = "get_signal"
"""The kernel's function that a frozen thread waits in."""
EPHEMERAL = "ephemeral-"
"""Begins the names of servers that have no data directory to be named after; a pid follows."""


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Where groups may be made: for each controller that is writable, the folder to make them in.

    ``version`` is 1, 2 or 0 for none. ``freezer`` is the folder for groups that can be frozen,
    always of version 2.
    """

    version: int
    folders: Mapping[str, Path]
    freezer: Path | None = None

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(name for name in CONTROLLERS if name not in self.folders)


def find(proc: Path = Path("/proc/self")) -> Hierarchy:
    """What this process can limit with. Reads mounts and tries to make a group."""
    own = _own_groups((proc / "cgroup").read_text())
    mounts = _mounts((proc / "mounts").read_text())
    unified = mounts.get("")
    folder = unified and unified / own.get("", "/").lstrip("/")
    # Every group of version 2 but the topmost can be frozen, with or without a controller.
    freezer = folder if folder and _may_freeze(folder) else None
    found: dict[str, Path] = {}
    for name in CONTROLLERS:
        where = mounts.get(name)
        if where is not None and _writable(place := where / own.get(name, "/").lstrip("/")):
            found[name] = place
    if found:
        return Hierarchy(1, found, freezer)
    if folder is not None:
        with contextlib.suppress(OSError):
            offered = (folder / "cgroup.controllers").read_text().split()
            if all(name in offered for name in CONTROLLERS) and _writable(folder):
                return Hierarchy(2, dict.fromkeys(CONTROLLERS, folder), freezer)
    return Hierarchy(0, {}, freezer)


def _own_groups(text: str) -> dict[str, str]:
    groups = {}
    for line in text.splitlines():
        _, names, path = line.split(":", 2)
        for name in names.split(","):
            groups[name] = path
    return groups


def _mounts(text: str) -> dict[str, Path]:
    """Controller -> mount point; the unified hierarchy has the empty name."""
    found: dict[str, Path] = {}
    for line in text.splitlines():
        _, where, kind, options, *_ = line.split()
        if kind == "cgroup2":
            found[""] = Path(where)
        elif kind == "cgroup":
            for name in options.split(","):
                if name in CONTROLLERS:
                    found[name] = Path(where)
    return found


def _may_freeze(folder: Path) -> bool:
    """Whether processes can be moved from ``folder`` to groups in it that can be frozen."""
    movable = os.access(folder / "cgroup.procs", os.W_OK)
    return movable and _writable(folder, having="cgroup.freeze")


def _writable(folder: Path, having: str = "") -> bool:
    """Whether groups can be made in ``folder``, and have a file of that name to write to."""
    probe = folder / f"lamella-probe-{os.getpid()}"
    try:
        probe.mkdir()
        able = os.access(probe / having, os.W_OK)
        probe.rmdir()
    except OSError:
        return False
    return able


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes: ``held`` by processes for themselves, ``resident`` with the files they have mapped."""

    held: int
    resident: int


NOTHING = Memory(0, 0)


class Group:
    """The control group of one environment; empty of controllers where the host has none."""

    def __init__(
        self, version: int, folders: Mapping[str, Path], freezer: Path | None = None
    ) -> None:
        self._version = version
        self._folders = folders
        self._freezer = freezer
        self._limits: Limits | None = None

    @property
    def _places(self) -> set[Path]:
        return {*self._folders.values(), *([self._freezer] if self._freezer else [])}

    @property
    def processes(self) -> tuple[Path, ...]:
        """The files that a process writes ``0`` to in order to join."""
        return tuple(sorted(path / "cgroup.procs" for path in self._places))

    def set_frozen(self, frozen: bool) -> None:
        """Stop every process in the group, or let them go on; those that come are stopped too.

        Returns before the last has stopped. A frozen process dies of SIGKILL like any other.

        Source: https://docs.kernel.org/admin-guide/cgroup-v2.html#core-interface-files
        """
        if self._freezer is not None:
            with contextlib.suppress(OSError):
                file = os.open(self._freezer / "cgroup.freeze", os.O_WRONLY | os.O_CLOEXEC)
                try:
                    os.write(file, b"1" if frozen else b"0")
                finally:
                    os.close(file)

    def rlimits(self, limits: Limits) -> dict[str, int]:
        """The limits of single processes, with stand-ins for controllers that are missing."""
        values = {"RLIMIT_NOFILE": limits.files, "RLIMIT_CORE": 0}
        if not self.counts_memory:
            values["RLIMIT_DATA"] = limits.memory + limits.slack
        return values

    @property
    def counts_memory(self) -> bool:
        """Whether there is a memory controller."""
        return "memory" in self._folders

    def limit(self, limits: Limits) -> None:
        """Write the limits. Files in ``/tmp`` are memory too, so the kernel's bound leaves room
        for them; `memory` tells what the processes themselves hold."""
        if limits == self._limits:
            return
        total = limits.memory + limits.tmp
        quota = max(1_000, int(limits.cpus * PERIOD_US))
        if self._version == 1:
            self._write("memory", "memory.limit_in_bytes", total)
            self._write("cpu", "cpu.cfs_period_us", PERIOD_US)
            self._write("cpu", "cpu.cfs_quota_us", quota)
            self._write("cpu", "cpu.shares", max(2, int(SHARES * limits.weight)))
            self._write("pids", "pids.max", limits.processes)
        elif self._version == 2:
            self._write("memory", "memory.max", total)
            self._write("memory", "memory.swap.max", 0)
            self._write("cpu", "cpu.max", f"{quota} {PERIOD_US}")
            self._write("cpu", "cpu.weight", min(10_000, max(1, int(100 * limits.weight))))
            self._write("pids", "pids.max", limits.processes)
        self._limits = limits

    def _write(self, controller: str, name: str, value: object) -> None:
        folder = self._folders.get(controller)
        if folder is not None:
            with contextlib.suppress(FileNotFoundError):
                (folder / name).write_text(str(value))

    def usage(self) -> int | None:
        """Bytes charged to the group now, files included; None without a memory controller."""
        name = "memory.usage_in_bytes" if self._version == 1 else "memory.current"
        return self._read("memory", name)

    def memory(self) -> Memory:
        """What the processes hold now; zeros without a memory controller."""
        folder = self._folders.get("memory")
        if folder is None:
            return Memory(0, 0)
        held, mapped = ("rss", "mapped_file") if self._version == 1 else ("anon", "file_mapped")
        values = {held: 0, mapped: 0}
        with contextlib.suppress(OSError):
            for line in (folder / "memory.stat").read_text().splitlines():
                name, value = line.split()
                if name in values:
                    values[name] = int(value)
        return Memory(values[held], values[held] + values[mapped])

    def occupied(self) -> int | None:
        """Bytes that nothing but an end frees: what processes hold, of all groups below too, and
        files in ``/tmp``; None without a memory controller."""
        folder = self._folders.get("memory")
        if folder is None:
            return None
        names = ("total_rss", "total_shmem") if self._version == 1 else ("anon", "shmem")
        found = 0
        with contextlib.suppress(OSError):
            for line in (folder / "memory.stat").read_text().splitlines():
                name, value = line.split()
                found += int(value) if name in names else 0
        return found

    def _read(self, controller: str, name: str) -> int | None:
        folder = self._folders.get(controller)
        if folder is None:
            return None
        try:
            return int((folder / name).read_text())
        except OSError:
            return None

    def is_waking(self) -> bool:
        """Whether a thread of the group is still where the freezer of version 2 had stopped it."""
        if self._freezer is None:
            return False
        with contextlib.suppress(OSError):
            for pid in (self._freezer / "cgroup.procs").read_text().split():
                for thread in Path("/proc", pid, "task").iterdir():
                    if (thread / "wchan").read_text() == FROZEN_IN:
                        return True
        return False

    def kill(self) -> None:
        """Kill what is in the group, wherever it stands among processes."""
        for path in self.processes:
            with contextlib.suppress(OSError):
                # A process that this one's namespace cannot name has the number 0.
                for pid in filter(None, map(int, path.read_text().split())):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)

    def remove(self) -> bool:
        """Remove the group; False while the kernel still counts a process in it."""
        done = True
        for folder in self._places:
            try:
                folder.rmdir()
            except FileNotFoundError:
                pass
            except OSError:
                done = False
        return done


class Groups:
    """Makes the groups of one server, all below ``lamella-<instance>``."""

    def __init__(self, hierarchy: Hierarchy, instance: str) -> None:
        self.hierarchy = hierarchy
        self._parents = {
            name: folder / f"lamella-{instance}" for name, folder in hierarchy.folders.items()
        }
        self._freezer = hierarchy.freezer and hierarchy.freezer / f"lamella-{instance}"
        self._tops = {*self._parents.values(), *([self._freezer] if self._freezer else [])}

    @property
    def any(self) -> bool:
        """Whether boxes join any group at all."""
        return bool(self._tops)

    def prepare(self) -> int:
        """Clear what a crash left, make the parent groups; return how many groups were stale."""
        stale = self.clear()
        for parent in self._tops:
            parent.mkdir(exist_ok=True)
        if self.hierarchy.version == 2:
            self._delegate()
        return stale

    def _delegate(self) -> None:
        """Version 2 gives controllers only to groups whose parent holds no process itself."""
        own = next(iter(self.hierarchy.folders.values()))
        enable = " ".join(f"+{name}" for name in CONTROLLERS)
        parent = next(iter(self._parents.values()))
        try:
            (own / "cgroup.subtree_control").write_text(enable)
        except OSError:
            leaf = own / parent.name / "server"
            leaf.mkdir(exist_ok=True)
            for pid in (own / "cgroup.procs").read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    (leaf / "cgroup.procs").write_text(pid)
            (own / "cgroup.subtree_control").write_text(enable)
        (parent / "cgroup.subtree_control").write_text(enable)

    def clear_abandoned(self) -> None:
        """Remove the groups of other servers that are no more: those named after a process that
        has ended, and those that have been without any process for an hour."""
        for folder in {top.parent for top in self._tops}:
            for path in folder.glob("lamella-*"):
                if path not in self._tops and _abandoned(path):
                    for group in [*(each for each in path.iterdir() if each.is_dir()), path]:
                        _empty(group)

    def all(self) -> Group:
        """The parent of every group: what it tells is of all of them together."""
        return Group(self.hierarchy.version, self._parents)

    def make(self, name: str) -> Group:
        folders = {controller: parent / name for controller, parent in self._parents.items()}
        for parent in self._tops:
            (parent / name).mkdir()
        freezer = self._freezer and self._freezer / name
        return Group(self.hierarchy.version, folders, freezer)

    def clear(self) -> int:
        """Kill and remove every group below the parents, and the parents; return how many."""
        count = 0
        for parent in self._tops:
            if not parent.is_dir():
                continue
            for folder in [*(path for path in parent.iterdir() if path.is_dir()), parent]:
                count += folder is not parent
                _empty(folder)
        return count


def _abandoned(folder: Path) -> bool:
    owner = folder.name.removeprefix("lamella-").removeprefix(EPHEMERAL)
    if owner.isdigit() and EPHEMERAL in folder.name:
        return not Path("/proc", owner).exists()
    try:
        young = time.time() - folder.stat().st_mtime < ABANDONED_SECONDS
        return not young and not any(path.read_text() for path in folder.rglob("cgroup.procs"))
    except OSError:
        return False


def _empty(folder: Path) -> None:
    """Kill what is in a group and remove it; give up after two seconds."""
    until = time.monotonic() + 2.0
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            for pid in (folder / "cgroup.procs").read_text().split():
                if int(pid) != os.getpid():
                    os.kill(int(pid), signal.SIGKILL)
        try:
            folder.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.005)
        else:
            return
