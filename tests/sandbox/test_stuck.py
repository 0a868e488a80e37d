"""Boxes whose making hangs, whose maker goes away, and that outlive being killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lamella.errors import SandboxFailed
from lamella.sandbox import bubblewrap, cgroup
from lamella.sandbox.box import Box
from lamella.sandbox.cgroup import Group, Groups
from lamella.sandbox.plan import BoxPlan, Limits
from lamella.sandbox.reserve import Reserve
from lamella.sandbox.spawn import Spawner
from tests.sandbox.boxes import MEGABYTE, Boxes

InBoxes = Callable[[Callable[[Boxes], Awaitable[Any]]], Any]
LIMITS = Limits(memory=64 * MEGABYTE, tmp=MEGABYTE)
FREEZER = Path("/sys/fs/cgroup/freezer")

# Takes the place of bubblewrap: some boxes hang before their first process is there.
SLOW = """#!/bin/sh
case "$*" in
*hang*) exec sleep 1000 ;;
*lost*) if mkdir "${0%/*}/lost"; then sh -c 'sleep 1000; : left-behind' & exit 1; fi ;;
esac
case "$*" in
*) exec BWRAP "$@" ;;
esac
"""


async def box(spawner: Spawner, name: str, *argv: str) -> Box:
    room = await spawner.room(name, MEGABYTE)
    plan = BoxPlan(name=name, argv=argv, environment={}, limits=LIMITS)
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        return await spawner.box(plan, room, Group(0, {}), null)
    finally:
        os.close(null)


@contextlib.asynccontextmanager
async def slow_spawner(folder: Path) -> Any:
    wrapper = folder / "bwrap"
    wrapper.write_text(SLOW.replace("BWRAP", str(bubblewrap.find())))
    wrapper.chmod(0o755)
    home = bubblewrap.find().parents[2 if "site-packages" in bubblewrap.find().parts else 0]
    spawner = Spawner(wrapper, [folder, home], unique_uids=False)
    await spawner.start()
    try:
        yield spawner
    finally:
        await spawner.close()


def test_a_box_whose_making_hangs_keeps_no_other_waiting(tmp_path: Path) -> None:
    async def script() -> None:
        async with slow_spawner(tmp_path) as spawner:
            hanging = asyncio.ensure_future(box(spawner, "slow", "/bin/true", "hang"))
            for number in range(3):
                quick = await box(spawner, f"quick{number}", "/bin/true")
                assert await quick.exited == 0
                quick.close()
                assert not hanging.done()
            with pytest.raises(SandboxFailed, match="hung before the box was made"):
                await hanging

    asyncio.run(script())


def test_a_box_whose_maker_ended_is_made_again_and_what_it_left_ends(tmp_path: Path) -> None:
    async def script() -> None:
        async with slow_spawner(tmp_path) as spawner:
            made = await box(spawner, "again", "/bin/true", "lost")
            assert (tmp_path / "lost").exists()
            assert await made.exited == 0
            made.close()
            async with asyncio.timeout(10):
                while any("left-behind" in command for command in commands()):
                    await asyncio.sleep(0.01)

    asyncio.run(script())


def test_a_box_that_nobody_waits_for_any_more_is_ended(in_boxes: InBoxes) -> None:
    marker = f"lamella-unwanted-{os.getpid()}"

    async def script(boxes: Boxes) -> None:
        for pause in (0.0, 0.001, 0.003):
            making = asyncio.ensure_future(
                box(boxes.spawner, f"x{pause}", "/bin/sh", "-c", f"sleep 1000; : {marker}")
            )
            await asyncio.sleep(pause)
            making.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                (await making).kill()
        # Answers come one after the other: this one's is after theirs.
        (await box(boxes.spawner, "last", "/bin/true")).close()
        async with asyncio.timeout(10):
            while any(marker in command for command in commands()):
                await asyncio.sleep(0.01)
        assert not boxes.spawner._asked
        assert not boxes.spawner._early

    in_boxes(script)


def commands() -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            yield path.read_text(errors="replace")


def test_a_boxs_number_on_the_host_is_known_until_it_ends(in_boxes: InBoxes) -> None:
    async def script(boxes: Boxes) -> None:
        made = await box(boxes.spawner, "numbered", "/bin/sleep", "1000")
        assert Path(f"/proc/{made.pid}/comm").read_text().strip() == "bwrap"
        made.kill()
        await made.exited
        ended = [made.pid]
        made.close()
        assert [*ended, made.pid] == [None, None]

    in_boxes(script)


@pytest.mark.skipif(
    not os.access(FREEZER, os.W_OK) or os.geteuid() != 0,
    reason="processes that outlive being killed are made with a freezer of version 1",
)
def test_a_group_whose_processes_outlive_being_killed_is_removed_when_they_have_ended(
    in_boxes: InBoxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lamella.sandbox.reserve.LONG_PAUSE_SECONDS", 0.02)
    ice = FREEZER / f"lamella-ice-{os.getpid()}"

    async def script(boxes: Boxes) -> None:
        reserve = Reserve(boxes.spawner, boxes.groups, 0)
        group = boxes.groups.make("stuck")
        pid = os.fork()
        if pid == 0:
            os.execv("/bin/sleep", ["sleep", "1000"])
        for path in group.processes:
            path.write_text(str(pid))
        (ice / "cgroup.procs").write_text(str(pid))
        (ice / "freezer.state").write_text("FROZEN")
        ended = os.pidfd_open(pid)
        os.kill(pid, 9)
        await reserve.leave(group)
        assert reserve.stuck == {group}
        (ice / "freezer.state").write_text("THAWED")
        assert select.select([ended], [], [], 10)[0]
        os.waitpid(pid, 0)
        os.close(ended)
        async with asyncio.timeout(10):
            while reserve.stuck:
                await asyncio.sleep(0.01)
        assert group.remove()
        await reserve.close()

    ice.mkdir()
    try:
        in_boxes(script)
    finally:
        ice.rmdir()


def test_groups_that_the_keeper_refuses_a_process_for_do_not_stay(in_boxes: InBoxes) -> None:
    async def script(boxes: Boxes) -> None:
        class Refusing(Groups):
            made: list[Group] = []

            def make(self, name: str) -> Group:
                group = super().make(name)
                self.made.append(group)
                return group

        groups = Refusing(cgroup.find(), f"refusing-{os.getpid()}")
        groups.prepare()
        reserve = Reserve(boxes.spawner, groups, 1)
        await boxes.spawner.close()
        reserve.fill()
        await asyncio.sleep(0.1)
        await reserve.close()
        assert all(not path.exists() for group in groups.made for path in group.processes)
        groups.clear()

    in_boxes(script)
