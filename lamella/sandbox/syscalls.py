"""The system calls that Python's standard library lacks: named, typed and checked, a line each.

Every function raises OSError with the name of the call and its main argument.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal

CLONE_NEWNS = 0x0002_0000
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWPID = 0x2000_0000
CLONE_NEWNET = 0x4000_0000

MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x4_0000
MNT_DETACH = 0x2

PR_SET_PDEATHSIG = 1
NS_GET_USERNS = 0xB701

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = [
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_ulong,
    ctypes.c_char_p,
]


def _checked(result: int, call: str, about: object) -> None:
    if result != 0:
        errno = ctypes.get_errno()
        raise OSError(errno, f"{call}({about}): {os.strerror(errno)}")


def unshare(flags: int) -> None:
    """Give this process new namespaces of the kinds in ``flags``."""
    _checked(_libc.unshare(flags), "unshare", hex(flags))


def setns(descriptor: int, kind: int) -> None:
    """Move this thread into the namespace behind ``descriptor``."""
    _checked(_libc.setns(descriptor, kind), "setns", hex(kind))


def mount(source: str, target: str, filesystem: str, flags: int, options: str = "") -> None:
    _checked(
        _libc.mount(
            source.encode(), target.encode(), filesystem.encode(), flags, options.encode() or None
        ),
        "mount",
        target,
    )


def unmount(target: str) -> None:
    """Detach ``target`` now; the file system goes with its last user."""
    _checked(_libc.umount2(target.encode(), MNT_DETACH), "umount2", target)


def die_with_parent(number: int) -> None:
    """Be sent ``number`` when the thread that made this process ends."""
    _checked(_libc.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0), "prctl", "PR_SET_PDEATHSIG")


def tie_to_parent() -> None:
    """End with the parent, also if it ended a moment ago."""
    parent = os.getppid()
    die_with_parent(signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def owner_of(namespace: int) -> int:
    """A descriptor of the user namespace that the one behind ``namespace`` belongs to."""
    return fcntl.ioctl(namespace, NS_GET_USERNS)
