"""Mounts put into a box that runs: what it then sees, and what it cannot make of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lamella.errors import SandboxFailed
from lamella.sandbox.box import Box, Room
from lamella.sandbox.plan import BoxPlan, Limits, Mount
from tests.sandbox.boxes import MEGABYTE, Boxes
from tests.sandbox.test_box import InBoxes

SECONDS = 20
PLACES = ("/opt", "/var/task", "/work")


@dataclass
class Running:
    """A box under way that gets its input line by line and has its output read."""

    box: Box
    room: Room
    orders: int
    output: int

    async def does(self, command: str) -> str:
        """What one shell command in the box prints."""
        os.write(self.orders, f"{command}\n echo done.\n".encode())
        said = b""
        while not said.endswith(b"done.\n"):
            async with asyncio.timeout(SECONDS):
                said += await asyncio.to_thread(os.read, self.output, 65_536)
        return said.decode().removesuffix("done.\n")


@contextlib.asynccontextmanager
async def running(boxes: Boxes, name: str = "running") -> AsyncIterator[Running]:
    limits = Limits(memory=64 * MEGABYTE, tmp=MEGABYTE)
    group = boxes.groups.make(name)
    room = await boxes.spawner.room(name, MEGABYTE)
    plan = BoxPlan(
        name=name,
        argv=("/bin/sh", "-c", 'while read -r line <&6; do eval "$line"; done'),
        environment={"PATH": "/usr/bin:/bin"},
        limits=limits,
        overlays=dict.fromkeys(PLACES, ()),
    )
    output, theirs = os.pipe()
    orders_out, orders = os.pipe()
    box = await boxes.spawner.box(plan, room, group, theirs, given=(orders_out,))
    os.close(theirs)
    os.close(orders_out)
    try:
        it = Running(box, room, orders, output)
        await it.does("true")
        yield it
    finally:
        box.kill()
        await asyncio.wait_for(box.exited, SECONDS)
        box.close()
        os.close(output)
        os.close(orders)
        await boxes.spawner.leave(room)


def folder(boxes: Boxes, name: str, **files: str) -> Path:
    made = boxes.folder / name
    made.mkdir()
    for each, text in files.items():
        (made / each).write_text(text)
    made.chmod(0o777)
    return made


def test_a_box_that_runs_sees_what_is_mounted_and_cannot_write_it(in_boxes: InBoxes) -> None:
    async def go(boxes: Boxes) -> None:
        code = folder(boxes, "code", handler="code")
        top = folder(boxes, "top", both="top")
        low = folder(boxes, "low", both="low", lower="low")
        given = folder(boxes, "given")
        mounts = [
            Mount("/var/task", (code,)),
            Mount("/opt", (top, low)),
            Mount("/work", (given,), writable=True),
        ]
        async with running(boxes) as it:
            assert await it.does("ls /opt /var/task /work") == "/opt:\n\n/var/task:\n\n/work:\n"
            await boxes.spawner.attach(it.box.name, mounts)
            assert await it.does("cat /var/task/handler /opt/both /opt/lower") == "codetoplow"
            for place in ("/opt/both", "/opt/new", "/var/task/handler", "/var/task/new"):
                said = await it.does(f"(echo x > {place}) 2>&1")
                assert "Read-only file system" in said
            assert await it.does("echo made > /work/made") == ""
            assert (given / "made").read_text() == "made\n"
            flags = {
                words[4]: words[5].split(",")
                for words in map(
                    str.split, (await it.does("cat /proc/self/mountinfo")).splitlines()
                )
            }
            assert {"ro", "nosuid", "nodev"} <= set(flags["/opt"])
            assert {"ro", "nosuid", "nodev"} <= set(flags["/var/task"])
            assert {"rw", "nosuid", "nodev"} <= set(flags["/work"])

    in_boxes(go)


def test_ten_folders_with_long_names_are_one(in_boxes: InBoxes) -> None:
    async def go(boxes: Boxes) -> None:
        folders = [folder(boxes, f"{n}{'x' * 200}", **{f"f{n}": str(n)}) for n in range(10)]
        async with running(boxes) as it:
            await boxes.spawner.attach(it.box.name, [Mount("/opt", tuple(folders))])
            assert await it.does("cat /opt/f*") == "0123456789"

    in_boxes(go)


def test_a_single_file_can_be_mounted_over_one(in_boxes: InBoxes) -> None:
    async def go(boxes: Boxes) -> None:
        source = folder(boxes, "files", one="new") / "one"
        async with running(boxes) as it:
            await it.does("echo old > /tmp/one")
            await boxes.spawner.attach(it.box.name, [Mount("/tmp/one", (source,))])
            assert await it.does("cat /tmp/one") == "new"

    in_boxes(go)


@pytest.mark.parametrize(
    ("made", "target"),
    [
        ("ln -s /opt /tmp/link", "/tmp/link"),
        ("ln -s / /tmp/link", "/tmp/link/opt"),
        ("ln -s /proc/1/root /tmp/link", "/tmp/link/opt"),
        ("true", "/proc/self/root/opt"),
        ("true", "/proc/self/cwd"),
        ("true", "/tmp/missing"),
        ("mkfifo /tmp/pipe", "/tmp/pipe"),
        ("touch /tmp/file", "/tmp/file"),
    ],
)
def test_a_target_that_is_no_plain_folder_is_refused_and_costs_nobody_else_anything(
    in_boxes: InBoxes, made: str, target: str
) -> None:
    async def go(boxes: Boxes) -> None:
        code = folder(boxes, "code", handler="code")
        async with running(boxes, "hostile") as hostile, running(boxes) as other:
            await hostile.does(made)
            with pytest.raises(SandboxFailed):
                await boxes.spawner.attach(hostile.box.name, [Mount(target, (code,))])
            assert await hostile.does("ls /opt") == ""
            await boxes.spawner.attach(other.box.name, [Mount("/opt", (code,))])
            assert await other.does("cat /opt/handler") == "code"
        assert (await boxes.run("/bin/true")).code == 0

    in_boxes(go)


def test_a_box_that_has_ended_gets_nothing(in_boxes: InBoxes) -> None:
    async def go(boxes: Boxes) -> None:
        code = folder(boxes, "code")
        async with running(boxes) as it:
            it.box.kill()
            await it.box.exited
            with pytest.raises(SandboxFailed, match="the box has ended"):
                await boxes.spawner.attach(it.box.name, [Mount("/opt", (code,))])

    in_boxes(go)


def test_a_room_gets_another_size(in_boxes: InBoxes) -> None:
    async def go(boxes: Boxes) -> None:
        async with running(boxes) as it:
            write = "head -c 4000000 /dev/zero > /tmp/x; wc -c < /tmp/x"
            assert "No space left" in await it.does(f"({write}) 2>&1")
            await boxes.spawner.resize(it.room, 8 * MEGABYTE)
            assert await it.does(write) == "4000000\n"
            with pytest.raises(SandboxFailed):
                await boxes.spawner.resize(it.room, MEGABYTE)
            assert await it.does("stat -f -c '%b %S' /tmp") == f"{8 * MEGABYTE // 4096} 4096\n"

    in_boxes(go)


NESTED = """
import os, sys
from pathlib import Path
from lamella.sandbox import attach, keeper, syscalls
from lamella.sandbox.syscalls import CLONE_NEWNS, CLONE_NEWUSER

