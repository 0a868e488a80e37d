"""The keeper: a small process, child of the server, that makes boxes and outlives none of them.

It has namespaces of its own: for mounts, so that nothing it mounts is ever seen on the host and
all of it is gone with it; for processes, in which it is the first, so that the kernel kills
every box when it ends, however it ends; for the network, to come back to. Without root they are
in a user namespace. It runs with the server's rights and never runs a byte of a function.

The server speaks to it over a SOCK_SEQPACKET socket: one JSON request, one JSON answer, with
descriptors beside them, and with the request's number, as a box that takes long is answered
later than what was asked after it; and it sends ``{"exited": name, "status": n}`` when a box ends. It
imports next to nothing, because it is forked for every box.

Started as ``python -m lamella.sandbox.keeper DESCRIPTOR FOLDER``.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from lamella.sandbox import attach, netlink, signals, syscalls
from lamella.sandbox.child import MESSAGE_BYTES, bound, enter, wait_as_spare
from lamella.sandbox.etc import furnish
from lamella.sandbox.nests import Nests
from lamella.sandbox.rooms import Rooms

IP_FREEBIND = 15
START_SECONDS = 5.0
"""How long bubblewrap may take to its first process: half a millisecond is usual."""

Answer = tuple[Mapping[str, object], list[int]]
"""What is answered, and the descriptors beside it; they are closed here once they are sent."""


@dataclass(frozen=True)
class Spare:
    """A process that waits, already in its control groups, to become a box."""

    pid: int
    channel: socket.socket


@dataclass(frozen=True)
class Making:
    """A box whose bubblewrap was started and has not named its first process yet.

    ``child`` is bubblewrap, ``info`` what it says, ``gate`` what it waits for.
    """

    request: Any
    child: int
    info: int
    gate: int
    until: float
    said: bytearray = field(default_factory=bytearray)


class Keeper:
    """Everything the keeper holds: its mounts, and the boxes that run."""

    def __init__(self, channel: socket.socket, base: str) -> None:
        self._channel = channel
        self._base = base
        self._exposed: dict[str, str] = {}
        self._boxes: dict[int, str] = {}
        self._first: dict[str, int] = {}
        self._spares: dict[str, Spare] = {}
        self._filters: Mapping[bool, bytes] = {}
        self._making: dict[int, Making] = {}
        self._gates: dict[str, int] = {}
        self._outbox = signals.Outbox()
        rooms = Rooms(base)
        self._poll = select.poll()
        self._nests = Nests(
            self._poll, self._reply, self._first.__setitem__, self._gone, self._listen_inside
        )
        self._network = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self._requests: Mapping[str, Callable[[Any, list[int]], Answer | None]] = {
            "filter": self._set_filter,
            "expose": self._expose,
            "room": rooms.make,
            "resize": rooms.resize,
            "leave": rooms.leave,
            "spare": self._spare,
            "drop": self._drop,
            "start": self._start,
            "attach": self._attach,
            "connect": self._connect,
            "reach": self._reach,
            "signal": self._signal,
            "lay": self._nests.lay,
            "hatch": self._nests.hatch,
            "discard": self._nests.discard,
            "retire": self._nests.retire,
        }

    def run(self) -> None:
        """Serve requests and report ends until the server is gone."""
        wake, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(woken)
        self._poll.register(self._channel, select.POLLIN)
        self._poll.register(wake, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in self._poll.poll(self._patience())}
            if wake in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(wake, 4096)
            # What a box said before it ended comes before its end.
            for making in [each for each in self._making.values() if each.info in ready]:
                self._go_on(making)
            for making in [each for each in self._making.values() if each.until < time.monotonic()]:
                self._conclude(making)
            self._outbox.end_late()
            self._nests.hear(ready)
            if wake in ready:
                self._reap()
            if self._channel.fileno() in ready and not self._answer():
                return

    def _patience(self) -> int | None:
        """Milliseconds until a box that is being made, or a signal, has taken too long."""
        first = min((making.until for making in self._making.values()), default=math.inf)
        first = min(first, self._outbox.until, self._nests.until)
        if first == math.inf:
            return None
        return max(0, int((first - time.monotonic()) * 1000) + 1)

    def _answer(self) -> bool:
        """Serve one request; False when the server has closed its end."""
        data, descriptors, _, _ = socket.recv_fds(self._channel, MESSAGE_BYTES, 8)
        if not data:
            return False
        request = json.loads(data)
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        try:
            answer = self._requests[request["do"]](request, descriptors)
        except BrokenPipeError as error:
            answer = {"error": str(error), "again": True}, []
        except OSError as error:
            answer = {"error": str(error)}, []
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        if answer is not None:
            self._reply(request, *answer)
        return True

    def _reply(self, request: Any, answer: Mapping[str, object], given: list[int]) -> None:
        """Answer a request, with its number, as answers come in any order."""
        try:
            data = json.dumps({**answer, "to": request["id"]}).encode()
            socket.send_fds(self._channel, [data], given)
        finally:
            for descriptor in given:
                os.close(descriptor)

    def _set_filter(self, request: Any, _: list[int]) -> Answer:
        """The system-call filters that boxes get from now on: those of nests, and all others."""
        programs = {False: request["program"], True: request["nesting"]}
        self._filters = {nesting: bytes.fromhex(each) for nesting, each in programs.items()}
        self._nests.filters = self._filters
        return {}, []

    def _expose(self, request: Any, _: list[int]) -> Answer:
        """Make a path of the host reachable for the users of boxes, whoever owns its parents."""
        source = request["path"]
        if source not in self._exposed:
            target = Path(self._base, "host", str(len(self._exposed)))
            if Path(source).is_dir():
                target.mkdir()
            else:
                target.touch()
            syscalls.mount(source, str(target), "", syscalls.MS_BIND | syscalls.MS_REC)
            self._exposed[source] = str(target)
        return {"path": self._exposed[source]}, []

    def _spare(self, request: Any, _: list[int]) -> Answer:
        """Fork a process ahead that joins control groups and waits to become a box.

        Joining waits for the kernel (10 ms, and more on busy machines); here nobody waits for it.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            pid = os.fork()
            if pid == 0:
                wait_as_spare(request["cgroups"], theirs, self._channel)
        self._spares[request["spare"]] = Spare(pid, ours)
        return {}, []

    def _drop(self, request: Any, _: list[int]) -> Answer:
        spare = self._spares.pop(request["spare"], None)
        if spare is not None:
            spare.channel.close()
            os.kill(spare.pid, signal.SIGKILL)
        return {}, []

    def _start(self, request: Any, descriptors: list[int]) -> None:
        """Begin one box; `_go_on` and `_made` do the rest when bubblewrap has named its first
        process, so that one that hangs keeps nobody else waiting.

        Descriptors in: its output, then those it gets from `FIRST_GIVEN` on. Out: a pidfd
        of its first process and the listening sockets that were asked for, in its network namespace.
        """
        info, info_in = os.pipe2(os.O_CLOEXEC)
        gate_out, gate = os.pipe2(os.O_CLOEXEC)
        try:
            with contextlib.ExitStack() as held:
                if request["nest"]:
                    control = held.enter_context(self._nests.build(request["name"]))
                    descriptors = [*descriptors, control.fileno()]
                pid = self._fork(request, descriptors, info_in, gate_out)
        except OSError:
            os.close(info)
            os.close(gate)
            raise
        finally:
            os.close(info_in)
            os.close(gate_out)
        self._making[info] = Making(request, pid, info, gate, time.monotonic() + START_SECONDS)
        self._poll.register(info, select.POLLIN)

    def _go_on(self, making: Making) -> None:
        """Hear what bubblewrap says; answer when that is all, or when nothing more will come."""
        part = os.read(making.info, 4096)
        making.said.extend(part)
        if not part or making.said.rstrip().endswith(b"}"):
            self._conclude(making)

    def _conclude(self, making: Making, *, ended: bool = False) -> None:
        self._poll.unregister(making.info)
        del self._making[making.info]
        try:
            self._reply(making.request, *self._made(making, ended))
        except BrokenPipeError as error:
            self._reply(making.request, {"error": str(error), "again": True}, [])
        except OSError as error:
            self._reply(making.request, {"error": str(error)}, [])
        finally:
            os.close(making.info)
            os.close(making.gate)

    def _made(self, making: Making, ended: bool) -> Answer:
        """Let a box begin whose first process is there."""
        request = making.request
        given: list[int] = []
        begun = [making.child]
        try:
            if making.said.rstrip().endswith(b"}"):
                begun.append(first := int(json.loads(making.said)["child-pid"]))
            elif making.until < time.monotonic():
                raise OSError("bubblewrap hung before the box was made")
            else:
                ended = True
            if ended:
                raise BrokenPipeError("bubblewrap ended before the box was made")
            if not request["alone"]:
                # Counted in the box's own user namespace, where only the box's processes are.
                bound(first, request["uid"], request["processes"])
            given.append(os.pidfd_open(first))
            for port in request["listen"]:
                given.append(self._listen_inside(first, port))
            self._boxes[making.child] = request["name"]
            self._first[request["name"]] = first
            self._nests.settle(request["name"], first)
            if request["connected"]:
                self._keep_waiting(making, first, given)
            else:
                os.write(making.gate, b"\n")
            return {}, given
        except OSError:
            self._nests.abandon(request["name"])
            # Closing the gate would let the box begin with nobody to watch it.
            for pid in begun:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            for descriptor in given:
                os.close(descriptor)
            raise

    def _fork(self, request: Any, outputs: list[int], info: int, gate: int) -> int:
        """The process that becomes the box: a spare if the request names one, else a new one."""
        program = self._filters[request["nest"]]
        spare = self._spares.pop(request["spare"], None)
        if spare is not None:
            data = json.dumps({**request, "program": program.hex()}).encode()
            # A spare that has ended is no loss: a new process is forked below.
            with spare.channel, contextlib.suppress(OSError):
                socket.send_fds(spare.channel, [data], [info, gate, *outputs])
                return spare.pid
        pid = os.fork()
        if pid == 0:
            enter(request, program, info, gate, outputs)
        return pid

    def _keep_waiting(self, making: Making, first: int, given: list[int]) -> None:
        """Let a box wait until it is connected; what for: its network's namespace, its users'."""
        given.append(os.open(f"/proc/{first}/ns/net", os.O_RDONLY | os.O_CLOEXEC))
        given.append(syscalls.owner_of(given[-1]))
        self._gates[making.request["name"]] = os.dup(making.gate)

    def _attach(self, request: Any, _: list[int]) -> Answer:
        """Mount more into a box that runs. After an error some of it may be mounted."""
        first = self._first.get(request["name"])
        if first is None:
            raise OSError(errno.ESRCH, "the box has ended")
        attach.furnish(first, request["mounts"])
        return {}, []

    def _connect(self, request: Any, _: list[int]) -> Answer:
        """Set what a box that waits may reach by its new interface, and let it begin."""
        name = request["name"]
        if name not in self._gates:
            raise OSError(errno.ESRCH, "the box has ended")
        with self._inside(self._first[name]):
            netlink.configure(request["prohibit"], request["via"])
        os.write(self._gates[name], b"\n")
        self._close_gate(name)
        return {}, []

    def _close_gate(self, name: str) -> None:
        if name in self._gates:
            os.close(self._gates.pop(name))

    def _reach(self, request: Any, _: list[int]) -> Answer:
        """A socket in the network namespace of a box that runs, not connected yet."""
        first = self._first.get(request["name"])
        if first is None:
            raise OSError(errno.ESRCH, "the box has ended")
        with self._inside(first):
            reaching = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        return {}, [reaching.detach()]

    def _signal(self, request: Any, _: list[int]) -> Answer | None:
        """Send a signal to a box's command, or to all of its processes, if it still runs.

        The latter is answered when it has been sent.
        """
        name = request["name"]
        first = self._first.get(name)
        if first is not None and request["all"]:
            done = partial(self._sent, request)
            self._outbox.add(signals.Sending(name, first, request["number"], done))
            return None
        if first is not None:
            signals.to_command(first, request["number"])
        return {}, []

    def _sent(self, request: Any, fault: str | None) -> None:
        self._reply(request, {} if fault is None else {"error": fault}, [])

    def _listen_inside(self, pid: int, port: int) -> int:
        with self._inside(pid):
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            # The box may not have brought its loopback interface up yet.
            listener.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
            listener.bind(("127.0.0.1", port))
            listener.listen(64)
            return listener.detach()

    @contextlib.contextmanager
    def _inside(self, pid: int) -> Iterator[None]:
        """In the network namespace of a box's first process, while the block lasts."""
        inside = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            syscalls.setns(inside, syscalls.CLONE_NEWNET)
            try:
                yield
            finally:
                syscalls.setns(self._network, syscalls.CLONE_NEWNET)
        finally:
            os.close(inside)

    def _end_orphans(self) -> None:
        """Kill what a bubblewrap has left that ended before it had told its box to end with it."""
        known = {*self._boxes, *(each.pid for each in self._spares.values())}
        known |= {each.child for each in self._making.values()} | self._outbox.children
        known |= self._nests.children
        with contextlib.suppress(OSError):
            for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
                if int(child) not in known:
                    os.kill(int(child), signal.SIGKILL)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self._outbox.ended(pid, status) or self._nests.joined(pid, status):
                continue
            for making in [each for each in self._making.values() if each.child == pid]:
                self._conclude(making, ended=True)
            self._end_orphans()
            name = self._boxes.pop(pid, None)
            if name is not None:
                self._nests.abandon(name)
                self._gone(name, os.waitstatus_to_exitcode(status))

    def _gone(self, name: str, code: int) -> None:
        """A box has ended: the server is told."""
        del self._first[name]
        self._close_gate(name)
        self._outbox.forget(name)
        message = json.dumps({"exited": name, "status": code}).encode()
        self._channel.send(message)


