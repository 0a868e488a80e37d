"""What the server holds of a box that runs, and of the room that it runs in."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lamella.errors import SandboxFailed
from lamella.sandbox.cgroup import NOTHING
from lamella.sandbox.plan import BoxPlan


@dataclass(frozen=True, slots=True)
class Room:
    """A ``/tmp`` for the boxes of one environment, the user they run as (None: the server's), the
    bytes it was made for, and whether nobody else's boxes run as that user."""

    name: str
    path: str
    uid: int | None
    size: int
    is_alone: bool


class Box:
    """A running box. `exited` resolves to the exit code, negative for a signal; ``listeners`` are
    in the order of the plan's ports; ``link`` is a descriptor that its way out lasts as long as;
    ``base`` is memory that its processes share with what they were forked from."""

    def __init__(self, name: str, pidfd: int, listeners: Sequence[socket.socket]) -> None:
        self.name = name
        self.link = -1
        self.base = NOTHING
        self.listeners = listeners
        self.exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._pidfd = pidfd

    @property
    def pid(self) -> int | None:
        """The number of its first process on the host, None when that has ended."""
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/self/fdinfo/{self._pidfd}").read_text().splitlines():
                if line.startswith("Pid:"):
                    pid = int(line.split()[1])
                    return pid if pid > 0 else None
        return None

    def kill(self) -> None:
        """Kill every process in the box: its pid namespace dies with its first process."""
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def close(self) -> None:
        """Give back what the server holds of a box that has ended."""
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1
        if self.link >= 0:
            os.close(self.link)
            self.link = -1
        for listener in self.listeners:
            listener.close()


def close_all(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def kill_box(descriptors: list[int]) -> None:
    """End a box that nobody waits for any more; the first descriptor stands for its process."""
    if descriptors:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(descriptors[0], signal.SIGKILL)
    close_all(descriptors)


def inodes(size: int) -> int:
    """How many files a room of ``size`` bytes may hold."""
    return max(1024, size // 4096)


@dataclass(frozen=True, slots=True)
class Pipe:
    """What a box prints into, by descriptors: ``writer`` is for what it prints, ``frames`` the same
    pipe opened anew, so that a process that makes its output non-blocking loses no frame."""

    reader: int
    writer: int
    frames: int

    @classmethod
    def opened(cls) -> Pipe:
        """A new one. Raises OSError."""
        reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(writer, True)
        try:
            frames = os.open(f"/proc/self/fd/{writer}", os.O_WRONLY | os.O_CLOEXEC)
        except OSError:
            close_all([reader, writer])
            raise
        return cls(reader, writer, frames)

    def close(self) -> None:
        close_all([self.reader, self.writer, self.frames])


class BoxLost(SandboxFailed):
    """What was to become the box has ended before anything ran in it."""


class Ahead(Protocol):
    """A box that was made before anybody knew what for."""

    async def become(self, plan: BoxPlan, room: Room, outputs: Sequence[int]) -> Box:
        """Make it the box of ``plan``; ``outputs`` are its output and the descriptors from 6 on.

        Raises SandboxFailed, `BoxLost` if it is no more and another can be made in its place.
        """

    async def discard(self) -> None:
        """End it: it is not needed. Raises SandboxFailed."""
