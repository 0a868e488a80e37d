"""Nests and eggs that are hostile: the keeper does not hang, and serves others meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal

import pytest

from lamella.errors import SandboxFailed
from lamella.sandbox.box import BoxLost
from lamella.sandbox.plan import BoxPlan, Limits
from tests.sandbox import hostile_nests
from tests.sandbox.boxes import MEGABYTE, Boxes, read_all
from tests.sandbox.nesting import HONEST, PYTHON, yard
from tests.sandbox.test_attach import folder
from tests.sandbox.test_box import InBoxes

SECONDS = 20


def test_nothing_comes_of_a_nest_that_does_not_keep_to_the_rules(in_boxes: InBoxes) -> None:
    async def hostile(boxes: Boxes, number: int, program: str) -> str:
        async with yard(boxes, program, f"hostile{number}") as it:
            try:
                await it.lay()
            except SandboxFailed as error:
                return str(error)
            return ""

    async def go(boxes: Boxes) -> None:
        async with yard(boxes) as honest:
            programs = hostile_nests.NO_EGGS
            attempts = [
                asyncio.create_task(hostile(boxes, number, program))
                for number, program in enumerate(programs.values())
            ]
            served = 0
            while not all(each.done() for each in attempts):
                assert await honest.run("print(1)") == (0, "1\n")
                served += 1
                await asyncio.sleep(0.05)
            said = dict(zip(programs, [await each for each in attempts], strict=True))
            assert [what for what, why in said.items() if not why] == []
            # While some were waited for that never answer.
            assert served > 3

    in_boxes(go)


def test_a_process_in_other_control_groups_becomes_no_box(in_boxes: InBoxes) -> None:
    async def go(boxes: Boxes) -> None:
        async with yard(boxes, hostile_nests.OTHER_GROUPS) as it:
            if not it.group.processes:
                pytest.skip("no control groups can be written here")
            with pytest.raises(SandboxFailed, match="other control groups"):
                await it.lay()

    in_boxes(go)


def test_nothing_can_be_sent_that_would_take_the_keeper_long_to_close(in_boxes: InBoxes) -> None:
    async def go(boxes: Boxes) -> None:
        async with yard(boxes, name="honest") as honest:
            async with yard(boxes, hostile_nests.LINGERS) as it:
                laying = asyncio.create_task(it.lay())
                assert await it.said() == ["BrokenPipeError", "BrokenPipeError"]
                await boxes.spawner.ask({"do": "retire", "nest": it.name})
                assert (await honest.run("print(1)"))[1] == "1\n"
                it.nest.box.kill()
                with pytest.raises(SandboxFailed):
                    await laying
            assert (await honest.run("print(1)"))[1] == "1\n"

    in_boxes(go)


def test_a_fork_bomb_is_bounded_and_keeps_nobody_from_being_served(in_boxes: InBoxes) -> None:
    most = 40

    async def go(boxes: Boxes) -> None:
        async with (
            yard(boxes, name="honest") as honest,
            yard(boxes, hostile_nests.BOMB, processes=most) as it,
        ):
            assert await it.said() == 0
            until = asyncio.get_running_loop().time() + SECONDS
            while len(it.processes()) < most // 2:
                assert asyncio.get_running_loop().time() < until
                await asyncio.sleep(0.01)
            for _ in range(3):
                assert (await honest.run("print(1)"))[1] == "1\n"
                # bubblewrap itself is not counted everywhere.
                assert len(it.processes()) <= most + 2

    in_boxes(go)


def test_a_box_that_takes_the_place_of_a_fork_is_not_counted_with_the_nest(
    in_boxes: InBoxes,
) -> None:
    """They run as one user, whose limit of processes is for each box all the same."""
    busy, most = 60, 24

    async def go(boxes: Boxes) -> None:
        async with yard(boxes, hostile_nests.BUSY + HONEST, processes=256) as it:
            await it.said()
            before = it.processes()
            assert len(before) > busy
            egg = await it.lay()
            for pid in set(it.processes()) - set(before):
                with contextlib.suppress(ProcessLookupError):  # it ended with the one before
                    os.kill(pid, signal.SIGKILL)
            async with asyncio.timeout(SECONDS):
                while it.processes() != before:
                    await asyncio.sleep(0.005)
            room = egg.room
            assert room is not None
            limits = Limits(memory=64 * MEGABYTE, tmp=MEGABYTE, processes=most)
            argv = (PYTHON, "-c", hostile_nests.COUNT)
            plan = BoxPlan(name="plain", argv=argv, environment={}, limits=limits)
            output, theirs = os.pipe()
            box = await boxes.spawner.box(plan, room, egg.group, theirs, spare=egg)
            os.close(theirs)
            made = int(await asyncio.to_thread(read_all, output))
            assert most // 2 < made < most
            box.kill()
            await asyncio.wait_for(box.exited, SECONDS)
            box.close()

    in_boxes(go)


@pytest.mark.parametrize("what", sorted(hostile_nests.BAD_EGGS))
def test_an_egg_that_has_ended_becomes_nothing_that_lasts(in_boxes: InBoxes, what: str) -> None:
    program = hostile_nests.AFTER.replace("WHAT", hostile_nests.BAD_EGGS[what])

    async def go(boxes: Boxes) -> None:
        async with yard(boxes, program) as it:
            for _ in range(3):
                with contextlib.suppress(BoxLost):
                    # It may be hatched before anybody knows.
                    hatched = await it.one()
                    assert await asyncio.wait_for(hatched.box.exited, SECONDS) == -signal.SIGKILL

    in_boxes(go)


def test_an_egg_that_has_stopped_can_be_ended(in_boxes: InBoxes) -> None:
    stop = "os.kill(int(os.readlink('/proc/self')), signal.SIGSTOP) or time.sleep(1000)"
    program = hostile_nests.AFTER.replace("WHAT", stop)

    async def go(boxes: Boxes) -> None:
        async with yard(boxes, program) as it, yard(boxes, name="honest") as honest:
            hatched = await it.one()
            egg = await it.lay()
            assert (await honest.run("print(1)"))[1] == "1\n"
            await egg.discard()
            hatched.box.kill()
            assert await asyncio.wait_for(hatched.box.exited, SECONDS) == -signal.SIGKILL

    in_boxes(go)


def test_what_a_fork_says_of_its_end_is_a_status_or_nothing(in_boxes: InBoxes) -> None:
    async def go(boxes: Boxes) -> None:
        for number, (said, status) in enumerate(hostile_nests.STATUSES.items()):
            program = hostile_nests.LIES.replace("WHAT", said)
            async with yard(boxes, program, f"liar{number}") as it:
                hatched = await it.one()
                assert await asyncio.wait_for(hatched.box.exited, SECONDS) == status, said

    in_boxes(go)


def test_a_tree_of_its_own_leads_nobody_astray(in_boxes: InBoxes) -> None:
    async def go(boxes: Boxes) -> None:
        code = folder(boxes, "code", handler="code")
        async with yard(boxes, name="honest") as honest:
            for number, made in enumerate(hostile_nests.TREES):
                program = hostile_nests.HIDDEN.replace("MADE", made)
                async with yard(boxes, program, f"tree{number}") as it:
                    egg = await it.lay()
                    with contextlib.suppress(BoxLost):
                        await it.hatch(egg, overlays={"/var/task": (code,)})
                        assert "/proc" in made or "proc" in made
                    assert not os.path.exists("/handler")
                other = await honest.one(overlays={"/var/task": (code,)})
                assert await other.tells("os.listdir('/var/task')") == ["handler"]

    in_boxes(go)
