"""What a server holds of its host: processes, mounts, control groups, descriptors, files, memory."""

from __future__ import annotations

import os
import re
import signal
import urllib.request
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from lamella.wiring.host import instance
from tests.e2e.server import Server

CGROUPS = Path("/sys/fs/cgroup")
LOGS = "logs"


@dataclass(frozen=True, slots=True)
class Belongings:
    """Counts, but ``memory`` in bytes: what the server's own process holds for itself.

    ``descriptors`` and ``mounts`` are of the server and its keeper together; ``groups`` are
    control groups in every hierarchy; ``files`` are below the data directory, without logs.
    """

    processes: int
    mounts: int
    groups: int
    descriptors: int
    threads: int
    files: int
    memory: int


def belongings(server: Server) -> Belongings:
    family = [server.pid, *descendants(server.pid)]
    # The server's child, and its child, which is the keeper.
    own = [server.pid, *keepers(server.pid)]
    return Belongings(
        processes=len(family),
        mounts=sum(len(lines(each, "mounts")) for each in own),
        groups=len(groups(server)),
        descriptors=sum(len(descriptors(each)) for each in own),
        threads=status(server.pid, "Threads"),
        files=len(files(server.data)),
        memory=status(server.pid, "RssAnon") * 1024,
    )


def children(pid: int) -> list[int]:
    found: list[int] = []
    for task in entries(Path(f"/proc/{pid}/task")):
        try:
            found += map(int, (task / "children").read_text().split())
        except OSError:
            continue
    return found


def descendants(pid: int) -> list[int]:
    """Everything below a process, the nearest first."""
    found = children(pid)
    for each in found:
        found += children(each)
    return found


def keepers(pid: int) -> list[int]:
    outer = children(pid)[:1]
    return outer + [inner for each in outer for inner in children(each)[:1]]


def boxes(server: Server) -> list[int]:
    """The bubblewraps that are no other's child."""
    found = [each for each in descendants(server.pid) if program(each) == "bwrap"]
    inner = {child for each in found for child in children(each)}
    return [each for each in found if each not in inner]


def kill_box(pid: int) -> bool:
    """Kill a box from outside by its bubblewrap; False if it had ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        if program(pid) != "bwrap":
            return False
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return True


def program(pid: int) -> str:
    return "".join(lines(pid, "comm"))


def lines(pid: int, name: str) -> list[str]:
    try:
        return Path(f"/proc/{pid}/{name}").read_text().splitlines()
    except OSError:
        return []


def status(pid: int, name: str) -> int:
    """A number of a process's status; 0 when it has ended."""
    found = [line.split()[1] for line in lines(pid, "status") if line.startswith(f"{name}:")]
    return int(found[0]) if found else 0


def entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def descriptors(pid: int) -> list[str]:
    found = []
    for each in entries(Path(f"/proc/{pid}/fd")):
        try:
            found.append(os.readlink(each))
        except OSError:
            continue
    return found


def groups(server: Server) -> list[Path]:
    """The control groups of environments, in every hierarchy."""
    top = f"lamella-{instance(server.data)}"
    found: list[Path] = []
    for folder, names, _ in os.walk(CGROUPS):
        if top in names:
            found += [each for each in entries(Path(folder, top)) if each.is_dir()]
        names[:] = [name for name in names if not name.startswith("lamella-")]
    return found


def files(data: Path) -> set[str]:
    found = set()
    for folder, folders, names in os.walk(data):
        if Path(folder) == data:
            folders[:] = [name for name in folders if name != LOGS]
        found |= {os.path.relpath(os.path.join(folder, name), data) for name in folders + names}
    return found


def metrics(server: Server) -> Counter[str]:
    """The page of metrics: name, with labels, to value."""
    with urllib.request.urlopen(f"{server.endpoint}/metrics", timeout=20) as answer:
        page = answer.read().decode()
    found: Counter[str] = Counter()
    for name, value in re.findall(r"^([^#\s]\S*) (\S+)$", page, re.MULTILINE):
        found[name] = int(float(value))
    return found


def ended(server: Server) -> dict[str, int]:
    """How many environments ended, by reason."""
    name = re.compile(r'lamella_environments_ended_total\{reason="(\w+)"\}')
    return {
        found[1]: count
        for each, count in metrics(server).items()
        if (found := name.fullmatch(each)) is not None
    }


def alive(server: Server) -> int:
    """How many environments there are."""
    seen = metrics(server)
    kinds = ("idle", "provisioned", "busy", "starting", "stuck")
    return sum(seen[f'lamella_environments{{state="{kind}"}}'] for kind in kinds)
