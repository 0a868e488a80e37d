"""The keeper: a small process, child of the server, that makes boxes and outlives none of them.

It has namespaces of its own: for mounts, so that nothing it mounts is ever seen on the host and
all of it is gone with it; for processes, in which it is the first, so that the kernel kills
every box when it ends, however it ends; for the network, to come back to. Without root they are
in a user namespace. It runs with the server's rights and never runs a byte of a function.

The server speaks to it over a SOCK_SEQPACKET socket: one JSON request, one JSON answer, with
descriptors beside them; and it sends ``{"exited": name, "status": n}`` when a box ends. It
imports next to nothing, because it is forked for every box.

Started as ``python -m lamella.sandbox.keeper DESCRIPTOR FOLDER``.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import resource
import select
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from lamella.sandbox import signals, syscalls

MESSAGE_BYTES = 1_048_576
IP_FREEBIND = 15
FIRST_GIVEN = 7
"""Where a box finds the first descriptor that it is given beside its output."""
BEYOND = 16
START_SECONDS = 5.0
"""How long bubblewrap may take to its first process: half a millisecond is usual."""

ETC = (
    "alternatives",
    "ca-certificates",
    "ca-certificates.conf",
    "java-17-openjdk",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "pki/tls/certs",
    "pki/ca-trust",
    "protocols",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
)
WRITTEN_ETC = {
    "passwd": "root:x:0:0:root:/root:/sbin/nologin\n"
    "sbx_user1051:x:993:990::/home/sbx_user1051:/sbin/nologin\n",
    "group": "root:x:0:\nsbx_user1051:x:990:\n",
    "hosts": "127.0.0.1 localhost sandbox sandbox.localdomain\n",
    "resolv.conf": "",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


class Keeper:
    """Everything the keeper holds: its mounts, and the boxes that run."""

    def __init__(self, channel: socket.socket, base: str) -> None:
        self._channel = channel
        self._base = base
        self._exposed: dict[str, str] = {}
        self._boxes: dict[int, str] = {}
        self._first: dict[str, int] = {}
        self._spares: dict[str, Spare] = {}
        self._filter = b""
        self._network = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self._requests: Mapping[str, Callable[[Any, list[int]], tuple[object, list[int]]]] = {
            "filter": self._set_filter,
            "expose": self._expose,
            "room": self._room,
            "leave": self._leave,
            "spare": self._spare,
            "drop": self._drop,
            "start": self._start,
            "reach": self._reach,
            "signal": self._signal,
        }

    def run(self) -> None:
        """Serve requests and report ends until the server is gone."""
        wake, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(woken)
        poll = select.poll()
        poll.register(self._channel, select.POLLIN)
        poll.register(wake, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll()}
            if wake in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(wake, 4096)
                self._reap()
            if self._channel.fileno() in ready and not self._answer():
                return

    def _answer(self) -> bool:
        """Serve one request; False when the server has closed its end."""
        data, descriptors, _, _ = socket.recv_fds(self._channel, MESSAGE_BYTES, 8)
        if not data:
            return False
        request = json.loads(data)
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        try:
            answer, given = self._requests[request["do"]](request, descriptors)
        except OSError as error:
            answer, given = {"error": str(error)}, []
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        socket.send_fds(self._channel, [json.dumps(answer).encode()], given)
        for descriptor in given:
            os.close(descriptor)
        return True

    def _set_filter(self, request: Any, _: list[int]) -> tuple[object, list[int]]:
        """The system-call filter that every box from now on gets."""
        self._filter = bytes.fromhex(request["program"])
        return {}, []

    def _expose(self, request: Any, _: list[int]) -> tuple[object, list[int]]:
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

    def _room(self, request: Any, _: list[int]) -> tuple[object, list[int]]:
        """A ``/tmp`` of its own for one environment, of fixed size; it outlives single boxes."""
        path = Path(self._base, "rooms", request["room"])
        path.mkdir()
        options = f"size={request['bytes']},nr_inodes={request['inodes']},mode=1777"
        if request["uid"] is not None:
            options += f",uid={request['uid']},gid={request['uid']}"
        syscalls.mount("tmp", str(path), "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, options)
        return {"path": str(path)}, []

    def _leave(self, request: Any, _: list[int]) -> tuple[object, list[int]]:
        path = Path(self._base, "rooms", request["room"])
        syscalls.unmount(str(path))
        path.rmdir()
        return {}, []

    def _spare(self, request: Any, _: list[int]) -> tuple[object, list[int]]:
        """Fork a process ahead that joins control groups and waits to become a box.

        Joining waits for the kernel (10 ms, and more on busy machines); here nobody waits for it.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            child = os.fork()
            if child == 0:
                _wait_as_spare(request["cgroups"], theirs, self._channel)
        self._spares[request["spare"]] = Spare(child, ours)
        return {}, []

    def _drop(self, request: Any, _: list[int]) -> tuple[object, list[int]]:
        spare = self._spares.pop(request["spare"])
        spare.channel.close()
        os.kill(spare.pid, signal.SIGKILL)
        return {}, []

    def _start(self, request: Any, descriptors: list[int]) -> tuple[object, list[int]]:
        """Make one box. Descriptors in: its output, then those it gets from `FIRST_GIVEN` on.
        Out: pidfd of its first process and, when asked for, a listening socket in its network
        namespace."""
        info, info_in = os.pipe2(os.O_CLOEXEC)
        gate_out, gate = os.pipe2(os.O_CLOEXEC)
        given: list[int] = []
        begun: list[int] = []
        try:
            child = self._fork(request, descriptors, info_in, gate_out)
            begun.append(child)
            os.close(info_in)
            info_in = -1
            first = _first_process(info)
            if first is None:
                raise OSError("bubblewrap ended, or hung, before the box was made")
            begun.append(first)
            self._boxes[child] = request["name"]
            self._first[request["name"]] = first
            if request["uid"] is None:
                # Counted in the box's own user namespace, where only the box's processes are.
                most = request["processes"]
                resource.prlimit(first, resource.RLIMIT_NPROC, (most, most))
            pidfd = os.pidfd_open(first)
            given.append(pidfd)
            if request["listen"] is not None:
                given.append(self._listen_inside(first, request["listen"]))
            os.write(gate, b"\n")
            return {}, given
        except OSError:
            # Closing the gate would let the box begin with nobody to watch it.
            for pid in begun:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            for descriptor in given:
                os.close(descriptor)
            raise
        finally:
            for descriptor in (info, gate_out, gate, *([info_in] if info_in >= 0 else [])):
                os.close(descriptor)

    def _fork(self, request: Any, outputs: list[int], info: int, gate: int) -> int:
        """The process that becomes the box: a spare if the request names one, else a new one."""
        spare = self._spares.pop(request["spare"], None)
        if spare is not None:
            data = json.dumps({**request, "program": self._filter.hex()}).encode()
            # A spare that has ended is no loss: a new process is forked below.
            with spare.channel, contextlib.suppress(OSError):
                socket.send_fds(spare.channel, [data], [info, gate, *outputs])
                return spare.pid
        child = os.fork()
        if child == 0:
            try:
                _join(request["cgroups"])
            except OSError as error:
                _give_up(outputs[0], error)
            _become_box(request, self._filter, info, gate, outputs)
        return child

    def _reach(self, request: Any, _: list[int]) -> tuple[object, list[int]]:
        """A socket in the network namespace of a box that runs, not connected yet."""
        first = self._first.get(request["name"])
        if first is None:
            raise OSError(errno.ESRCH, "the box has ended")
        with self._inside(first):
            reaching = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        return {}, [reaching.detach()]

    def _signal(self, request: Any, _: list[int]) -> tuple[object, list[int]]:
        """Send a signal to a box's command, or to all of its processes, if it still runs."""
        first = self._first.get(request["name"])
        if first is not None:
            send = signals.to_all if request["all"] else signals.to_command
            send(first, request["number"])
        return {}, []

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

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            name = self._boxes.pop(pid, None)
            if name is not None:
                del self._first[name]
                code = os.waitstatus_to_exitcode(status)
                message = json.dumps({"exited": name, "status": code}).encode()
                self._channel.send(message)


