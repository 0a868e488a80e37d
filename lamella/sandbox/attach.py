"""Mounts put into a box that runs already.

A mount is made attached to nothing, in the keeper's own namespaces; then the keeper enters the
mount namespace of the box for a moment and attaches it. The box may have made its tree as it
likes: no link is followed there, nothing is read or written, and no open of a file can wait.
Everything that has to be known is known before; the way back is by descriptors.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

from lamella.sandbox import syscalls

HELD = syscalls.MOUNT_ATTR_NOSUID | syscalls.MOUNT_ATTR_NODEV
"""What every mount in a box is held to."""
LOST = 70
"""What a keeper exits with that cannot come back to its own namespace."""


def detached(sources: Sequence[str], writable: bool = False) -> int:
    """A descriptor of a mount that is attached nowhere, to be attached once.

    One of ``sources`` is a file or a folder, shown as it is; several are folders, topmost first,
    shown as one that cannot be written. Raises OSError.
    """
    if len(sources) > 1:
        return _overlay(sources)
    made = syscalls.open_tree(sources[0])
    try:
        syscalls.mount_setattr(made, HELD if writable else HELD | syscalls.MOUNT_ATTR_RDONLY)
    except OSError:
        os.close(made)
        raise
    return made


def _overlay(sources: Sequence[str]) -> int:
    with contextlib.ExitStack() as held:
        # An option has 255 bytes, and descriptors are the short names of long paths.
        lowest = []
        for source in sources:
            folder = os.open(source, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            held.callback(os.close, folder)
            lowest.append(f"/proc/self/fd/{folder}")
        overlay = syscalls.fsopen("overlay")
        held.callback(os.close, overlay)
        syscalls.fsconfig(overlay, syscalls.FSCONFIG_SET_STRING, "source", "overlay")
        syscalls.fsconfig(overlay, syscalls.FSCONFIG_SET_STRING, "lowerdir", ":".join(lowest))
        syscalls.fsconfig(overlay, syscalls.FSCONFIG_SET_FLAG, "userxattr")
        syscalls.fsconfig(overlay, syscalls.FSCONFIG_CMD_CREATE, None)
        return syscalls.fsmount(overlay, HELD | syscalls.MOUNT_ATTR_RDONLY)


def attach(first: int, mounts: Sequence[tuple[int, str]]) -> None:
    """Attach detached mounts, each at an absolute path, in the mount namespace of process
    ``first``, one after the other. For a process of one thread.

    Raises OSError; those before the one that failed are attached then.
    """
    with _inside(first):
        for mount, target in mounts:
            place = syscalls.open_place(target)
            try:
                syscalls.move_mount(mount, place)
            finally:
                os.close(place)


def furnish(first: int, mounts: Sequence[Any]) -> None:
    """`detached` and `attach` in one, for mounts as a request describes them."""
    with contextlib.ExitStack() as held:
        made = []
        for each in mounts:
            mount = detached(each["sources"], each["writable"])
            held.callback(os.close, mount)
            made.append((mount, each["target"]))
        attach(first, made)


@contextlib.contextmanager
def _inside(first: int) -> Iterator[None]:
    """In the mount namespace of process ``first`` while the block lasts. Who cannot come back
    ends: it would be served by another's files."""
    with contextlib.ExitStack() as held:
        there, home, root, folder = (
            _opened(held, path, flags)
            for path, flags in (
                (f"/proc/{first}/ns/mnt", os.O_RDONLY),
                ("/proc/self/ns/mnt", os.O_RDONLY),
                ("/", os.O_PATH),
                (".", os.O_PATH),
            )
        )
        if os.path.sameopenfile(there, home):
            raise ProcessLookupError("the process has no mount namespace of its own")
        syscalls.setns(there, syscalls.CLONE_NEWNS)
        try:
            yield
        finally:
            try:
                syscalls.setns(home, syscalls.CLONE_NEWNS)
                os.fchdir(root)
                os.chroot(".")
                os.fchdir(folder)
            except OSError:
                os._exit(LOST)


def _opened(held: contextlib.ExitStack, path: str, flags: int) -> int:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    held.callback(os.close, descriptor)
    return descriptor
