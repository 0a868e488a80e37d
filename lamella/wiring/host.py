"""What a server takes of its host: the data directory, descriptors, a name of its own."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import hashlib
import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lamella.config import Network, Settings
from lamella.errors import HostError
from lamella.invoke.pressure import Seen
from lamella.sandbox import cgroup, uplink, usage
from lamella.sandbox.cgroup import Groups

EPHEMERAL = "lamella-ephemeral-"
RECORDS = "records.sqlite"
OWN_FILES, FILES_EACH = 256, 12
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Options of the GNU C library's mallopt."""
LARGE_BYTES = 1_048_576
ARENAS = 2


@dataclass(frozen=True, slots=True)
class Folders:
    """The data directory: what is kept, and what this node has made of it."""

    root: Path

    @property
    def node(self) -> Path:
        return self.root / "node"

    @property
    def staging(self) -> Path:
        return self.root / "staging"

    def prepare(self) -> None:
        """Make the folders; what was left in staging by a crash goes."""
        self.root.chmod(0o700)
        shutil.rmtree(self.staging, ignore_errors=True)
        self.staging.mkdir(mode=0o700)
        # Boxes of root run as users of their own, who must get through here.
        self.node.mkdir(exist_ok=True)
        self.node.chmod(0o755)


@contextlib.contextmanager
def data_directory(settings: Settings) -> Iterator[Path]:
    """The data directory, locked; with ``ephemeral`` one of this run, removed at the end.

    Raises HostError if another server uses it or it cannot be written.
    """
    if settings.ephemeral:
        remove_abandoned(Path(tempfile.gettempdir()))
        root = Path(tempfile.mkdtemp(prefix=f"{EPHEMERAL}{os.getpid()}-"))
        try:
            yield root
        finally:
            shutil.rmtree(root, ignore_errors=True)
        return
    assert settings.data is not None
    root = settings.data.absolute()
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(root / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise HostError(
            f"The data directory {root} cannot be used: {error.strerror}. Give another by --data."
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise HostError(
            f"Another server uses the data directory {root}. Stop it, or give another by --data."
        ) from None
    else:
        yield root
    finally:
        os.close(lock)


def remove_abandoned(folder: Path) -> None:
    """Remove what ephemeral servers that were killed have left in ``folder``."""
    for path in folder.glob(f"{EPHEMERAL}*"):
        pid = path.name.removeprefix(EPHEMERAL).split("-")[0]
        if pid.isdigit() and not Path("/proc", pid).exists() and path.stat().st_uid == os.geteuid():
            shutil.rmtree(path, ignore_errors=True)


def give_memory_back() -> None:
    """Have the C library give large buffers back to the kernel when they are freed.

    By itself it learns to keep them, in an arena for each few threads: under payloads of some
    megabytes the server grew by 0.5 MB a second, to twice its size in a minute, with nothing held.
    Other C libraries than GNU's do not need it and do not have it.
    """
    libc = ctypes.CDLL(None)
    with contextlib.suppress(AttributeError):
        libc.mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
        libc.mallopt(M_TRIM_THRESHOLD, 4 * LARGE_BYTES)
        libc.mallopt(M_ARENA_MAX, ARENAS)


def files_for_environments() -> int:
    """How many environments the server has descriptors for; its own limit is raised as far as
    it may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    most = 1_048_576 if hard == resource.RLIM_INFINITY else hard
    return max(1, (most - OWN_FILES) // FILES_EACH)


async def uplinks(settings: Settings, stack: contextlib.AsyncExitStack) -> uplink.Uplinks | None:
    """What gives boxes a network, ready to; None where none shall have one.

    Raises SandboxFailed with the mend if this host cannot.
    """
    if settings.network is Network.NONE:
        return None
    made = uplink.Uplinks(uplink.find())
    stack.push_async_callback(made.close)
    await made.start()
    return made


def seen(groups: Groups) -> Seen:
    """What all environments hold, by their control groups or else by their processes: those of
    this server's children. Blocks."""
    held = groups.all().occupied()
    if held is None:
        held = sum(usage.of_tree(child) for child in usage.children(os.getpid()))
    return Seen(held, usage.machine(groups.hierarchy))


def instance(root: Path, *, ephemeral: bool = False) -> str:
    """A short name of the server: what an earlier one of the same data directory left is found
    by it, and what an ephemeral one left by the number of its process."""
    if ephemeral:
        return f"{cgroup.EPHEMERAL}{os.getpid()}"
    return hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:12]
