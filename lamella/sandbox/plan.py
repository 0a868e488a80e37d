"""What a box is to be, decided before anything is done.

`BoxPlan` says what the process sees and may use; `options` turns it into bubblewrap's
options. Both are pure: a plan can be printed, compared and tested without a kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from lamella.errors import SandboxFailed
from lamella.sandbox.netlink import CONNECTED_RESOLVER
from lamella.sandbox.network import Network

INSIDE_UID = 993
INSIDE_GID = 990
"""The user of AWS's own environments (``sbx_user1051``) and its group."""

Locate = Callable[[Path], str]
"""Where the keeper of the private mount namespace sees a path of the host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one box may use.

    ``memory`` and ``tmp`` are bytes, ``cpus`` is a number of processors (its fraction counts),
    ``processes`` counts threads too, ``files`` are open descriptors of one process.
    ``slack`` is how many bytes beyond ``memory`` one process may set aside where no control
    group counts what it really uses: somebody watches that it uses no more than ``memory``.
    """

    memory: int
    tmp: int
    cpus: float = 1.0
    weight: float = 1.0
    processes: int = 1_024
    files: int = 1_024
    slack: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxPlan:
    """A process and everything it will see.

    ``overlays`` maps a path in the box to host directories, topmost first; no directories make
    an empty folder. ``binds`` maps a path in the box to one host path, read-only. ``symlinks``
    maps a path in the box to what it points at; ``hides`` are folders of the host's that the box
    shows empty. ``listen`` are the loopback ports at which the
    server wants listening sockets inside the box's own network namespace; ``network`` is a way
    out of that, None for its loopback alone.
    """

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    limits: Limits
    overlays: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    binds: Mapping[str, Path] = field(default_factory=dict)
    symlinks: Mapping[str, str] = field(default_factory=dict)
    hides: tuple[str, ...] = ()
    writable: Mapping[str, Path] = field(default_factory=dict)
    directory: str = "/"
    hostname: str = "localhost"
    listen: tuple[int, ...] = ()
    network: Network | None = None


@dataclass(frozen=True, slots=True)
class Mount:
    """What a box that runs gets at ``target``: a file, a folder, or several folders in one,
    topmost first, which cannot be written."""

    target: str
    sources: tuple[Path, ...]
    writable: bool = False


SYSTEM_FOLDERS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")


def system_links(root: Path = Path("/")) -> tuple[tuple[str, str | None], ...]:
    """Each of the host's top-level system folders: its name, and its target if it is a link.

    Reads the host; the answer is data for `options`.
    """
    present = [name for name in SYSTEM_FOLDERS if (root / name).exists()]
    return tuple(
        (name, str((root / name).readlink()) if (root / name).is_symlink() else None)
        for name in present
    )


def options(
    plan: BoxPlan,
    *,
    locate: Locate,
    etc: str,
    tmp: str,
    system: tuple[tuple[str, str | None], ...],
) -> list[str]:
    """bubblewrap's options for ``plan``; the command itself is the plan's ``argv``.

    ``etc`` and ``tmp`` are the prepared ``/etc`` and the box's own ``/tmp`` as the keeper sees
    them; descriptors (information, seccomp, start signal) are added by whoever opens them.
    """
    out = ["--unshare-all", "--die-with-parent", "--new-session"]
    out += ["--uid", str(INSIDE_UID), "--gid", str(INSIDE_GID), "--hostname", plan.hostname]
    out += ["--ro-bind", "/usr", "/usr", "--ro-bind", etc, "/etc"]
    if plan.network is not None:
        out += ["--ro-bind", f"{etc}/{CONNECTED_RESOLVER}", "/etc/resolv.conf"]
    for folder in plan.hides:
        if Path(folder).is_dir():
            out += ["--tmpfs", folder, "--remount-ro", folder]
    for name, target in system:
        out += (
            ["--symlink", target, f"/{name}"] if target else ["--ro-bind", f"/{name}", f"/{name}"]
        )
    out += ["--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev", "--bind", tmp, "/tmp"]
    for target, directories in plan.overlays.items():
        out += _overlay(target, directories, locate)
    for target, source in plan.binds.items():
        out += ["--ro-bind", locate(source), target]
    for target, source in plan.writable.items():
        out += ["--bind", locate(source), target]
    for path, points_at in plan.symlinks.items():
        out += ["--symlink", points_at, path]
    out += ["--remount-ro", "/", "--chdir", plan.directory, "--clearenv"]
    for name, value in plan.environment.items():
        out += ["--setenv", name, value]
    # Options travel separated by NULs: one inside a value would begin an option of its own.
    if any("\0" in word for word in (*out, *plan.argv)):
        raise SandboxFailed("A NUL cannot be part of what a box is made of.")
    return out


def _overlay(target: str, directories: tuple[Path, ...], locate: Locate) -> list[str]:
    match directories:
        case ():
            return ["--dir", target]
        case (only,):
            return ["--ro-bind", locate(only), target]
        case _:
            # bubblewrap takes the lowest directory first.
            sources = [("--overlay-src", locate(each)) for each in reversed(directories)]
            return [*chain.from_iterable(sources), "--ro-overlay", target]