def nested(depth):
    uid, gid = os.geteuid(), os.getegid()
    syscalls.unshare(CLONE_NEWUSER | CLONE_NEWNS)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    syscalls.mount("tmp", "/mnt", "tmpfs", 0)
    Path("/mnt/place").mkdir()
    if depth:
        nested(depth - 1)

source = sys.argv[1]
keeper.isolate()
child = os.fork()
if child:
    os.waitpid(child, 0)
    os._exit(0)
syscalls.mount("proc", "/proc", "proc", 0)
os.chdir("/usr")
back, ready = os.pipe()
child = os.fork()
if child == 0:
    nested(1)
    os.write(ready, b"x")
    while not os.path.exists("/mnt/place/file"):
        pass
    print("sees", Path("/mnt/place/file").read_text(), flush=True)
    os._exit(0)
os.read(back, 1)
try:
    attach.attach(child, [(attach.detached([source]), "/mnt/missing")])
except OSError as error:
    print("refused", type(error).__name__, os.getcwd(), os.path.exists("/mnt/place"), flush=True)
attach.attach(child, [(attach.detached([source]), "/mnt/place")])
print("back", os.getcwd(), os.path.exists("/mnt/place"), flush=True)
os.waitpid(child, 0)
try:
    attach.attach(os.getpid(), [])
except ProcessLookupError:
    print("not at home", flush=True)
"""


def test_namespaces_within_those_of_a_box_are_reached_too(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("it")
    done = subprocess.run(
        [sys.executable, "-c", NESTED, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.stdout.splitlines() == [
        "refused FileNotFoundError /usr False",
        "back /usr False",
        "sees it",
        "not at home",
    ] or done.stdout.splitlines() == [
        "refused FileNotFoundError /usr False",
        "sees it",
        "back /usr False",
        "not at home",
    ], done.stderr