@dataclass(frozen=True)
class Spare:
    """A process that waits, already in its control groups, to become a box."""

    pid: int
    channel: socket.socket


def _join(cgroups: list[str]) -> None:
    for path in cgroups:
        with open(path, "w") as processes:
            processes.write("0")


def _give_up(output: int, error: Exception) -> NoReturn:
    os.write(output, f"the box could not be made: {error}\n".encode())
    os._exit(125)


def _wait_as_spare(cgroups: list[str], channel: socket.socket, keepers: socket.socket) -> NoReturn:
    """In a forked child: join, wait for a request, become its box. Never returns."""
    try:
        syscalls.die_with_parent(signal.SIGKILL)
        signal.set_wakeup_fd(-1)
        keepers.close()
        _join(cgroups)
        data, descriptors, _, _ = socket.recv_fds(channel, MESSAGE_BYTES, 8)
        if len(descriptors) > 2:
            for descriptor in descriptors:
                os.set_inheritable(descriptor, False)
            request = json.loads(data)
            info, gate, *outputs = descriptors
            _become_box(request, bytes.fromhex(request["program"]), info, gate, outputs)
    finally:
        os._exit(125)


def _become_box(request: Any, program: bytes, info: int, gate: int, outputs: list[int]) -> NoReturn:
    """In a forked child: take the box's limits and user, then become bubblewrap."""
    output, *given = (_moved_away(each) for each in outputs)
    info, gate = _moved_away(info), _moved_away(gate)
    try:
        for name, value in request["rlimits"].items():
            kind = getattr(resource, name)
            hard = resource.getrlimit(kind)[1]
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(kind, (value, value))
        uid = request["uid"]
        if uid is not None:
            # Counted for the user, of which this box is the only one.
            most = request["processes"]
            resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
        null = os.open("/dev/null", os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        for place, descriptor in enumerate(given, FIRST_GIVEN):
            os.dup2(descriptor, place)
        os.set_inheritable(info, True)
        os.set_inheritable(gate, True)
        bubblewrap = request["bubblewrap"]
        # Options go through a file, as other users of the host can read command lines.
        options = _in_memory("\0".join(request["options"]).encode())
        own = ["--args", str(options), "--info-fd", str(info), "--block-fd", str(gate)]
        own += ["--seccomp", str(_in_memory(program)), "--"]
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.execve(bubblewrap, [bubblewrap, *own, *request["argv"]], {})
    except (OSError, ValueError) as error:
        _give_up(output, error)


def _in_memory(data: bytes) -> int:
    """A descriptor that reads ``data``; it is inherited."""
    descriptor = _moved_away(os.memfd_create("box", os.MFD_CLOEXEC))
    os.set_inheritable(descriptor, True)
    os.write(descriptor, data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _moved_away(descriptor: int) -> int:
    """A copy beyond the places that the box's own descriptors take."""
    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, BEYOND)


def _first_process(info: int) -> int | None:
    """The process id of the box's first process, from bubblewrap's information pipe."""
    text = b""
    while not text.rstrip().endswith(b"}"):
        if not select.select([info], [], [], START_SECONDS)[0]:
            return None
        part = os.read(info, 4096)
        if not part:
            return None
        text += part
    return int(json.loads(text)["child-pid"])


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


def furnish(base: str) -> None:
    """Mount the keeper's own ``/proc`` and a small file system with the boxes' ``/etc`` in it.

    ``base`` is the folder that it covers.
    """
    flags = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
    syscalls.mount("proc", "/proc", "proc", flags)
    syscalls.mount("keeper", base, "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, "mode=755")
    for folder in ("host", "rooms", "etc"):
        Path(base, folder).mkdir()
    for name in ETC:
        _copy(Path("/etc", name), Path(base, "etc", name))
    for name, text in WRITTEN_ETC.items():
        Path(base, "etc", name).write_text(text)


def _copy(source: Path, target: Path) -> None:
    if not source.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    # A file that only root may read (a private key among the certificates) stays outside.
    with contextlib.suppress(shutil.Error, OSError):
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True, ignore=_unreadable_by_all)
        else:
            shutil.copyfile(source, target)


def _unreadable_by_all(folder: str, names: list[str]) -> list[str]:
    paths = ((name, Path(folder, name)) for name in names)
    return [n for n, p in paths if not p.is_symlink() and not p.lstat().st_mode & 0o004]


def main() -> None:
    channel = socket.socket(fileno=int(sys.argv[1]))
    channel.set_inheritable(False)
    channel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MESSAGE_BYTES)
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    tie_to_parent()
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


def tie_to_parent() -> None:
    """End with the parent, also if it ended a moment ago."""
    parent = os.getppid()
    syscalls.die_with_parent(signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


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
