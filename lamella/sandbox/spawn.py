"""Boxes from the server's side: started, watched, killed.

`Spawner` speaks to the keeper (see `lamella.sandbox.keeper`) from the server's event loop.
`lamella.sandbox.box` has what it makes.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from lamella.errors import SandboxFailed
from lamella.sandbox import network, seccomp, uplink
from lamella.sandbox import plan as plans
from lamella.sandbox.box import Ahead, Box, BoxLost, Room, close_all, inodes, kill_box
from lamella.sandbox.cgroup import Group
from lamella.sandbox.child import MESSAGE_BYTES
from lamella.sandbox.network import Network
from lamella.sandbox.plan import BoxPlan, Mount
from lamella.sandbox.uplink import Namespaces, Uplinks

LAST_SIGNAL = 64

FIRST_UID = 1_879_048_192
"""Users of boxes when the server is root: far from what distributions and containers hand out."""


END_SECONDS = 1.0
"""What killed boxes have to be gone in before the keeper is ended, and they with it."""

UIDS = 65_536
"""How many of them one server uses before it begins anew."""

BASES = ("/mnt", "/media", "/srv", "/run", "/opt")
"""Where the keeper may mount its own file system: the first that covers nothing it needs."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request under way; ``unwanted`` gets the descriptors of an answer nobody waits for now."""

    answer: asyncio.Future[tuple[Any, list[int]]]
    unwanted: Callable[[list[int]], None]


