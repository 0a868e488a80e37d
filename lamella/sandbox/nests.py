"""The keeper's part in boxes that are forks of a process: eggs.

A *nest* is a box with a process that forks when it is told to (`lamella.runtimes.python` has such
a program). An *egg* is a fork that has become a box already, with namespaces and control groups of
its own and no rights, and waits for what it is to be; it is hatched when that is mounted in it.

Whoever is in the nest may be hostile: words of its processes count only while they are waited
for, and for nothing but themselves; what a process is called on the host is the kernel's word. They
come by a pipe, and no socket is read: a descriptor in a message would be closed here, and closing
a socket of a hostile process waits for as long as that has asked for (SO_LINGER).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import select
import signal
import socket
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from lamella.sandbox import attach, syscalls

LAY_SECONDS = 5.0
"""How long a fork may take until it is an egg: ten milliseconds are usual."""
KILLED = 128 + signal.SIGKILL
NS_GET_PARENT = 0xB702
_LOCK = struct.Struct("hhqqi4x")
"""What the kernel says of a lock; the number of the process that holds it comes last."""
_BORN, _HERE = 0, 1
"""The bytes of its pipe that an egg's processes lock, to say which they are."""

RIGHTS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
FILTERS = "Seccomp_filters"
NO_FILTER = b"-"
MOST_PROCESSES = 8
"""More than an egg has."""

Answer = tuple[Mapping[str, object], list[int]]
Reply = Callable[[Any, Mapping[str, object], list[int]], None]


@dataclass
class Nest:
    """A box whose process forks: where it hears of that, None when it hears no more, and its
    process namespace, by number."""

    control: socket.socket | None
    first: int = 0


@dataclass
class Egg:
    """A fork on its way to be a box, or there. ``request`` is to be answered when it is there;
    ``orders`` is what it is told by and ``words`` what it is heard by."""

    name: str
    nest: str
    orders: socket.socket
    words: int
    request: Any
    until: float
    joining: int = 0
    born: bool = False
    first: int = 0
    pidfd: int = -1
    listening: dict[int, int] = field(default_factory=dict)
    hatched: str | None = None


