"""Nests with programs of a test's own, and the boxes that come of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lamella.invoke.furnish import OUTLIVED
from lamella.runtimes.python import box as box_folder
from lamella.sandbox import usage
from lamella.sandbox.box import Box, Room
from lamella.sandbox.cgroup import Group
from lamella.sandbox.fork import Egg, Nest, nest
from lamella.sandbox.plan import BoxPlan, Limits
from tests.sandbox.boxes import MEGABYTE, Boxes, read_all

SECONDS = 30
PORT = 9001
PYTHON = "/usr/bin/python3"
MODULES = Path(next(iter(box_folder.__path__)))

PRELUDE = """
import ctypes, fcntl, json, os, signal, socket, struct, sys, time
sys.path.insert(0, "/modules")
import nest
control = socket.socket(fileno=6)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
def spaces():
    return {each: os.stat("/proc/self/ns/" + each).st_ino for each in sorted(os.listdir("/proc/self/ns"))}
def status(which="self"):
    lines = open("/proc/%s/status" % which).read().splitlines()
    return {line.split(":")[0]: line.split(":")[1].split() for line in lines}
def write(path, data):
    os.write(os.open(path, os.O_WRONLY), data)
def signalled(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
"""
HONEST = """
channel = None
while True:
    print(json.dumps([spaces(), status(), os.getpid()]), flush=True)
    channel = nest.next_fork(control)
    if channel is None:
        break
    data, descriptors = nest.hatch(channel, lambda: None)
    nest.output(descriptors)
    told = json.loads(data)
    for kind, value in told["rlimits"].items():
        nest.limit(int(kind), value)
    os.environ.clear()
    os.environ.update(told["environment"])
    os.chdir(told["directory"])
    if not told["nest"]:
        exec(told["argv"][0])
        break
    control = socket.socket(fileno=6)
"""
"""A fork of it is a box that does what it is told, or a nest again."""
OBEY = """
for line in os.fdopen(6):
    try:
        said = eval(line)
    except OSError as error:
        said = type(error).__name__
    print(json.dumps(said), flush=True)
"""


@dataclass
class Hatched:
    """A box that was an egg, and does what it is told."""

    box: Box
    room: Room
    group: Group
    orders: int
    output: int

    async def tells(self, expression: str) -> Any:
        """What it finds an expression to be; of an OSError the name."""
        os.write(self.orders, f"{expression}\n".encode())
        said = b""
        while not said.endswith(b"\n"):
            async with asyncio.timeout(SECONDS):
                part = await asyncio.to_thread(os.read, self.output, 65_536)
            assert part, said
            said += part
        return json.loads(said)

    async def end(self) -> int:
        """Close its orders, and so end it; its exit code."""
        os.close(self.orders)
        self.orders = -1
        return await asyncio.wait_for(self.box.exited, SECONDS)


@dataclass
class Yard:
    """A nest that stands, and what came of it. ``said`` is what its process printed first."""

    boxes: Boxes
    nest: Nest
    group: Group
    output: int
    made: list[Hatched] = field(default_factory=list)
    laid: list[Egg] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.nest.box.name

    async def said(self) -> Any:
        """The first line that its process printed, as JSON."""
        async with asyncio.timeout(SECONDS):
            return json.loads(await asyncio.to_thread(os.read, self.output, 65_536))

    def processes(self) -> list[int]:
        """What runs in the nest, forks included, by numbers of this process's own namespace."""
        pid = self.nest.box.pid
        return [] if pid is None else usage.tree(pid)

    def process(self) -> int:
        """The process that forks, as long as nothing was forked: what was begun last."""
        *_, found = [
            pid
            for pid in self.processes()
            if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(PYTHON.encode())
        ]
        return found

    async def lay(self, *, nests: bool = False, listen: Sequence[int] = ()) -> Egg:
        name = f"{self.name}-{len(self.laid)}"
        egg = Egg(self.boxes.spawner, self.nest, name, self.boxes.groups.make(name), lambda _: None)
        self.laid.append(egg)
        await egg.lay(MEGABYTE, listen, nests=nests)
        return egg

    async def hatch(self, egg: Egg, code: str = OBEY, **more: Any) -> Hatched:
        room = egg.room
        assert room is not None
        output, theirs = os.pipe()
        orders_out, orders = os.pipe()
        try:
            plan = BoxPlan(
                name=f"hatched-{egg.name}",
                argv=(code,),
                environment={"PATH": "/usr/bin:/bin", "GIVEN": "it"},
                limits=Limits(memory=64 * MEGABYTE, tmp=MEGABYTE),
                directory="/tmp",
                listen=(PORT,),
                **more,
            )
            box = await egg.become(plan, room, (theirs, orders_out))
        except BaseException:
            os.close(output)
            os.close(orders)
            raise
        finally:
            os.close(theirs)
            os.close(orders_out)
        hatched = Hatched(box, room, egg.group, orders, output)
        self.made.append(hatched)
        return hatched

    async def one(self, code: str = OBEY, **more: Any) -> Hatched:
        return await self.hatch(await self.lay(), code, **more)

    async def run(self, code: str) -> tuple[int, str]:
        """The exit code and the output of a box that runs ``code``."""
        it = await self.one(code)
        output = await asyncio.to_thread(read_all, os.dup(it.output))
        return await asyncio.wait_for(it.box.exited, SECONDS), output

    async def clear(self) -> None:
        for it in self.made:
            it.box.kill()
            await asyncio.wait_for(it.box.exited, SECONDS)
            it.box.close()
            os.close(it.output)
            if it.orders >= 0:
                os.close(it.orders)
        self.nest.box.kill()
        await asyncio.wait_for(self.nest.box.exited, SECONDS)
        self.nest.box.close()
        os.close(self.output)
        for egg in self.laid:
            if egg.room is not None:
                await self.boxes.spawner.leave(egg.room)
            await removed(egg.group)


@contextlib.asynccontextmanager
async def yard(
    boxes: Boxes, program: str = HONEST, name: str = "nest", *, processes: int = 64
) -> AsyncIterator[Yard]:
    """A nest with a program of its own; afterwards nothing is left of it, nor of its forks."""
    folder = boxes.folder / f"program-{name}"
    folder.mkdir()
    (folder / "main.py").write_text(PRELUDE + program)
    limits = Limits(memory=256 * MEGABYTE, tmp=MEGABYTE, processes=processes)
    group = boxes.groups.make(name)
    group.limit(limits)
    room = await boxes.spawner.room(name, MEGABYTE)
    plan = BoxPlan(
        name=name,
        argv=("/bin/sh", "-c", OUTLIVED, PYTHON, "-S", "-B", "/program/main.py"),
        environment={"PATH": "/usr/bin:/bin", "NESTS": "own"},
        limits=limits,
        overlays={"/program": (folder,), "/modules": (MODULES,), "/var/task": ()},
    )
    output, theirs = os.pipe()
    stands = await nest(boxes.spawner, plan, room, group, (theirs,))
    os.close(theirs)
    made = Yard(boxes, stands, group, output)
    try:
        yield made
    finally:
        await made.clear()
        await boxes.spawner.leave(room)
        await removed(group)


@contextlib.asynccontextmanager
async def sprout(below: Yard) -> AsyncIterator[Yard]:
    """A nest that is a fork of another, which clears away what that had for it."""
    egg = await below.lay(nests=True)
    output, theirs = os.pipe()
    plan = replace(below.nest.plan, name=f"sprout-{egg.name}")
    try:
        stands = await egg.sprout(plan, (theirs,))
    finally:
        os.close(theirs)
    made = Yard(below.boxes, stands, egg.group, output)
    try:
        yield made
    finally:
        await made.clear()


async def removed(group: Group) -> None:
    """Wait until the kernel lets go of a group whose processes were killed."""
    async with asyncio.timeout(SECONDS):
        while not group.remove():
            await asyncio.sleep(0.001)
