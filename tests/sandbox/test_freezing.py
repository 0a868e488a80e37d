"""Boxes that are stopped in both ways: nothing in them runs, and they go on or die as told."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lamella.sandbox import cgroup, usage
from lamella.sandbox.box import Box
from lamella.sandbox.cgroup import Group
from lamella.sandbox.freezer import Freezer, GroupFreezer, SignalFreezer
from lamella.sandbox.plan import BoxPlan, Limits
from tests.sandbox.boxes import MEGABYTE, Boxes
from tests.sandbox.test_box import InBoxes

SECONDS = 30
COUNTING = "while :; do echo x; done"
FORKING = """
breed() { while :; do /bin/sh -c 'echo x; :' & wait; done; }
for each in 1 2 3 4; do breed & done
wait
"""


@dataclass
class Running:
    """A box that writes all the time, and the way it is frozen."""

    box: Box
    group: Group
    output: int
    freezer: Freezer

    def freeze(self) -> None:
        self.freezer.freeze(self.group, self.box.name)

    def thaw(self) -> None:
        self.freezer.thaw(self.group, self.box.name)

    def speaks(self, seconds: float) -> bool:
        """Whether it writes something within so long."""
        return bool(select.select([self.output], [], [], seconds)[0])

    def drain(self) -> bool:
        """Read what it wrote; whether that was anything."""
        with contextlib.suppress(BlockingIOError):
            return bool(os.read(self.output, 1_048_576))
        return False

    async def until_silent(self) -> None:
        """Until it has written nothing for a while: it writes thousands of lines a second."""
        until = time.monotonic() + SECONDS
        while self.drain():
            assert time.monotonic() < until, "it runs on"
            await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def running(boxes: Boxes, script: str, kind: str) -> AsyncIterator[Running]:
    if kind == "group" and boxes.groups.hierarchy.freezer is None:
        pytest.skip("no control group of version 2 can be written here")
    limits = Limits(memory=64 * MEGABYTE, tmp=MEGABYTE)
    group = boxes.groups.make("frozen")
    room = await boxes.spawner.room("frozen", MEGABYTE)
    plan = BoxPlan(name="frozen", argv=("/bin/sh", "-c", script), environment={}, limits=limits)
    reader, writer = os.pipe2(os.O_NONBLOCK)
    os.set_blocking(writer, True)
    box = await boxes.spawner.box(plan, room, group, writer)
    os.close(writer)
    freezer = GroupFreezer() if kind == "group" else SignalFreezer(boxes.spawner)
    try:
        yield Running(box, group, reader, freezer)
    finally:
        box.kill()
        freezer.thaw(group, box.name)
        await asyncio.wait_for(box.exited, SECONDS)
        box.close()
        os.close(reader)
        await boxes.spawner.leave(room)


KINDS = pytest.mark.parametrize("kind", ["group", "signals"])


@KINDS
@pytest.mark.parametrize("script", [COUNTING, FORKING], ids=["counting", "forking"])
def test_what_is_frozen_stands_still_and_goes_on_when_thawed(
    in_boxes: InBoxes, kind: str, script: str
) -> None:
    async def go(boxes: Boxes) -> None:
        async with running(boxes, script, kind) as box:
            assert await asyncio.to_thread(box.speaks, SECONDS)
            for _ in range(3):
                box.freeze()
                await box.until_silent()
                assert not box.speaks(0.1)
                box.thaw()
                assert await asyncio.to_thread(box.speaks, SECONDS)

    in_boxes(go)


@KINDS
def test_what_is_frozen_can_be_killed(in_boxes: InBoxes, kind: str) -> None:
    async def go(boxes: Boxes) -> None:
        async with running(boxes, FORKING, kind) as box:
            assert await asyncio.to_thread(box.speaks, SECONDS)
            box.freeze()
            await box.until_silent()
            box.box.kill()
            box.thaw()
            assert await asyncio.wait_for(asyncio.shield(box.box.exited), SECONDS) == -9
            until = time.monotonic() + SECONDS
            while not box.group.remove():
                assert time.monotonic() < until, "processes are left in the group"
                await asyncio.sleep(0.01)

    in_boxes(go)


@KINDS
def test_thawing_what_runs_and_freezing_what_has_ended_do_nothing(
    in_boxes: InBoxes, kind: str
) -> None:
    async def go(boxes: Boxes) -> None:
        async with running(boxes, "echo x; read forever < /dev/zero", kind) as box:
            box.thaw()
            assert await asyncio.to_thread(box.speaks, SECONDS)
            box.box.kill()
            await asyncio.wait_for(asyncio.shield(box.box.exited), SECONDS)
            box.freeze()
            box.thaw()
            # the keeper answers whatever comes next
            await boxes.spawner.signal_all(box.box.name, 0)

    in_boxes(go)


def stopped(box: Box) -> bool:
    """Whether the command of a box is stopped by a signal."""
    (command,) = usage.children(box.pid or 0)
    return Path(f"/proc/{command}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_a_settled_thaw_is_one_that_has_taken_effect(in_boxes: InBoxes) -> None:
    async def go(boxes: Boxes) -> None:
        async with running(boxes, "echo x; exec sleep 600", "signals") as box:
            assert await asyncio.to_thread(box.speaks, SECONDS)
            for _ in range(20):
                box.freeze()
                until = time.monotonic() + SECONDS
                while not stopped(box.box):
                    assert time.monotonic() < until, "it runs on"
                    await asyncio.sleep(0.001)
                box.thaw()
                await box.freezer.settled(box.box.name)
                assert not stopped(box.box)

    in_boxes(go)


def test_the_tree_of_version_2_is_found_beside_controllers_of_version_1(tmp_path: Path) -> None:
    for folder in ("memory", "unified"):
        (tmp_path / folder).mkdir()
    (tmp_path / "cgroup").write_text("4:memory:/\n0::/\n")
    mounts = [
        f"cgroup {tmp_path}/memory cgroup rw,relatime,memory 0 0",
        f"cgroup2 {tmp_path}/unified cgroup2 rw,relatime 0 0",
    ]
    (tmp_path / "mounts").write_text("\n".join(mounts) + "\n")
    found = cgroup.find(tmp_path)
    assert (found.version, set(found.folders)) == (1, {"memory"})
    assert found.freezer is None  # plain folders have no file to freeze by
    real = cgroup.find()
    if real.freezer is not None:
        assert (real.freezer / "cgroup.procs").exists()
