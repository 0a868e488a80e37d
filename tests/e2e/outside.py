"""A host and an outside of the test's own: two network namespaces with a cable between them.

The thread that enters is "the host" while it is inside, and so is every server it starts. What
is outside answers TCP with its name, and the name server there knows every name.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

from lamella.sandbox import syscalls

OUTSIDE, HOST = "198.51.100.7", "198.51.100.1"
HOSTS_OTHER = "203.0.113.5"
PRIVATE, ALLOWED, METADATA = "10.9.0.7", "10.9.1.7", "169.254.169.254"
PORT = 8080
LOCAL_PORT = 8081
RESOLVER_PORT = 53
NOBODY = 65_534


def missing() -> str:
    """Why there can be no such host here; empty if there can."""
    if os.geteuid() != 0:
        return "only root makes network namespaces with a cable between them"
    lacking = [tool for tool in ("ip", "slirp4netns", "unshare") if shutil.which(tool) is None]
    return f"not installed: {', '.join(lacking)}" if lacking else ""


class Named(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.sendall(b"at " + self.request.getsockname()[0].encode())


class Resolve(socketserver.BaseRequestHandler):
    """Answers every question with one address record: `OUTSIDE`."""

    def handle(self) -> None:
        question, answering = self.request
        end = question.index(b"\0", 12) + 5
        header = question[:2] + bytes.fromhex("81800001000100000000")
        record = bytes.fromhex("c00c00010001000000010004") + socket.inet_aton(OUTSIDE)
        if question[end - 4 : end - 2] != b"\0\1":
            header, record = question[:2] + bytes.fromhex("81800001000000000000"), b""
        answering.sendto(header + question[12:end] + record, self.client_address)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def _serve(stack: contextlib.ExitStack, server: socketserver.BaseServer) -> None:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    stack.callback(server.server_close)
    stack.callback(thread.join)
    stack.callback(server.shutdown)


def _named(stack: contextlib.ExitStack, address: str, port: int) -> None:
    _serve(stack, socketserver.ThreadingTCPServer((address, port), Named))


@contextlib.contextmanager
def host_of_ones_own() -> Iterator[None]:
    """Be on a host that reaches `OUTSIDE`, `PRIVATE`, `ALLOWED` and `METADATA`, in this thread."""
    with contextlib.ExitStack() as stack:
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        stack.callback(os.close, before)
        stack.callback(syscalls.setns, before, syscalls.CLONE_NEWNET)
        syscalls.unshare(syscalls.CLONE_NEWNET)
        outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        stack.callback(os.close, outside)
        _ip("link", "set", "lo", "up")
        for address in (PRIVATE, ALLOWED, METADATA):
            _ip("address", "add", f"{address}/32", "dev", "lo")
        syscalls.unshare(syscalls.CLONE_NEWNET)
        path = f"/proc/{os.getpid()}/fd/{outside}"
        _ip("link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", path)
        _ip("link", "set", "lo", "up")
        _ip("address", "add", f"{HOSTS_OTHER}/32", "dev", "lo")
        _ip("address", "add", f"{HOST}/24", "dev", "cable")
        _ip("link", "set", "cable", "up")
        here = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        stack.callback(os.close, here)
        syscalls.setns(outside, syscalls.CLONE_NEWNET)
        _ip("address", "add", f"{OUTSIDE}/24", "dev", "cable")
        _ip("link", "set", "cable", "up")
        for address in (OUTSIDE, PRIVATE, ALLOWED, METADATA):
            _named(stack, address, PORT)
        _serve(stack, socketserver.UDPServer((OUTSIDE, RESOLVER_PORT), Resolve))
        syscalls.setns(here, syscalls.CLONE_NEWNET)
        _ip("route", "add", "default", "via", OUTSIDE)
        _named(stack, "0.0.0.0", PORT)
        _named(stack, "127.0.0.1", LOCAL_PORT)
        yield


def with_resolver(folder: Path, address: str) -> tuple[str, ...]:
    """The command before a server's that gives it a resolver of its own, as this process's child."""
    file = folder / f"resolv-{address}"
    file.write_text(f"search secret.example\nnameserver {address}\n")
    return _in_mounts_of_its_own(f'mount --bind "{file}" /etc/resolv.conf')


def as_nobody() -> tuple[str, ...]:
    """The command before one that runs without any right, on a host that has the device for all."""
    device = "mount -t tmpfs -o dev tmpfs /dev/net && mknod -m 666 /dev/net/tun c 10 200"
    drop = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    return (*_in_mounts_of_its_own(device), *drop)


def _in_mounts_of_its_own(script: str) -> tuple[str, ...]:
    own = ("unshare", "--mount", "--propagation", "private")
    return (*own, "sh", "-c", f'umask 0 && {script} && umask 022 && exec "$@"', "sh")
