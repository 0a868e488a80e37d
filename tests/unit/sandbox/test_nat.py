"""The process that starts the helpers of networks, where it can start none."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

FORKLESS = """
import os, resource, socket, sys
from lamella.sandbox import nat
channel = socket.socket(fileno=int(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
if os.geteuid() == 0:
    os.setgid(61234)
    os.setuid(61234)
nat.serve(channel, "/nowhere/slirp4netns")
"""


def test_who_cannot_fork_says_so_and_goes_on() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        command = [sys.executable, "-c", FORKLESS, str(theirs.fileno())]
        process = subprocess.Popen(command, pass_fds=[theirs.fileno()])
    try:
        with ours:
            for _ in range(2):
                assert "Resource temporarily unavailable" in _complaint(ours)
        assert process.wait(timeout=10) == 0
    finally:
        process.kill()
        process.wait()


def _complaint(channel: socket.socket) -> str:
    """What is said of a request, once the other side has closed what it got."""
    complaints = os.memfd_create("complaints")
    until, given = os.pipe()
    try:
        socket.send_fds(channel, [json.dumps({"uid": None}).encode()], [given] * 4 + [complaints])
        os.close(given)
        assert os.read(until, 1) == b""
        return os.pread(complaints, 4_096, 0).decode()
    finally:
        os.close(until)
        os.close(complaints)
