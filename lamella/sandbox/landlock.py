"""Landlock: a process without rights that gives up most of the file system for good.

Source: https://docs.kernel.org/userspace-api/landlock.html
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Mapping
from pathlib import Path

EXECUTE, WRITE_FILE, READ_FILE = 0x1, 0x2, 0x4
EVERY_RIGHT = 0x1FFF
"""Those of the first version, which newer kernels know as well: to make, rename, remove, too."""
NO_NEW_PRIVILEGES = 38

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_PATH_BENEATH = 1
_libc = ctypes.CDLL(None, use_errno=True)


def is_there() -> bool:
    """Whether this kernel has Landlock, and has it switched on."""
    try:
        os.close(_ruleset())
    except OSError:
        return False
    return True


def restrict(allowed: Mapping[Path, int]) -> None:
    """Leave this process, and what it becomes, the rights to what is at or beneath paths.

    Paths that are not there are passed over. Raises OSError.
    """
    rules = _ruleset()
    try:
        for path, rights in allowed.items():
            if path.exists():
                _allow(rules, path, rights)
        _checked(_libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0), "prctl")
        _checked(_libc.syscall(_RESTRICT_SELF, rules, 0), "landlock_restrict_self")
    finally:
        os.close(rules)


def _ruleset() -> int:
    handled = struct.pack("=Q", EVERY_RIGHT)
    return _checked(
        _libc.syscall(_CREATE_RULESET, handled, ctypes.c_size_t(len(handled)), 0),
        "landlock_create_ruleset",
    )


def _allow(rules: int, path: Path, rights: int) -> None:
    beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = struct.pack("=Qi", rights, beneath)
        _checked(_libc.syscall(_ADD_RULE, rules, _PATH_BENEATH, rule, 0), "landlock_add_rule")
    finally:
        os.close(beneath)


def _checked(result: int, call: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{call}: {os.strerror(code)}")
    return result
