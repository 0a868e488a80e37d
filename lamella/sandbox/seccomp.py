"""The system-call filter of every box, as a classic BPF program.

Calls are refused by name with EPERM; calls newer than this table answer ENOSYS, so that a
kernel's new powers are closed until somebody has looked at them. Creating namespaces is
refused in the flags of ``clone``; ``clone3`` hides its flags in memory, so it answers ENOSYS
and C libraries fall back. The numbers are the kernel's own, by architecture.
"""

from __future__ import annotations

import errno
import platform
import socket
import struct
from dataclasses import dataclass, replace

_LOAD, _AND, _RETURN = 0x20, 0x54, 0x06
_EQUAL, _GREATER, _SET = 0x15, 0x25, 0x45
_ALLOW, _KILL, _ERRNO = 0x7FFF_0000, 0x8000_0000, 0x0005_0000
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT, _SECOND_ARGUMENT = 0, 4, 16, 24

_NEW_NAMESPACES = 0x7E02_0080
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET, NEWTIME."""

_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C

_FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK)


@dataclass(frozen=True, slots=True)
class Architecture:
    """A machine's audit number, and the system calls this filter speaks of, by number."""

    audit: int
    clone: int
    clone3: int
    socket: int
    ioctl: int
    newest: int
    nesting: tuple[int, ...]
    refused: tuple[int, ...]
    foreign_bit: int | None = None


# Calls with the same number on every architecture (424 and up are common).
_COMMON_REFUSED = (
    425,  # io_uring_setup
    426,  # io_uring_enter
    427,  # io_uring_register
    428,  # open_tree
    429,  # move_mount
    430,  # fsopen
    431,  # fsconfig
    432,  # fsmount
    433,  # fspick
    438,  # pidfd_getfd
    440,  # process_madvise
    442,  # mount_setattr
    443,  # quotactl_fd
    448,  # process_mrelease
)

ARCHITECTURES = {
    "x86_64": Architecture(
        audit=0xC000_003E,
        clone=56,
        clone3=435,
        socket=41,
        ioctl=16,
        newest=462,
        nesting=(165, 272),  # mount, unshare
        foreign_bit=0x4000_0000,
        refused=(
            101,  # ptrace
            103,  # syslog
            134,  # uselib
            135,  # personality
            136,  # ustat
            153,  # vhangup
            155,  # pivot_root
            156,  # _sysctl
            159,  # adjtimex
            161,  # chroot
            163,  # acct
            164,  # settimeofday
            165,  # mount
            166,  # umount2
            167,  # swapon
            168,  # swapoff
            169,  # reboot
            170,  # sethostname
            171,  # setdomainname
            172,  # iopl
            173,  # ioperm
            174,  # create_module
            175,  # init_module
            176,  # delete_module
            177,  # get_kernel_syms
            178,  # query_module
            179,  # quotactl
            180,  # nfsservctl
            212,  # lookup_dcookie
            227,  # clock_settime
            237,  # mbind
            238,  # set_mempolicy
            246,  # kexec_load
            248,  # add_key
            249,  # request_key
            250,  # keyctl
            256,  # migrate_pages
            272,  # unshare
            279,  # move_pages
            298,  # perf_event_open
            300,  # fanotify_init
            303,  # name_to_handle_at
            304,  # open_by_handle_at
            305,  # clock_adjtime
            308,  # setns
            310,  # process_vm_readv
            311,  # process_vm_writev
            312,  # kcmp
            313,  # finit_module
            320,  # kexec_file_load
            321,  # bpf
            323,  # userfaultfd
            *_COMMON_REFUSED,
        ),
    ),
    "aarch64": Architecture(
        audit=0xC000_00B7,
        clone=220,
        clone3=435,
        socket=198,
        ioctl=29,
        newest=462,
        nesting=(40, 97),  # mount, unshare
        refused=(
            39,  # umount2
            40,  # mount
            41,  # pivot_root
            42,  # nfsservctl
            51,  # chroot
            58,  # vhangup
            60,  # quotactl
            89,  # acct
            92,  # personality
            97,  # unshare
            104,  # kexec_load
            105,  # init_module
            106,  # delete_module
            112,  # clock_settime
            116,  # syslog
            117,  # ptrace
            142,  # reboot
            161,  # sethostname
            162,  # setdomainname
            170,  # settimeofday
            171,  # adjtimex
            217,  # add_key
            218,  # request_key
            219,  # keyctl
            224,  # swapon
            225,  # swapoff
            235,  # mbind
            237,  # set_mempolicy
            238,  # migrate_pages
            239,  # move_pages
            241,  # perf_event_open
            262,  # fanotify_init
            264,  # name_to_handle_at
            265,  # open_by_handle_at
            266,  # clock_adjtime
            268,  # setns
            270,  # process_vm_readv
            271,  # process_vm_writev
            272,  # kcmp
            273,  # finit_module
            280,  # bpf
            282,  # userfaultfd
            294,  # kexec_file_load
            *_COMMON_REFUSED,
        ),
    ),
}

_RESTORE_NUMBER = (_LOAD, 0, 0, _NUMBER)


def program(machine: str | None = None, *, nesting: bool = False) -> bytes:
    """The filter for ``machine`` (default: this one), as an array of ``struct sock_filter``.

    With ``nesting`` it lets a process make namespaces of its own, below the box's, and mount what
    those allow: what a fork needs that is to be a box itself. Raises KeyError for an architecture
    that has no table.
    """
    arch = ARCHITECTURES[machine or platform.machine()]
    if nesting:
        refused = tuple(each for each in arch.refused if each not in arch.nesting)
        arch = replace(arch, refused=refused)
    flags = 0 if nesting else _NEW_NAMESPACES
    return b"".join(struct.pack("=HBBI", *each) for each in _instructions(arch, flags))


def _instructions(arch: Architecture, flags: int) -> list[tuple[int, int, int, int]]:
    refuse = (_RETURN, 0, 0, _ERRNO | errno.EPERM)
    unknown = (_RETURN, 0, 0, _ERRNO | errno.ENOSYS)
    allow = (_RETURN, 0, 0, _ALLOW)
    kill = (_RETURN, 0, 0, _KILL)
    code = [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, arch.audit), kill, _RESTORE_NUMBER]
    if arch.foreign_bit is not None:
        code += [(_SET, 0, 1, arch.foreign_bit), kill]
    code += [(_EQUAL, 0, 1, arch.clone3), unknown, (_GREATER, 0, 1, arch.newest), unknown]
    for number in arch.refused:
        code += [(_EQUAL, 0, 1, number), refuse]
    code += [
        (_EQUAL, 0, 4, arch.clone),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_SET, 0, 1, flags),
        refuse,
        allow,
    ]
    families = [(_EQUAL, len(_FAMILIES) - i, 0, int(f)) for i, f in enumerate(_FAMILIES)]
    code += [
        (_EQUAL, 0, len(families) + 3, arch.socket),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        *families,
        refuse,
        allow,
    ]
    code += [
        (_EQUAL, 0, 4, arch.ioctl),
        (_LOAD, 0, 0, _SECOND_ARGUMENT),
        (_EQUAL, 1, 0, _TIOCSTI),
        (_EQUAL, 0, 1, _TIOCLINUX),
        refuse,
        allow,
    ]
    return code