def isolate() -> None:
    """Enter the keeper's own namespaces; as another user than root that takes a user namespace.

    The network namespace is one the keeper may come back to after it was in a box's: without
    root it has no right to the host's.
    """
    uid, gid = os.geteuid(), os.getegid()
    own = syscalls.CLONE_NEWNS | syscalls.CLONE_NEWNET | syscalls.CLONE_NEWPID
    if uid == 0:
        syscalls.unshare(own)
    else:
        syscalls.unshare(syscalls.CLONE_NEWUSER | own)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    syscalls.mount("none", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE)


def main() -> None:
    channel = socket.socket(fileno=int(sys.argv[1]))
    channel.set_inheritable(False)
    channel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MESSAGE_BYTES)
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    syscalls.tie_to_parent()
    os.umask(0o022)
    try:
        isolate()
        # Only a child is in the new process namespace: the first one is the keeper.
        child = os.fork()
        if child == 0:
            keep(channel, sys.argv[2])
    except OSError as error:
        channel.send(json.dumps({"error": str(error)}).encode())
        return
    channel.close()
    os.waitpid(child, 0)


def keep(channel: socket.socket, base: str) -> NoReturn:
    """Be the keeper until the server is gone."""
    try:
        syscalls.die_with_parent(signal.SIGKILL)
        furnish(base)
        keeper = Keeper(channel, base)
        channel.send(json.dumps({"ready": True}).encode())
        keeper.run()
    except OSError as error:
        channel.send(json.dumps({"error": str(error)}).encode())
    finally:
        os._exit(0)


if __name__ == "__main__":
    main()
