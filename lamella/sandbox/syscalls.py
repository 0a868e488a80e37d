"""The system calls that Python's standard library lacks: named, typed and checked, a line each.

Every function raises OSError with the name of the call and its main argument.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import struct

CLONE_NEWNS = 0x0002_0000
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWPID = 0x2000_0000
CLONE_NEWNET = 0x4000_0000

MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x4_0000
MNT_DETACH = 0x2

OPEN_TREE_CLONE = 0x1
AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000
MOUNT_ATTR_RDONLY = 0x1
MOUNT_ATTR_NOSUID = 0x2
MOUNT_ATTR_NODEV = 0x4
MOVE_MOUNT_F_EMPTY_PATH = 0x4
MOVE_MOUNT_T_EMPTY_PATH = 0x40
FSCONFIG_SET_FLAG = 0
FSCONFIG_SET_STRING = 1
FSCONFIG_CMD_CREATE = 6
RESOLVE_NO_MAGICLINKS = 0x2
RESOLVE_NO_SYMLINKS = 0x4

_OPEN_TREE, _MOVE_MOUNT, _FSOPEN, _FSCONFIG, _FSMOUNT = 428, 429, 430, 431, 432
_OPENAT2, _MOUNT_SETATTR = 437, 442
"""Without a wrapper in older C libraries; the numbers are the same on every architecture here."""

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


def _called(number: int, call: str, about: object, *arguments: int | bytes | None) -> int:
    """What a system call without a wrapper returns."""
    words = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    result = int(_libc.syscall(ctypes.c_long(number), *words))
    if result < 0:
        _checked(result, call, about)
    return result


def open_tree(path: str) -> int:
    """A descriptor of a copy of what is mounted at and below ``path``, attached nowhere."""
    flags = OPEN_TREE_CLONE | AT_RECURSIVE | os.O_CLOEXEC
    return _called(_OPEN_TREE, "open_tree", path, AT_FDCWD, os.fsencode(path), flags)


def fsopen(filesystem: str) -> int:
    """A descriptor of a file system that is to be configured."""
    return _called(_FSOPEN, "fsopen", filesystem, filesystem.encode(), 1)


def fsconfig(descriptor: int, command: int, key: str | None, value: str | None = None) -> None:
    """Set an option of at most 255 bytes, a flag, or do ``command``, of what `fsopen` gave."""
    words = [None if each is None else each.encode() for each in (key, value)]
    _called(_FSCONFIG, "fsconfig", key, descriptor, command, *words, 0)


def fsmount(descriptor: int, attributes: int) -> int:
    """A descriptor of a mount, attached nowhere, of what was configured."""
    return _called(_FSMOUNT, "fsmount", hex(attributes), descriptor, 1, attributes)


def mount_setattr(descriptor: int, attributes: int) -> None:
    """Add attributes to the mount behind ``descriptor`` and to those below it."""
    wanted = struct.pack("=QQQQ", attributes, 0, 0, 0)
    flags = AT_EMPTY_PATH | AT_RECURSIVE
    about = hex(attributes)
    _called(_MOUNT_SETATTR, "mount_setattr", about, descriptor, b"", flags, wanted, len(wanted))


def move_mount(descriptor: int, target: int) -> None:
    """Attach a mount to what ``target`` is a descriptor of."""
    flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH
    _called(_MOVE_MOUNT, "move_mount", descriptor, descriptor, b"", target, b"", flags)


def open_place(path: str) -> int:
    """A descriptor that stands for ``path``, and reads nothing; no link is followed to it."""
    flags = os.O_PATH | os.O_CLOEXEC
    how = struct.pack("=QQQ", flags, 0, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)
    return _called(_OPENAT2, "openat2", path, AT_FDCWD, os.fsencode(path), how, len(how))