class Spawner:
    """Starts boxes through a keeper of its own.

    ``shared`` are folders whose contents plans refer to (one mount for all of them); any other
    path of a plan is exposed by itself when it is first used.
    """

    def __init__(
        self,
        bubblewrap: Path,
        shared: Sequence[Path],
        *,
        unique_uids: bool,
        first_uid: int = FIRST_UID,
        uplinks: Uplinks | None = None,
    ) -> None:
        self._bubblewrap = bubblewrap
        self._uplinks = uplinks
        self._shared = tuple(path.resolve() for path in shared)
        self._unique_uids = unique_uids
        self._first_uid = first_uid
        self._located: dict[Path, str] = {}
        self._numbers = itertools.count(1)
        self._asked: dict[int, Asked] = {}
        self._sending = asyncio.Lock()
        self._boxes: dict[str, Box] = {}
        self._making: set[str] = set()
        self._early: dict[str, int] = {}
        self._uids = 0
        self._system = plans.system_links()
        self.on_lost: Callable[[], None] = lambda: None
        """Called when the keeper has ended by itself: no box can be made any more."""
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._base = ""

    async def start(self) -> None:
        """Start the keeper. Raises SandboxFailed with what this host does not allow."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "lamella.sandbox.keeper",
                    str(theirs.fileno()),
                    self._place(),
                ],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                cwd="/",
                env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "LC_ALL": "C.UTF-8"},
            )
        ours.setblocking(False)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MESSAGE_BYTES)
        self._channel = ours
        loop = asyncio.get_running_loop()
        hello = await loop.sock_recv(ours, MESSAGE_BYTES)
        first = json.loads(hello or b'{"error": "the keeper ended at once"}')
        if "error" in first:
            ours.close()
            self._process.wait()
            raise SandboxFailed(
                f"Boxes cannot be made on this host: {first['error']}. Run `lamella doctor`."
            )
        loop.add_reader(ours, self._receive)
        filters = {"program": seccomp.program(), "nesting": seccomp.program(nesting=True)}
        await self.ask({"do": "filter", **{name: each.hex() for name, each in filters.items()}})
        for path in self._shared:
            await self._locate(path)
        await self._locate(self._bubblewrap_home())

    def _place(self) -> str:
        """A folder that the keeper may cover: no part of a path that it has to reach."""
        needed = [*self._shared, self._bubblewrap, Path(sys.prefix), Path(sys.base_prefix)]
        for base in map(Path, BASES):
            if base.is_dir() and not any(path.is_relative_to(base) for path in needed):
                return str(base)
        raise SandboxFailed(f"None of {', '.join(BASES)} is free for the boxes' own mounts.")

    def _bubblewrap_home(self) -> Path:
        """The folder that holds bubblewrap and, if it came in a wheel, the libraries beside it."""
        parents = self._bubblewrap.parents
        return parents[2] if "site-packages" in self._bubblewrap.parts else parents[0]

    async def room(self, name: str, size: int, uid: int | None = None) -> Room:
        """A new ``/tmp`` of ``size`` bytes, owned by the user that its boxes will run as: ``uid``,
        or one of its own."""
        is_alone = uid is None and self._unique_uids
        if is_alone:
            uid = self._first_uid + self._uids % UIDS
            self._uids += 1
        answer, _ = await self.ask(
            {
                "do": "room",
                "room": name,
                "bytes": size,
                "inodes": inodes(size),
                "uid": uid,
            }
        )
        return Room(name, answer["path"], uid, size, is_alone)

    async def resize(self, room: Room, size: int) -> None:
        """Give a room another size. Raises SandboxFailed if it holds more than that."""
        asked = {"bytes": size, "inodes": inodes(size)}
        await self.ask({"do": "resize", "room": room.name, **asked})

    async def leave(self, room: Room) -> None:
        """Give up a room whose boxes have all ended."""
        await self.ask({"do": "leave", "room": room.name})

    async def spare(self, name: str, group: Group) -> None:
        """Have a process ready that is in ``group`` already, for one `box` to come."""
        await self.ask({"do": "spare", "spare": name, "cgroups": [*map(str, group.processes)]})

    async def drop(self, name: str) -> None:
        """End a spare that no box was made of."""
        await self.ask({"do": "drop", "spare": name})

    async def box(
        self,
        plan: BoxPlan,
        room: Room,
        group: Group,
        output: int,
        *,
        spare: str | Ahead | None = None,
        given: Sequence[int] = (),
        nest: bool = False,
    ) -> Box:
        """Start ``plan``'s process; ``output`` becomes its standard output and error.

        ``spare`` is what to make the box of, in the same group: a box ahead, or the name of a
        spare. The descriptors ``given`` are its 6, 7, 8 and 9; with ``nest`` there is one more, by
        which it is asked for forks (`lamella.sandbox.fork`). Raises SandboxFailed.
        """
        if not (spare is None or isinstance(spare, str)):
            with contextlib.suppress(BoxLost):
                return await spare.become(plan, room, (output, *given))
        sources = [*sum(plan.overlays.values(), ()), *plan.binds.values(), *plan.writable.values()]
        for path in sources:
            await self._locate(path)
        options = plans.options(
            plan, locate=self._known, etc=self._etc, tmp=room.path, system=self._system
        )
        request = {
            "do": "start",
            "name": plan.name,
            "options": options,
            "argv": plan.argv,
            "bubblewrap": self._known(self._bubblewrap),
            "uid": room.uid,
            "alone": room.is_alone,
            "listen": plan.listen,
            "connected": plan.network is not None,
            "nest": nest,
            "spare": spare if isinstance(spare, str) else None,
            "cgroups": [str(path) for path in group.processes],
            "rlimits": group.rlimits(plan.limits),
            "processes": plan.limits.processes,
        }
        self._making.add(plan.name)
        try:
            try:
                _, descriptors = await self.ask(request, [output, *given], unwanted=kill_box)
            except BoxLost:
                # Somebody killed it, say; nothing has run in it.
                again = {**request, "spare": None}
                _, descriptors = await self.ask(again, [output, *given], unwanted=kill_box)
            box = self._begun(plan, descriptors)
            if plan.network is not None:
                await self._connect(box, plan.network, room, Namespaces(*descriptors[-2:]))
            return box
        finally:
            self._making.discard(plan.name)
            self._early.pop(plan.name, None)

    def _begun(self, plan: BoxPlan, descriptors: list[int]) -> Box:
        count = len(plan.listen)
        if len(descriptors) < 1 + count + (0 if plan.network is None else 2):
            kill_box(descriptors)
            raise SandboxFailed("The server has no file descriptors left; raise `ulimit -n`.")
        pidfd, *others = descriptors
        box = Box(plan.name, pidfd, [socket.socket(fileno=each) for each in others[:count]])
        if plan.name in self._early:
            box.exited.set_result(self._early.pop(plan.name))
        else:
            self._boxes[plan.name] = box
        return box

    async def attach(self, name: str, mounts: Sequence[Mount], room: Room | None = None) -> None:
        """Mount into box ``name``, whose command runs; each target is there, and no link leads
        to it. ``room`` becomes its ``/tmp``. What has been mounted is seen at once.

        Raises SandboxFailed; some may be mounted then, and the box is good for nothing.
        """
        asked = await self.described(mounts, room)
        await self.ask({"do": "attach", "name": name, "mounts": asked})

    async def described(self, mounts: Sequence[Mount], room: Room | None) -> list[dict[str, Any]]:
        """Mounts, and a room as ``/tmp``, as the keeper is told of them. Raises SandboxFailed."""
        for path in chain.from_iterable(each.sources for each in mounts):
            await self._locate(path)
        described: list[dict[str, Any]] = [
            {
                "target": each.target,
                "sources": [self._known(source) for source in each.sources],
                "writable": each.writable,
            }
            for each in mounts
        ]
        if room is not None:
            described.append({"target": "/tmp", "sources": [room.path], "writable": True})
        return described

    async def hatch(
        self,
        egg: dict[str, Any],
        plan: BoxPlan,
        room: Room | None,
        mounts: Sequence[Mount],
        outputs: Sequence[int],
    ) -> Box:
        """Make an egg the box of ``plan``, in ``room`` or, without, in the one it has. Raises
        SandboxFailed, BoxLost if it is no more."""
        request = {
            **egg,
            "name": plan.name,
            "mounts": await self.described(mounts, room),
            "listen": plan.listen,
        }
        self._making.add(plan.name)
        try:
            _, descriptors = await self.ask(request, outputs, unwanted=kill_box)
            return self._begun(plan, descriptors)
        finally:
            self._making.discard(plan.name)
            self._early.pop(plan.name, None)

    async def _connect(self, box: Box, way: Network, room: Room, inside: Namespaces) -> None:
        """Give a box that waits for it its way out, and let it begin; end it if that fails."""
        try:
            with contextlib.closing(inside):
                if self._uplinks is None:
                    raise SandboxFailed("Boxes of this server have no network.")
                box.link = await self._uplinks.connect(inside, room.uid)
            rules = network.rules(way, uplink.own_networks())
            asked = {"name": box.name, "prohibit": rules.prohibit, "via": rules.via}
            await self.ask({"do": "connect", **asked})
        except BaseException:
            box.kill()
            box.close()
            raise

    async def terminate(self, name: str) -> None:
        """Send SIGTERM to the command of box ``name``, if it still runs."""
        await self.ask({"do": "signal", "name": name, "all": False, "number": signal.SIGTERM})

    async def signal_all(self, name: str, number: int) -> None:
        """Send a signal to every process in box ``name``, if it still runs.

        Raises SandboxFailed if the keeper cannot.
        """
        await self.ask({"do": "signal", "name": name, "all": True, "number": number})

    async def reach(self, name: str) -> socket.socket:
        """A TCP socket inside the network of box ``name``, to be connected to its loopback.

        Raises SandboxFailed if the box has ended.
        """
        _, descriptors = await self.ask({"do": "reach", "name": name})
        if not descriptors:
            raise SandboxFailed("The server has no file descriptors left; raise `ulimit -n`.")
        made = socket.socket(fileno=descriptors[0])
        made.setblocking(False)
        return made

    async def close(self) -> None:
        """Kill every box and end the keeper; when this returns nothing of them is left."""
        boxes = list(self._boxes.values())
        for box in boxes:
            box.kill()
        if boxes:
            await asyncio.wait([box.exited for box in boxes], timeout=END_SECONDS)
        if self._channel is not None:
            asyncio.get_running_loop().remove_reader(self._channel)
            self._channel.close()
            self._channel = None
        if self._process is not None:
            await asyncio.to_thread(self._process.wait)
        self._fail(SandboxFailed("The server is stopping."))

    @property
    def _etc(self) -> str:
        return f"{self._base}/etc"

    def _known(self, path: Path) -> str:
        """Where the keeper sees ``path``, which `_locate` has made sure of."""
        path = path.absolute()
        if path in self._located:
            return self._located[path]
        for parent in path.parents:
            if parent in self._located:
                return f"{self._located[parent]}/{path.relative_to(parent)}"
        raise KeyError(path)

    async def _locate(self, path: Path) -> None:
        path = path.absolute()
        if path in self._located or any(parent in self._located for parent in path.parents):
            return
        answer, _ = await self.ask({"do": "expose", "path": str(path)})
        self._located[path] = answer["path"]
        self._base = answer["path"].split("/host/")[0]

    async def ask(
        self,
        request: dict[str, Any],
        descriptors: Sequence[int] = (),
        *,
        unwanted: Callable[[list[int]], None] = close_all,
    ) -> tuple[Any, list[int]]:
        """The keeper's answer to a request, with descriptors; ``unwanted`` gets those of an answer
        that comes when nobody waits any more. Raises SandboxFailed."""
        number = next(self._numbers)
        data = json.dumps({**request, "id": number}).encode()
        answer: asyncio.Future[tuple[Any, list[int]]] = asyncio.get_running_loop().create_future()
        async with self._sending:
            while not self._sent(data, descriptors):
                await self._writable()
            self._asked[number] = Asked(answer, unwanted)
        try:
            return await answer
        except asyncio.CancelledError:
            # The answer may have come just before.
            if answer.done() and not answer.cancelled() and answer.exception() is None:
                unwanted(answer.result()[1])
            raise

    def _sent(self, data: bytes, descriptors: Sequence[int]) -> bool:
        """Send a request; False while the keeper has too many to read. Raises SandboxFailed."""
        if self._channel is None:
            raise SandboxFailed("The keeper of the boxes is not running.")
        try:
            socket.send_fds(self._channel, [data], descriptors)
        except BlockingIOError:
            return False
        except OSError as error:
            raise SandboxFailed(f"The keeper of the boxes cannot be reached: {error}") from error
        return True

    async def _writable(self) -> None:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        channel = self._channel
        if channel is None:
            return
        loop.add_writer(channel, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_writer(channel)

    def _receive(self) -> None:
        assert self._channel is not None
        try:
            data, descriptors, _, _ = socket.recv_fds(self._channel, MESSAGE_BYTES, 8)
        except BlockingIOError:
            return
        if not data:
            asyncio.get_running_loop().remove_reader(self._channel)
            self._channel.close()
            self._channel = None
            self._fail(SandboxFailed("The keeper of the boxes has ended; restart the server."))
            self.on_lost()
            return
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        message = json.loads(data)
        if "exited" in message:
            self._ended(message["exited"], message["status"])
            return
        asked = self._asked.pop(message["to"])
        answer = asked.answer
        if answer.done():
            asked.unwanted(descriptors)
        elif "error" in message:
            kind = BoxLost if message.get("again") else SandboxFailed
            answer.set_exception(kind(message["error"]))
        else:
            answer.set_result((message, descriptors))

    def _ended(self, name: str, status: int) -> None:
        # bubblewrap reports a command that died of a signal as a shell does: 128 + signal.
        code = 128 - status if 128 < status <= 128 + LAST_SIGNAL else status
        box = self._boxes.pop(name, None)
        if box is None:
            if name in self._making:
                self._early[name] = code
        elif not box.exited.done():
            box.exited.set_result(code)

    def _fail(self, error: SandboxFailed) -> None:
        for asked in self._asked.values():
            if not asked.answer.done():
                asked.answer.set_exception(error)
        self._asked.clear()
        for box in self._boxes.values():
            if not box.exited.done():
                box.exited.set_result(-signal.SIGKILL)
        self._boxes.clear()
