"""A child of the keeper, from its fork until it is bubblewrap, and so a box.

It runs with the keeper's rights, and never returns into the keeper's code.
"""

from __future__ import annotations

import fcntl
import json
import os
import resource
import signal
import socket
from typing import Any, NoReturn

from lamella.sandbox import signals, syscalls

MESSAGE_BYTES = 1_048_576
FIRST_GIVEN = 6
"""Where a box finds the first descriptor that it is given beside its output."""
BEYOND = 16


def enter(request: Any, program: bytes, info: int, gate: int, outputs: list[int]) -> NoReturn:
    """In a forked child: join the control groups of the request, become its box."""
    try:
        join(request["cgroups"])
    except OSError as error:
        give_up(outputs[0], error)
    become_box(request, program, info, gate, outputs)


def join(cgroups: list[str]) -> None:
    for path in cgroups:
        with open(path, "w") as processes:
            processes.write("0")


def give_up(output: int, error: Exception) -> NoReturn:
    os.write(output, f"the box could not be made: {error}\n".encode())
    os._exit(125)


def wait_as_spare(cgroups: list[str], channel: socket.socket, keepers: socket.socket) -> NoReturn:
    """In a forked child: join, wait for a request, become its box. Never returns."""
    try:
        syscalls.die_with_parent(signal.SIGKILL)
        signal.set_wakeup_fd(-1)
        keepers.close()
        join(cgroups)
        data, descriptors, _, _ = socket.recv_fds(channel, MESSAGE_BYTES, 8)
        if len(descriptors) > 2:
            for descriptor in descriptors:
                os.set_inheritable(descriptor, False)
            request = json.loads(data)
            info, gate, *outputs = descriptors
            become_box(request, bytes.fromhex(request["program"]), info, gate, outputs)
    finally:
        os._exit(125)


def become_box(request: Any, program: bytes, info: int, gate: int, outputs: list[int]) -> NoReturn:
    """In a forked child: take the box's limits and user, then become bubblewrap."""
    output, *given = (_moved_away(each) for each in outputs)
    info, gate = _moved_away(info), _moved_away(gate)
    try:
        uid = request["uid"]
        if request["alone"]:
            # Counted for the user, of which this box is the only one.
            most = request["processes"]
            resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
        if uid is not None:
            _become(uid)
        null = os.open("/dev/null", os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        for place, descriptor in enumerate(given, FIRST_GIVEN):
            os.dup2(descriptor, place)
        os.set_inheritable(info, True)
        os.set_inheritable(gate, True)
        bubblewrap = request["bubblewrap"]
        # Options go through a file, as other users of the host can read command lines.
        options = _in_memory("\0".join(request["options"]).encode())
        own = ["--args", str(options), "--info-fd", str(info), "--block-fd", str(gate)]
        own += ["--seccomp", str(_in_memory(program)), "--"]
        # Last: what the keeper holds, which is more than a box may, is open until then.
        for name, value in request["rlimits"].items():
            kind = getattr(resource, name)
            hard = resource.getrlimit(kind)[1]
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(kind, (value, value))
        signals.restore()
        os.execve(bubblewrap, [bubblewrap, *own, *request["argv"]], {})
    except (OSError, ValueError) as error:
        give_up(output, error)


def bound(first: int, uid: int | None, most: int) -> None:
    """Bound the number of processes in the user namespace of process ``first``. Raises OSError.

    The keeper may have no right to, where it is not of that user itself; a process of the user has.
    """
    if uid is None:
        resource.prlimit(first, resource.RLIMIT_NPROC, (most, most))
        return
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            _become(uid)
            resource.prlimit(first, resource.RLIMIT_NPROC, (most, most))
            status = 0
        finally:
            os._exit(status)
    if os.waitpid(child, 0)[1] != 0:
        raise BrokenPipeError("the box's processes could not be limited")


def _become(uid: int) -> None:
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def _in_memory(data: bytes) -> int:
    """A descriptor that reads ``data``; it is inherited."""
    descriptor = _moved_away(os.memfd_create("box", os.MFD_CLOEXEC))
    os.set_inheritable(descriptor, True)
    os.write(descriptor, data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _moved_away(descriptor: int) -> int:
    """A copy beyond the places that the box's own descriptors take."""
    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, BEYOND)
