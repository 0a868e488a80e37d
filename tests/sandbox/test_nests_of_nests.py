"""Nests that are forks of nests: what comes of them is as strong as what comes of the first."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from lamella.errors import SandboxFailed
from lamella.sandbox.box import BoxLost
from tests.sandbox.boxes import Boxes
from tests.sandbox.nesting import HONEST, sprout, yard
from tests.sandbox.test_attach import folder
from tests.sandbox.test_box import InBoxes
from tests.sandbox.test_nests import CALLS, DESCRIPTORS, KINDS, NO_RIGHTS, UNREACHABLE

SECONDS = 10


def test_a_fork_of_a_fork_is_in_namespaces_of_its_own_and_has_no_right_left(
    in_boxes: InBoxes,
) -> None:
    async def go(boxes: Boxes) -> None:
        async with yard(boxes) as first, sprout(first) as second, sprout(second) as third:
            hosts = {kind: os.stat(f"/proc/self/ns/{kind}").st_ino for kind in KINDS}
            spaces = [hosts]
            for filters, each in enumerate((first, second, third), 1):
                nests, status, _ = await each.said()
                one, two = await each.one(), await each.one()
                spaces += [nests, await one.tells("spaces()"), await two.tells("spaces()")]
                for who, more in ((status, 0), (await one.tells("status()"), 1)):
                    assert all(who[right] == ["0" * 16] for right in NO_RIGHTS)
                    assert (who["NoNewPrivs"], who["Seccomp"]) == (["1"], ["2"])
                    assert (who["Uid"], who["Gid"]) == (["993"] * 4, ["990"] * 4)
                    assert int(who["Seccomp_filters"][0]) == filters + more
            for kind in KINDS:
                assert len({each[kind] for each in spaces}) == len(spaces), kind

    in_boxes(go)


def test_a_fork_of_a_fork_gets_the_strict_filter(in_boxes: InBoxes) -> None:
    tried = [
        f"({call}, ctypes.get_errno(), ctypes.set_errno(0))[:2] == (-1, 1) or {name!r}"
        for call, name in CALLS.items()
    ]
    code = f"libc = ctypes.CDLL(None, use_errno=True)\nprint(json.dumps([{','.join(tried)}]))"

    async def go(boxes: Boxes) -> None:
        async with yard(boxes) as first, sprout(first) as second:
            assert await second.run(code) == (0, f"[{', '.join(['true'] * len(CALLS))}]\n")

    in_boxes(go)


def test_a_fork_of_a_fork_reaches_neither_its_nests_nor_a_sibling(in_boxes: InBoxes) -> None:
    others = "[n for n in range(2, 2000) if n != os.getpid() and signalled(n)]"

    async def go(boxes: Boxes) -> None:
        code = folder(boxes, "code", handler="code")
        async with yard(boxes) as first, sprout(first) as second, sprout(first) as other:
            one, two, three = await second.one(), await second.one(), await other.one()
            below = await first.one()
            for expression in UNREACHABLE:
                refused = await one.tells(expression)
                assert refused in ("PermissionError", "OSError"), expression
            assert await one.tells(others) == []
            # The listing of its processes is its own, and so are its files and descriptors.
            mine = await one.tells("os.getpid()")
            seen = "sorted(int(n) for n in os.listdir('/proc') if n.isdigit())"
            assert await one.tells(seen) == [1, mine]
            assert await one.tells("open('/tmp/mine', 'w').write('x')") == 1
            assert await two.tells(DESCRIPTORS) == [0, 1, 2, 6]
            await one.tells("os.kill(-1, signal.SIGKILL)")
            for each in (two, three, below):
                assert await each.tells("os.listdir('/tmp')") == []
                assert await each.tells("2 + 2") == 4
            for nest in (first, second, other):
                made = await nest.one(overlays={"/var/task": (code,)})
                assert await made.tells("os.listdir('/var/task')") == ["handler"]

    in_boxes(go)


AGAIN = "control = socket.socket(fileno=6)\n"
KEPT = {
    "keeps its capabilities": "nest._give_up = lambda program: None",
    "keeps its capabilities and takes the filter": "nest._libc.capset = lambda *_: 0",
    "takes no filter": "give_up = nest._give_up; nest._give_up = lambda program: give_up(b'-')",
}


@pytest.mark.parametrize("what", sorted(KEPT))
def test_a_nest_that_keeps_a_right_becomes_nothing(in_boxes: InBoxes, what: str) -> None:
    async def go(boxes: Boxes) -> None:
        async with yard(boxes, f"{KEPT[what]}\n{HONEST}", "hostile") as it:
            with pytest.raises(SandboxFailed, match="kept rights"):
                await it.lay(nests=True)
        async with yard(boxes, HONEST.replace(AGAIN, f"{AGAIN}    {KEPT[what]}\n")) as first:
            async with sprout(first) as second:
                for nests in (False, True):
                    with pytest.raises(SandboxFailed, match="kept rights"):
                        await second.lay(nests=nests)
            assert await first.run("print(1)") == (0, "1\n")

    in_boxes(go)


def test_what_a_fork_takes_itself_for_makes_it_no_nest(in_boxes: InBoxes) -> None:
    lying = HONEST.replace("if not told", "told['nest'] = not told['nest']\n    if not told")

    async def go(boxes: Boxes) -> None:
        async with yard(boxes, lying, "lying") as it, yard(boxes, name="honest") as honest:
            await it.one()
            async with sprout(it) as second:
                with pytest.raises(SandboxFailed):
                    await second.lay()
            assert await honest.run("print(1)") == (0, "1\n")

    in_boxes(go)


@pytest.mark.parametrize("how", ["killed", "retired"])
def test_forks_of_forks_outlive_every_process_that_forked(in_boxes: InBoxes, how: str) -> None:
    async def go(boxes: Boxes) -> None:
        async with yard(boxes) as first:
            await first.said()
            parents = [(first, first.process())]
            async with sprout(first) as second:
                await second.said()
                parents.append((second, second.process()))
                runs, egg = await second.one(), await second.lay()
                for nest, process in parents:
                    if how == "killed":
                        os.kill(process, signal.SIGKILL)
                    else:
                        await boxes.spawner.ask({"do": "retire", "nest": nest.name})
                async with asyncio.timeout(SECONDS):
                    while any(Path(f"/proc/{pid}").exists() for _, pid in parents):
                        await asyncio.sleep(0.005)
                hatched = await second.hatch(egg)
                for each in (runs, hatched):
                    assert await each.tells("1 + 1") == 2
                for nest, _ in parents:
                    with pytest.raises(BoxLost):
                        await nest.lay()
                assert await runs.end() == 0
                assert await hatched.end() == 0

    in_boxes(go)


def test_all_ends_with_the_box_of_the_first_nest(in_boxes: InBoxes) -> None:
    async def go(boxes: Boxes) -> None:
        async with yard(boxes) as first, sprout(first) as second, sprout(second) as third:
            runs, egg = await third.one(), await third.lay(nests=True)
            processes = first.processes()
            first.nest.box.kill()
            for box in (second.nest.box, third.nest.box, runs.box):
                assert await asyncio.wait_for(box.exited, SECONDS) == -signal.SIGKILL
            async with asyncio.timeout(SECONDS):
                while any(Path(f"/proc/{pid}").exists() for pid in processes):
                    await asyncio.sleep(0.005)
            with pytest.raises(SandboxFailed):
                await third.hatch(egg)
            for nest in (first, second, third):
                with pytest.raises(SandboxFailed):
                    await nest.lay()
            assert (await boxes.run("/bin/true")).code == 0

    in_boxes(go)


def test_a_nest_above_can_end_and_those_below_go_on(in_boxes: InBoxes) -> None:
    async def go(boxes: Boxes) -> None:
        async with yard(boxes) as first, sprout(first) as second:
            async with sprout(first) as other:
                runs = await other.one()
                other.nest.box.kill()
                assert await asyncio.wait_for(runs.box.exited, SECONDS) == -signal.SIGKILL
            for nest in (first, second):
                assert await nest.run("print(1)") == (0, "1\n")

    in_boxes(go)
