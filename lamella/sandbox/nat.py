"""The process that starts the helpers of boxes with a network: one slirp4netns for each of them.

A helper is in two networks: it has one end of an interface in the box's, and its sockets in the
host's. The keeper has left the host's network, and forking the server would take long, so
this small process, a child of the server, does it. A helper reads what a hostile function
sends, so it gets no rights: as root it is the host user that the box itself runs as, without
root the server's; in both cases it can write no file and read few (where the kernel has
Landlock), cannot start programs (slirp4netns's own filter of system calls), and has limits.
(slirp4netns's own "sandbox" needs a user 0 in the box's user namespace, and there is none.)

It takes ``{"uid": n}`` with five descriptors: the box's user and network namespace, where
the helper says that it is ready, what it ends with when the other end is closed, and where
it complains. It ends with the server, and the helpers with it.

Started as ``python -m lamella.sandbox.nat DESCRIPTOR SLIRP4NETNS``.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from lamella.sandbox import landlock, netlink, syscalls

DEVICE = Path("/dev/net/tun")
RESOLVER = Path("/etc/resolv.conf")
DEVICE_NUMBER = os.makedev(10, 200)
FOR_ALL = 0o006

DATA_BYTES = 134_217_728
"""A helper's memory: what waits in a thousand connections, some of them slow."""
FILES = 2_048
COMPLAINT_BYTES = 16_384


def arguments(program: str, descriptors: list[int]) -> list[str]:
    """The command of one helper."""
    user, network, ready, until, _ = descriptors
    return [
        program,
        f"--mtu={netlink.MTU}",
        f"--cidr={netlink.VIRTUAL}",
        "--disable-host-loopback",
        "--enable-seccomp",
        f"--ready-fd={ready}",
        f"--exit-fd={until}",
        f"--userns-path=/proc/self/fd/{user}",
        "--netns-type=path",
        f"/proc/self/fd/{network}",
        netlink.INTERFACE,
    ]


def paths(program: Path) -> Mapping[Path, int]:
    """What of the file system is left to a helper: its libraries, and who resolves names."""
    run = landlock.READ_FILE | landlock.EXECUTE
    read, both = landlock.READ_FILE, landlock.READ_FILE | landlock.WRITE_FILE
    return {
        program: run,
        **{Path(folder): run for folder in ("/usr/lib", "/usr/lib64", "/lib", "/lib64")},
        Path("/etc"): read,
        RESOLVER.resolve().parent: read,
        DEVICE: both,
        Path(os.devnull): both,
    }


def offer_device() -> None:
    """For root: let the helpers, which are other users, open the device of such interfaces.

    Where the host does not let everybody, it is put up anew in a mount namespace of one's own.
    Raises OSError.
    """
    if DEVICE.exists() and DEVICE.stat().st_mode & FOR_ALL == FOR_ALL:
        return
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount("none", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE)
    syscalls.mount("tun", str(DEVICE.parent), "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NOEXEC)
    os.umask(0)
    DEVICE.parent.chmod(0o755)
    os.mknod(DEVICE, stat.S_IFCHR | 0o666, DEVICE_NUMBER)


def become_helper(program: str, uid: int | None, descriptors: list[int]) -> NoReturn:
    """In a forked child: give up all rights and be slirp4netns."""
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        # Who complains more than fits goes on without.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        for kind, most in (
            (resource.RLIMIT_DATA, DATA_BYTES),
            (resource.RLIMIT_NOFILE, FILES),
            (resource.RLIMIT_FSIZE, COMPLAINT_BYTES),
            (resource.RLIMIT_CORE, 0),
        ):
            hard = resource.getrlimit(kind)[1]
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(kind, (most, most))
        if uid is not None:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
        syscalls.die_with_parent(signal.SIGKILL)
        if landlock.is_there():
            landlock.restrict(paths(Path(program)))
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        os.dup2(descriptors[-1], 2)
        for descriptor in descriptors:
            os.set_inheritable(descriptor, True)
        os.execve(program, arguments(program, descriptors), {"LC_ALL": "C"})
    except (OSError, ValueError) as error:
        os.write(descriptors[-1], f"{error}\n".encode())
    finally:
        os._exit(125)


def serve(channel: socket.socket, program: str) -> None:
    """Start helpers until the server is gone."""
    while True:
        data, descriptors, _, _ = socket.recv_fds(channel, 4_096, 5)
        if not data:
            return
        try:
            if len(descriptors) == 5 and os.fork() == 0:
                become_helper(program, json.loads(data)["uid"], descriptors)
        except OSError as error:
            # The helpers of other boxes would end with this process.
            os.write(descriptors[-1], f"{error}\n".encode())
        finally:
            for descriptor in descriptors:
                os.close(descriptor)


def main() -> None:
    channel = socket.socket(fileno=int(sys.argv[1]))
    channel.set_inheritable(False)
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(ignored, signal.SIG_IGN)
    syscalls.tie_to_parent()
    try:
        if os.geteuid() == 0:
            offer_device()
        channel.send(json.dumps({"ready": True}).encode())
    except OSError as error:
        channel.send(json.dumps({"error": str(error)}).encode())
        return
    serve(channel, sys.argv[2])


if __name__ == "__main__":
    main()
