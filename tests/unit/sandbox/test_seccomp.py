"""The filter is interpreted here, instruction by instruction, as the kernel would."""

from __future__ import annotations

import errno
import socket
import struct

import pytest

from lamella.sandbox import seccomp

ALLOW, KILL, ERRNO = 0x7FFF_0000, 0x8000_0000, 0x0005_0000
X86 = seccomp.ARCHITECTURES["x86_64"]


def verdict(machine: str, number: int, *arguments: int, audit: int | None = None) -> int:
    """What the filter answers to one system call."""
    arch = seccomp.ARCHITECTURES[machine]
    call = struct.pack(
        "=IIQ6Q", number, arch.audit if audit is None else audit, 0, *(arguments + (0,) * 6)[:6]
    )
    code = list(struct.iter_unpack("=HBBI", seccomp.program(machine)))
    register, at = 0, 0
    while True:
        operation, yes, no, value = code[at]
        at += 1
        if operation == 0x06:
            return int(value)
        if operation == 0x20:
            (register,) = struct.unpack_from("=I", call, value)
        else:
            holds = {
                0x15: register == value,
                0x25: register > value,
                0x45: bool(register & value),
            }[operation]
            at += yes if holds else no


EPERM, ENOSYS = ERRNO | errno.EPERM, ERRNO | errno.ENOSYS


@pytest.mark.parametrize("machine", sorted(seccomp.ARCHITECTURES))
def test_every_refused_call_answers_eperm(machine: str) -> None:
    arch = seccomp.ARCHITECTURES[machine]
    assert {verdict(machine, number) for number in arch.refused} == {EPERM}
    assert len(set(arch.refused)) == len(arch.refused)


@pytest.mark.parametrize("machine", sorted(seccomp.ARCHITECTURES))
def test_calls_newer_than_the_table_do_not_exist(machine: str) -> None:
    newest = seccomp.ARCHITECTURES[machine].newest
    assert verdict(machine, newest + 1) == ENOSYS
    assert verdict(machine, 100_000) == ENOSYS
    assert verdict(machine, newest) == ALLOW


def test_ordinary_calls_are_allowed() -> None:
    for number in (0, 1, 2, 9, 57, 59, 202, 257, 318):  # read, write, open, mmap, fork, execve…
        assert verdict("x86_64", number) == ALLOW


@pytest.mark.parametrize(
    "flag",
    [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000, 0x80],
)
@pytest.mark.parametrize("machine", sorted(seccomp.ARCHITECTURES))
def test_clone_makes_threads_and_processes_but_no_namespace(machine: str, flag: int) -> None:
    clone = seccomp.ARCHITECTURES[machine].clone
    assert verdict(machine, clone, 17) == ALLOW
    assert verdict(machine, clone, 0x3D0F00) == ALLOW
    assert verdict(machine, clone, flag | 17) == EPERM


@pytest.mark.parametrize("machine", sorted(seccomp.ARCHITECTURES))
def test_clone3_does_not_exist_so_that_clone_is_used(machine: str) -> None:
    assert verdict(machine, seccomp.ARCHITECTURES[machine].clone3) == ENOSYS


def test_sockets_are_of_known_families_only() -> None:
    for family in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK):
        assert verdict("x86_64", X86.socket, family) == ALLOW
    for other in (socket.AF_PACKET, socket.AF_VSOCK, socket.AF_ALG, 15, 0):
        assert verdict("x86_64", X86.socket, int(other)) == EPERM


def test_input_cannot_be_pushed_into_a_terminal() -> None:
    assert verdict("x86_64", X86.ioctl, 0, 0x5412) == EPERM
    assert verdict("x86_64", X86.ioctl, 0, 0x541C) == EPERM
    assert verdict("x86_64", X86.ioctl, 0, 0x5401) == ALLOW


def test_another_architectures_calls_kill() -> None:
    assert verdict("x86_64", 0, audit=0x4000_0003) == KILL
    assert verdict("x86_64", 0x4000_0000 | 1) == KILL


def test_an_unknown_machine_is_an_error() -> None:
    with pytest.raises(KeyError):
        seccomp.program("pdp11")