class Nests:
    """Every nest, and what comes of it. ``begun`` and ``ended`` are told of boxes that were hatched:
    their names and first processes, their names and exit statuses. ``listen`` makes a listening
    socket, of a port, in the network of a process."""

    def __init__(
        self,
        poll: select.poll,
        reply: Reply,
        begun: Callable[[str, int], None],
        ended: Callable[[str, int], None],
        listen: Callable[[int, int], int],
    ) -> None:
        self.filters: dict[bool, bytes] = {}
        """What eggs get: those that are to be nests, and the others."""
        self._listen_inside = listen
        self._poll = poll
        self._reply = reply
        self._begun = begun
        self._ended = ended
        self._nests: dict[str, Nest] = {}
        self._eggs: dict[str, Egg] = {}
        self._heard: dict[int, Egg] = {}
        self._watched: dict[int, Egg] = {}

    def build(self, name: str) -> socket.socket:
        """A nest that box ``name`` will be: the descriptor that its process is to get."""
        ours, theirs = _pair()
        self._nests[name] = Nest(ours)
        return theirs

    def settle(self, name: str, first: int) -> None:
        """The box of a nest runs."""
        if name in self._nests:
            self._nests[name].first = first

    def abandon(self, name: str) -> None:
        """The box of a nest has ended, and so have its forks."""
        nest = self._nests.pop(name, None)
        if nest is not None and nest.control is not None:
            nest.control.close()

    def lay(self, request: Any, _: list[int]) -> None:
        """Have a nest's process fork. Answered when the egg is there.

        Raises OSError, BrokenPipeError if the nest is no more.
        """
        nest = self._nests.get(request["nest"])
        if nest is None or nest.control is None:
            raise BrokenPipeError("the nest has ended")
        ours, theirs = _pair()
        words, voice = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            with theirs:
                socket.send_fds(nest.control, [b"fork"], [theirs.fileno(), voice])
        except OSError as error:
            ours.close()
            os.close(words)
            raise BrokenPipeError(f"the nest does not listen: {error}") from error
        finally:
            os.close(voice)
        until = time.monotonic() + LAY_SECONDS
        egg = Egg(request["egg"], request["nest"], ours, words, request, until)
        self._eggs[egg.name] = egg
        self._listen(egg)

    def _listen(self, egg: Egg) -> None:
        self._heard[egg.words] = egg
        self._poll.register(egg.words, select.POLLIN)

    def _listen_no_more(self, egg: Egg) -> None:
        if self._heard.pop(egg.words, None) is not None:
            self._poll.unregister(egg.words)

    @property
    def until(self) -> float:
        """When the first that is being laid has taken too long."""
        return min((each.until for each in self._eggs.values()), default=math.inf)

    @property
    def children(self) -> set[int]:
        """The keeper's own children that put eggs into control groups now."""
        return {each.joining for each in self._eggs.values() if each.joining}

    def hear(self, ready: set[int]) -> None:
        """Go on with the eggs that said something or have ended."""
        # Both before anything is done: what is opened then may get the number of what was closed.
        speaking = [self._heard[each] for each in ready & self._heard.keys()]
        ended = [self._watched[each] for each in ready & self._watched.keys()]
        for egg in speaking:
            self._heard_of(egg)
        for egg in ended:
            self._has_ended(egg)
        now = time.monotonic()
        for egg in [each for each in self._eggs.values() if each.until < now]:
            self._lose(egg, "it took too long")

    def _heard_of(self, egg: Egg) -> None:
        try:
            word = os.read(egg.words, 64)
            if word == b"born" and not egg.born:
                egg.born = True
                egg.joining = _join(egg.request["cgroups"], _holder(egg.words, _BORN))
                if not egg.joining:
                    self._go_on(egg)
            elif word == b"here" and egg.born and not egg.joining:
                self._is_there(egg, _holder(egg.words, _HERE))
            else:
                self._lose(egg, "it has ended")
        except OSError as error:
            self._lose(egg, str(error))

    def joined(self, child: int, status: int) -> bool:
        """A child of the keeper has ended; whether it was one that put an egg into its groups."""
        for egg in self._eggs.values():
            if egg.joining == child:
                egg.joining = 0
                try:
                    if status != 0:
                        raise OSError("it could not join its control groups")
                    self._go_on(egg)
                except OSError as error:
                    self._lose(egg, str(error))
                return True
        return False

    def _go_on(self, egg: Egg) -> None:
        nests = egg.request["nests"]
        egg.orders.send((b"n" if nests else b"b") + self.filters[nests])

    def _is_there(self, egg: Egg, pid: int) -> None:
        egg.pidfd = os.pidfd_open(pid)
        egg.first = pid
        nest = self._nests.get(egg.nest)
        if nest is None or not _is_first_of_its_own(pid, nest.first):
            raise OSError("it is in no process namespace of its own")
        if not _is_in(egg.request["cgroups"], pid):
            raise OSError("it is in other control groups than its own")
        if not _has_no_rights(pid, nest.first, filtered=self.filters[False] != NO_FILTER):
            raise OSError("it has kept rights that a box does not have")
        attach.furnish(pid, egg.request["mounts"])
        for port in egg.request["listen"]:
            egg.listening[port] = self._listen_inside(pid, port)
        signal.pidfd_send_signal(egg.pidfd, 0)  # that number is still this process's
        self._listen_no_more(egg)
        egg.until = math.inf
        self._watched[egg.pidfd] = egg
        self._poll.register(egg.pidfd, select.POLLIN)
        self._reply(egg.request, {}, [])

    def hatch(self, request: Any, outputs: list[int]) -> Answer:
        """Make an egg the box that a request describes; as for any box that is begun. One that was
        laid to be a nest is one then.

        Raises OSError, BrokenPipeError if the egg is no more.
        """
        egg = self._eggs.get(request["egg"])
        if egg is None or egg.hatched is not None or egg.pidfd < 0:
            raise BrokenPipeError("the egg is no more")
        given: list[int] = []
        try:
            attach.furnish(egg.first, request["mounts"])
            given.append(os.dup(egg.pidfd))
            for port in request["listen"]:
                made = egg.listening.pop(port, None)
                given.append(self._listen_inside(egg.first, port) if made is None else made)
            data = json.dumps({**request["told"], "nest": egg.request["nests"]}).encode()
            with contextlib.ExitStack() as held:
                if egg.request["nests"]:
                    control = held.enter_context(self.build(request["name"]))
                    outputs = [*outputs, control.fileno()]
                socket.send_fds(egg.orders, [data], outputs)
            self.settle(request["name"], egg.first)
        except OSError as error:
            self.abandon(request["name"])
            for descriptor in given:
                os.close(descriptor)
            self._lose(egg, "it could not be hatched")
            # Nothing of a function has run in it: a box that begins plainly can take its place.
            raise BrokenPipeError(f"the egg could not be hatched: {error}") from error
        egg.hatched = request["name"]
        self._begun(egg.hatched, egg.first)
        return {}, given

    def discard(self, request: Any, _: list[int]) -> Answer:
        """End an egg that is not needed."""
        egg = self._eggs.get(request["egg"])
        if egg is not None and egg.hatched is None:
            self._lose(egg, "it is not needed")
        return {}, []

    def _lose(self, egg: Egg, why: str) -> None:
        """An egg is no more; whoever waits for it is told."""
        waited_for = egg.pidfd < 0 or egg.pidfd not in self._watched
        self._forget(egg)
        if waited_for:
            self._reply(egg.request, {"error": f"a fork became no box: {why}", "again": True}, [])

    def _has_ended(self, egg: Egg) -> None:
        status = KILLED
        with contextlib.suppress(OSError, ValueError):
            status = min(255, max(0, int(os.read(egg.words, 64)[:3])))
        hatched = egg.hatched
        self._forget(egg)
        if hatched is not None:
            self.abandon(hatched)
            self._ended(hatched, status)

    def _forget(self, egg: Egg) -> None:
        del self._eggs[egg.name]
        self._listen_no_more(egg)
        if self._watched.pop(egg.pidfd, None) is not None:
            self._poll.unregister(egg.pidfd)
        if egg.pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(egg.pidfd, signal.SIGKILL)
            os.close(egg.pidfd)
        for descriptor in (egg.words, *egg.listening.values()):
            os.close(descriptor)
        egg.orders.close()

    def retire(self, request: Any, _: list[int]) -> Answer:
        """Have a nest's process end, which its forks outlive."""
        nest = self._nests.get(request["nest"])
        if nest is not None and nest.control is not None:
            nest.control.close()
            nest.control = None
        return {}, []


