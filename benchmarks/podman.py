"""The emulator in a container, by podman and crun.

Used where they are installed. On Debian and its like they need not be: root has apt fetch the packages, which
are unpacked into the cache and change nothing on the machine. The container's root is the host's
`/usr`, read-only, so that no image is needed; it has no network of its own, no control group
and no seccomp filter, which makes it faster than it would be.

A cold start counts from podman's command: the emulator's own start is in it, and a shell's that makes
the mount namespace.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import platform
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

from benchmarks.client import Connection, invocation
from benchmarks.emulator import Program, environ, free_port, wait_for
from benchmarks.materials import once

PACKAGES = (
    "podman",
    "crun",
    "conmon",
    "libgpgme11",
    "libsubid4",
    "libyajl2",
    "libassuan0",
    "golang-github-containers-common",
    "golang-github-containers-image",
)
LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True)
class Podman:
    """Programs, by their paths; ``libraries`` is where those look that were only unpacked."""

    podman: Path
    crun: Path
    conmon: Path
    libraries: Path | None = None


def cold_starts(
    stack: contextlib.ExitStack, home: Path, program: Program
) -> Callable[[], float] | str:
    """Each call of the answer is one cold start in ms: a new container, until it has answered.

    A text instead says why there is none.
    """
    if os.geteuid() != 0:
        return "not measured: only root makes containers without preparation"
    found = _installed() or _fetched()
    if isinstance(found, str):
        return found
    home.mkdir(exist_ok=True)
    stack.callback(shutil.rmtree, home, ignore_errors=True)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    _set_up(home, found)
    once_more = partial(_cold, found, home, program, count())
    try:
        once_more()
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        return f"not measured: a container does not start here ({error})"
    return once_more


def _installed() -> Podman | None:
    paths = [shutil.which(name) for name in ("podman", "crun", "conmon")]
    if None in paths:
        return None
    return Podman(*(Path(path) for path in paths if path))


def _fetched() -> Podman | str:
    tools = ("apt-get", "dpkg-deb", "unshare")
    if not all(shutil.which(tool) for tool in tools):
        return "not measured: podman and crun are not installed"
    try:
        root = once("podman", _unpack)
    except subprocess.CalledProcessError:
        return "not measured: apt has no podman and crun here"
    programs = root / "usr" / "bin"
    libraries = root / "usr" / "lib" / f"{platform.machine()}-linux-gnu"
    return Podman(programs / "podman", programs / "crun", programs / "conmon", libraries)


def _unpack(folder: Path) -> None:
    _run("apt-get", "-qq", "download", *PACKAGES, cwd=folder)
    for package in folder.glob("*.deb"):
        _run("dpkg-deb", "-x", str(package), str(folder), cwd=folder)
        package.unlink()


def _run(*command: str, cwd: Path) -> None:
    nothing = subprocess.DEVNULL
    subprocess.run(command, cwd=cwd, stdin=nothing, stdout=nothing, stderr=nothing, check=True)


def _set_up(home: Path, found: Podman) -> None:
    """The container's root, which is the host's `/usr` and mount points, and podman's settings."""
    root = home / "root"
    for name in ("usr", "proc", "dev", "sys", "tmp", "etc", "run", "var/task"):
        (root / name).mkdir(parents=True)
    for name in ("bin", "lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    crun = home / "crun"
    crun.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH={found.libraries or ""} exec {found.crun} "$@"\n')
    crun.chmod(0o755)
    (home / "containers.conf").write_text(
        f"[engine]\nconmon_path={json.dumps([str(found.conmon)])}\n"
        'runtime="crun"\ncgroup_manager="cgroupfs"\nevents_logger="none"\n'
        f"[engine.runtimes]\ncrun={json.dumps([str(crun)])}\n"
    )
    (home / "storage.conf").write_text(
        f'[storage]\ndriver="vfs"\ngraphroot="{home}/graph"\nrunroot="{home}/run"\n'
    )


def _cold(found: Podman, home: Path, program: Program, numbers: count[int]) -> float:
    port, number = free_port(), next(numbers)
    pids = [home / f"{kind}-{number}" for kind in ("container", "conmon")]
    began = time.perf_counter()
    try:
        subprocess.run(
            _command(found, home, program, pids, port),
            env=_environ(found, home),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=60,
            check=True,
        )
        wait_for(port)
        with Connection(port) as connection:
            connection.timed(invocation("function"))
            return (time.perf_counter() - began) * 1000
    finally:
        for path in pids:
            _end(path)


def _command(found: Podman, home: Path, program: Program, pids: list[Path], port: int) -> list[str]:
    mounts = [(Path("/usr"), "/usr"), (program.code, "/var/task")]
    mounts += [(folder, str(folder)) for folder in (program.emulator.parent, *program.folders)]
    variables = {**environ(program), "LAMBDA_TASK_ROOT": "/var/task"}
    # In a mount namespace of its own nothing stays mounted; crun refuses a v2 tree beside v1.
    hide = 'umount -l /sys/fs/cgroup/unified 2>/dev/null; exec "$@"'
    return [
        *("unshare", "--mount", "sh", "-c", hide, "sh"),
        *(str(found.podman), "--tmpdir", str(home / "tmp"), "run", "--detach"),
        *("--pidfile", str(pids[0]), "--conmon-pidfile", str(pids[1]), "--log-driver", "none"),
        *("--network", "host", "--cgroups", "disabled", *LIMITS),
        *("--security-opt", "seccomp=unconfined", "--workdir", "/var/task"),
        *(word for source, target in mounts for word in ("-v", f"{source}:{target}:ro")),
        *(word for name, value in variables.items() for word in ("-e", f"{name}={value}")),
        *("--rootfs", str(home / "root"), *program.line(port, free_port())),
    ]


def _environ(found: Podman, home: Path) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": str(home),
        "LD_LIBRARY_PATH": str(found.libraries or ""),
        "CONTAINERS_CONF": str(home / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(home / "storage.conf"),
    }


def _end(path: Path) -> None:
    """Kill the process whose number is in ``path``; what was left to this process is waited for."""
    if path.exists():
        pid = int(path.read_text())
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
