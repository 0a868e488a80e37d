"""Ways out for boxes, from the server's side: helpers started, waited for and ended.

`Uplinks` speaks to the process that starts them (see `lamella.sandbox.nat`); what a box may
reach is decided in `lamella.sandbox.network`.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from lamella.errors import SandboxFailed
from lamella.sandbox import netlink

OLDEST = (1, 0)
"""The first version that is walled off and ends by a descriptor as is needed here."""
READY_SECONDS = 5.0
"""What a helper may take to be ready; ten milliseconds are usual."""
PROGRAM = "slirp4netns"
MEND = "Install slirp4netns 1.0 or newer: `apt install slirp4netns`, `dnf install slirp4netns`."


@dataclass(frozen=True, slots=True)
class Namespaces:
    """A box's, as descriptors: that of its network, and that of its users."""

    network: int
    user: int

    def close(self) -> None:
        os.close(self.user)
        os.close(self.network)


def find() -> Path:
    """The program that helpers are. Raises SandboxFailed with the mend if there is none."""
    found = shutil.which(PROGRAM)
    if found is None:
        raise SandboxFailed(f"{PROGRAM} is not installed. {MEND}")
    if version(Path(found)) < OLDEST:
        raise SandboxFailed(f"{found} is too old. {MEND}")
    return Path(found).resolve()


def version(program: Path) -> tuple[int, ...]:
    """The version of a slirp4netns; ``(0,)`` if it does not say one."""
    try:
        said = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=5, check=False
        ).stdout
    except OSError:
        return (0,)
    found = re.search(r"(\d+(?:\.\d+)+)", said)
    return tuple(int(part) for part in found[1].split(".")) if found else (0,)


def own_networks() -> tuple[IPv4Network, ...]:
    """The host's addresses as they are now. Raises SandboxFailed."""
    try:
        return tuple(map(IPv4Network, netlink.local_networks()))
    except OSError as error:
        raise SandboxFailed(f"The host's addresses cannot be read: {error}") from error


class Uplinks:
    """Starts helpers through a process of its own. `start` once, before anything else."""

    def __init__(self, program: Path) -> None:
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None

    async def connect(self, inside: Namespaces, uid: int | None) -> int:
        """Give a box an interface that leads outside; closing the descriptor takes it away.

        ``uid`` is the host user of the helper; None for the server's own. Raises SandboxFailed.
        """
        ready, says_ready = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        until, link = os.pipe2(os.O_CLOEXEC)
        complaints = os.memfd_create("complaints", os.MFD_CLOEXEC)
        try:
            try:
                given = [inside.user, inside.network, says_ready, until, complaints]
                self._send({"uid": uid}, given)
            finally:
                os.close(says_ready)
                os.close(until)
            if not await _is_ready(ready):
                said = os.pread(complaints, 2_048, 0).decode(errors="replace").strip()
                why = said if said else "it said nothing"
                raise SandboxFailed(f"{PROGRAM} could not give a box a network: {why}")
        except BaseException:
            os.close(link)
            raise
        finally:
            os.close(ready)
            os.close(complaints)
        return link

    async def start(self) -> None:
        """Start the process. Raises SandboxFailed with what this host does not allow."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-m", "lamella.sandbox.nat"]
            self._process = subprocess.Popen(
                [*command, str(theirs.fileno()), str(self._program)],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                cwd="/",
                env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "LC_ALL": "C.UTF-8"},
            )
        ours.setblocking(False)
        hello = await asyncio.get_running_loop().sock_recv(ours, 4_096)
        first = json.loads(hello or b'{"error": "its process ended at once"}')
        if "error" in first:
            ours.close()
            await asyncio.to_thread(self._process.wait)
            raise SandboxFailed(f"No box can have a network on this host: {first['error']}")
        self._channel = ours

    def _send(self, request: dict[str, int | None], descriptors: Sequence[int]) -> None:
        if self._channel is None:
            raise SandboxFailed("No box can get a network before there is a way to, or any more.")
        try:
            socket.send_fds(self._channel, [json.dumps(request).encode()], descriptors)
        except OSError as error:
            raise SandboxFailed(f"No box can get a network any more: {error}") from error

    async def close(self) -> None:
        """End every helper; when this returns none is left to be started."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._process is not None:
            await asyncio.to_thread(self._process.wait)


async def _is_ready(ready: int) -> bool:
    """Whether a helper has said so, in time; it closes its end when it ends."""
    loop = asyncio.get_running_loop()
    heard: asyncio.Future[bool] = loop.create_future()

    def listen() -> None:
        loop.remove_reader(ready)
        if not heard.done():
            heard.set_result(os.read(ready, 16) == b"1")

    loop.add_reader(ready, listen)
    try:
        return await asyncio.wait_for(heard, READY_SECONDS)
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(ready)