def _pair() -> tuple[socket.socket, socket.socket]:
    """Two ends of a line of which the first can only be written: the other end can send nothing."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    ours.shutdown(socket.SHUT_RD)
    return ours, theirs


def _holder(words: int, place: int) -> int:
    """The process that has locked a byte of an egg's pipe: a number of the keeper's own process
    namespace. Raises ProcessLookupError if none that can be seen from here has."""
    asked = _LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, place, 1, 0)
    kind, _, _, _, pid = _LOCK.unpack(fcntl.fcntl(words, fcntl.F_GETLK, asked))
    if kind == fcntl.F_UNLCK or pid <= 0:
        raise ProcessLookupError("it has not said who it is")
    return int(pid)


def _is_in(cgroups: Sequence[str], pid: int) -> bool:
    """Whether a process is in control groups, each given by its file of processes.

    Groups are told apart by the ends of their paths: where a hierarchy is mounted, and from which
    of its groups, is not the same everywhere.
    """
    with open(f"/proc/{pid}/cgroup") as lines:
        held = {tuple(line.rstrip().split("/")[-2:]) for line in lines}
    return all(Path(each).parts[-3:-1] in held for each in cgroups)


def _is_first_of_its_own(pid: int, above: int) -> bool:
    """Whether a process is the first of a process namespace directly below that of ``above``."""
    return _status(pid)["NSpid"].split()[-1] == "1" and _space(pid) == _space(above, above=False)


def _has_no_rights(first: int, nest: int, *, filtered: bool) -> bool:
    """Whether no process below ``first``, itself included, has a capability or can get one, and each,
    if boxes are ``filtered``, has one filter of system calls more than ``nest``, where the kernel
    tells (from 5.9 on): that forks have given up what they had is their word alone."""
    filters = int(_status(nest).get(FILTERS, -1)) if filtered else -1
    found = [first]
    for pid in found:
        status = _status(pid)
        if any(int(status[each], 16) for each in RIGHTS) or status["NoNewPrivs"] != "1":
            return False
        if filters >= 0 and int(status[FILTERS]) <= filters:
            return False
        found += [
            int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]
        if len(found) > MOST_PROCESSES:
            return False
    return True


def _status(pid: int) -> Mapping[str, str]:
    """What the kernel says of a process, by name."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _space(pid: int, *, above: bool = True) -> int:
    """The number of a process's process namespace, or of the one ``above`` it."""
    own = os.open(f"/proc/{pid}/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if not above:
            return os.fstat(own).st_ino
        parent = fcntl.ioctl(own, NS_GET_PARENT)
        try:
            return os.fstat(parent).st_ino
        finally:
            os.close(parent)
    finally:
        os.close(own)


def _join(cgroups: Sequence[str], pid: int) -> int:
    """Put a process into control groups: the child that does so, 0 if there are none to join."""
    if not cgroups:
        return 0
    child = os.fork()
    if child == 0:
        _put(cgroups, pid)
    return child


def _put(cgroups: Sequence[str], pid: int) -> NoReturn:
    """In a forked child: the kernel lets a process wait that moves another, ten milliseconds say."""
    status = 1
    try:
        syscalls.die_with_parent(signal.SIGKILL)
        signal.set_wakeup_fd(-1)
        for path in cgroups:
            Path(path).write_text(str(pid))
        status = 0
    finally:
        os._exit(status)
