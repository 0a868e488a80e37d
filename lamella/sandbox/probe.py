"""What this host can and cannot enforce, found out by trying it.

`examine` is what ``lamella doctor`` prints; each finding says what was seen and how to mend it.
"""

from __future__ import annotations

import asyncio
import os
import platform
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lamella.errors import SandboxFailed
from lamella.sandbox import bubblewrap, cgroup, landlock, seccomp, uplink
from lamella.sandbox.network import Network
from lamella.sandbox.plan import BoxPlan, Limits
from lamella.sandbox.spawn import Spawner

MEGABYTE = 1_048_576
OVERLAYS = "test -e /opt/one && test -e /opt/two && echo both"
CONNECTED = "grep -q ^tap0 /proc/net/route && echo connected"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. ``needed`` findings that fail keep functions from running at all;
    ``optional`` ones are missed only by who asks for what they give."""

    name: str
    ok: bool
    detail: str
    mend: str = ""
    needed: bool = False
    optional: bool = False


def examine() -> tuple[Finding, ...]:
    """Look at everything that boxes stand on; takes a fraction of a second."""
    hierarchy = cgroup.find()
    return (
        _kernel(),
        _bubblewrap(),
        _box(),
        *_limits(hierarchy),
        _freezing(hierarchy),
        _users(),
        _filter(),
        _network(),
    )


def _kernel() -> Finding:
    release = platform.release()
    numbers = tuple(int(part) for part in release.split("-")[0].split(".")[:2] if part.isdigit())
    return Finding(
        "kernel",
        numbers >= (5, 11),
        f"Linux {release}",
        "Overlays without root need Linux 5.11 or newer.",
        needed=True,
    )


def _bubblewrap() -> Finding:
    try:
        program = bubblewrap.find()
    except SandboxFailed as error:
        return Finding("bubblewrap", False, str(error), bubblewrap.MEND, needed=True)
    said = ".".join(str(part) for part in bubblewrap.version(program))
    return Finding("bubblewrap", True, f"{said}, {program}", needed=True)


def _box() -> Finding:
    """Make a box with an overlay of two directories and read through it."""
    mend = (
        "Allow user namespaces: `sysctl -w user.max_user_namespaces=15000`, on Debian also "
        "`kernel.unprivileged_userns_clone=1`, on Ubuntu "
        "`kernel.apparmor_restrict_unprivileged_userns=0`. In a container, its runtime must allow "
        "unshare and mount."
    )
    try:
        said = asyncio.run(_try_box(OVERLAYS))
    except (SandboxFailed, OSError, TimeoutError) as error:
        return Finding("box with overlay", False, str(error), mend, needed=True)
    good = said == "both"
    return Finding("box with overlay", good, "works" if good else said, mend, needed=True)


def _network() -> Finding:
    """Make a box with a way out, and look whether it has an interface."""
    name = "network for functions"
    try:
        program = uplink.find()
    except SandboxFailed as error:
        return Finding(name, False, str(error).split(". ")[0], uplink.MEND, optional=True)
    mend = "Let users open /dev/net/tun: `modprobe tun`, `chmod 666 /dev/net/tun`."
    try:
        said = asyncio.run(_try_connected(program))
    except (SandboxFailed, OSError, TimeoutError) as error:
        return Finding(name, False, str(error) or "it took too long", mend, optional=True)
    if said != "connected":
        return Finding(name, False, said, mend, optional=True)
    walls = "" if landlock.is_there() else "; without Landlock helpers see the host's files"
    version = ".".join(map(str, uplink.version(program)))
    return Finding(name, True, f"slirp4netns {version}, {program}{walls}", optional=True)


async def _try_connected(program: Path) -> str:
    uplinks = uplink.Uplinks(program)
    await uplinks.start()
    try:
        return await _try_box(CONNECTED, uplinks)
    finally:
        await uplinks.close()


async def _try_box(script: str, uplinks: uplink.Uplinks | None = None) -> str:
    with tempfile.TemporaryDirectory() as folder:
        layers = []
        for name in ("one", "two"):
            layer = Path(folder, name)
            layer.mkdir()
            (layer / name).touch()
            layers.append(layer)
        Path(folder).chmod(0o755)
        spawner = Spawner(
            bubblewrap.find(), [Path(folder)], unique_uids=os.geteuid() == 0, uplinks=uplinks
        )
        await spawner.start()
        try:
            network = None if uplinks is None else Network()
            return await asyncio.wait_for(_run_box(spawner, script, tuple(layers), network), 5.0)
        finally:
            await spawner.close()


async def _run_box(
    spawner: Spawner, script: str, layers: tuple[Path, ...], network: Network | None
) -> str:
    plan = BoxPlan(
        name="probe",
        argv=("/bin/sh", "-c", script),
        environment={},
        limits=Limits(memory=64 * MEGABYTE, tmp=MEGABYTE),
        overlays={"/opt": layers},
        network=network,
    )
    reader, writer = os.pipe()
    try:
        room = await spawner.room("probe", MEGABYTE)
        try:
            box = await spawner.box(plan, room, cgroup.Group(0, {}), writer)
        finally:
            os.close(writer)
        code = await box.exited
        box.close()
        await spawner.leave(room)
        said = os.read(reader, 4096).decode(errors="replace").strip()
        return said or f"the box ended with {code}"
    finally:
        os.close(reader)


def _limits(hierarchy: cgroup.Hierarchy) -> list[Finding]:
    names = {"memory": "memory limit", "cpu": "CPU limit", "pids": "process limit"}
    mend = (
        "Run as root, or under a systemd user session that delegates the controllers "
        "(`systemd-run --user --scope -p Delegate=yes lamella serve`)."
    )
    stand_in = {
        "memory": "falls back to counting what each process holds",
        "cpu": "functions share the CPUs without shares of their own",
        "pids": "falls back to the process limit of the box's user namespace",
    }
    return [
        Finding(
            names[name],
            name in hierarchy.folders,
            f"control groups, version {hierarchy.version}"
            if name in hierarchy.folders
            else f"the {name} controller cannot be written: {stand_in[name]}",
            mend,
        )
        for name in cgroup.CONTROLLERS
    ]


def _freezing(hierarchy: cgroup.Hierarchy) -> Finding:
    return Finding(
        "freezing between invocations",
        hierarchy.freezer is not None,
        "control groups, version 2"
        if hierarchy.freezer
        else "by SIGSTOP and SIGCONT, which a function can notice and which take longer",
        "Let the server write a tree of control groups of version 2 (as root, or "
        "`systemd-run --user --scope -p Delegate=yes lamella serve`).",
    )


def _users() -> Finding:
    root = os.geteuid() == 0
    return Finding(
        "a user for each environment",
        root,
        "each environment runs as a host user of its own"
        if root
        else "environments run as this user, in namespaces of their own",
        "Run as root if environments must not share a host user.",
    )


def _filter() -> Finding:
    machine = platform.machine()
    return Finding(
        "system-call filter",
        machine in seccomp.ARCHITECTURES,
        f"{machine}: {len(seccomp.ARCHITECTURES[machine].refused)} calls refused"
        if machine in seccomp.ARCHITECTURES
        else f"no table for {machine}",
        "Use x86_64 or aarch64.",
        needed=True,
    )
