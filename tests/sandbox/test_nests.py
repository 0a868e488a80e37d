"""Boxes that are forks of a process: each as strong as a box that begins plainly."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path

import pytest

from lamella.errors import SandboxFailed
from lamella.sandbox.box import BoxLost
from lamella.sandbox.plan import BoxPlan, Limits
from tests.sandbox.boxes import MEGABYTE, Boxes, read_all
from tests.sandbox.nesting import PORT, PYTHON, Hatched, yard
from tests.sandbox.test_attach import folder
from tests.sandbox.test_box import InBoxes

KINDS = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
NO_RIGHTS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
DESCRIPTORS = (
    "sorted(int(n) for n in os.listdir('/proc/self/fd') if os.path.exists('/proc/self/fd/' + n))"
)


def test_a_fork_is_in_namespaces_of_its_own_and_has_no_right_left(in_boxes: InBoxes) -> None:
    async def go(boxes: Boxes) -> None:
        async with yard(boxes) as it:
            nests, of_nest, _ = await it.said()
            one, two = await it.one(), await it.one()
            hosts = {kind: os.stat(f"/proc/self/ns/{kind}").st_ino for kind in KINDS}
            everybodys = [hosts, nests, await one.tells("spaces()"), await two.tells("spaces()")]
            for kind in KINDS:
                assert len({each[kind] for each in everybodys}) == 4, kind
            for which in ("self", "thread-self"):
                status = await one.tells(f"status({which!r})")
                assert [status[each] for each in NO_RIGHTS] == [["0" * 16]] * 5
                assert status["NoNewPrivs"] == ["1"]
                assert status["Seccomp"] == ["2"]
                assert status["Uid"] == ["993"] * 4
                assert status["Gid"] == ["990"] * 4
                filters = int(of_nest["Seccomp_filters"][0])
                assert int(status["Seccomp_filters"][0]) == filters + 1
            assert of_nest["CapBnd"] == ["0" * 16]

    in_boxes(go)


CALLS = {
    "libc.unshare(0x10000000)": "unshare",
    "libc.mount(b'x', b'/tmp', b'tmpfs', 0, None)": "mount",
    "libc.umount2(b'/proc', 2)": "umount",
    "libc.setns(0, 0)": "setns",
    "libc.ptrace(16, 1, 0, 0)": "ptrace",
    "libc.process_vm_readv(1, 0, 0, 0, 0, 0)": "process_vm_readv",
    "libc.chroot(b'/tmp')": "chroot",
}


def test_a_fork_gets_the_strict_filter(in_boxes: InBoxes) -> None:
    tried = [
        f"({call}, ctypes.get_errno(), ctypes.set_errno(0))[:2] == (-1, 1) or {name!r}"
        for call, name in CALLS.items()
    ]
    code = f"libc = ctypes.CDLL(None, use_errno=True)\nprint(json.dumps([{','.join(tried)}]))"

    async def go(boxes: Boxes) -> None:
        async with yard(boxes) as it:
            assert await it.run(code) == (0, f"[{', '.join(['true'] * len(CALLS))}]\n")

    in_boxes(go)


def test_a_fork_sees_what_is_its_own(in_boxes: InBoxes) -> None:
    async def go(boxes: Boxes) -> None:
        code = folder(boxes, "code", handler="code")
        async with yard(boxes) as it:
            one = await it.one(overlays={"/var/task": (code,)})
            two = await it.one()
            assert await one.tells("open('/tmp/mine', 'w').write('x') and os.getcwd()") == "/tmp"
            assert await one.tells("os.listdir('/tmp')") == ["mine"]
            assert await two.tells("os.listdir('/tmp')") == []
            assert await one.tells("open('/var/task/handler').read()") == "code"
            assert await two.tells("os.listdir('/var/task')") == []
            assert await one.tells("open('/var/task/new', 'w')") == "OSError"
            environment = await one.tells("dict(os.environ)")
            assert environment == {"PATH": "/usr/bin:/bin", "PWD": "/tmp", "GIVEN": "it"}
            mine = await one.tells("os.getpid()")
            seen = await one.tells("sorted(int(n) for n in os.listdir('/proc') if n.isdigit())")
            assert seen == [1, mine]
            assert await one.tells("len([os.openpty() for _ in range(3)])") == 3
            assert await one.tells("sorted(os.listdir('/dev/pts'))") == ["0", "1", "2", "ptmx"]
            assert await two.tells("os.listdir('/dev/pts')") == ["ptmx"]
            assert await two.tells(DESCRIPTORS) == [0, 1, 2, 6]
            assert await two.tells("os.readlink('/proc/self/fd/0')") == "/dev/null"

    in_boxes(go)


def test_a_fork_has_a_loopback_with_its_own_listener(in_boxes: InBoxes) -> None:
    connect = f"socket.create_connection(('127.0.0.1', {PORT}))"

    async def go(boxes: Boxes) -> None:
        async with yard(boxes) as it:
            one, two = await it.one(), await it.one()
            for each, word in ((one, b"1"), (two, b"2")):
                (listener,) = each.box.listeners
                listener.setblocking(True)
                listener.settimeout(10)
                assert await each.tells(f"globals().update(line_out={connect})") is None
                accepted, _ = listener.accept()
                with accepted:
                    accepted.sendall(word)
                    assert await each.tells("line_out.recv(9).decode()") == word.decode()
            assert await one.tells("[name for _, name in socket.if_nameindex()]") == ["lo"]
            assert await one.tells("socket.create_server(('127.0.0.1', 9000)).detach() > 0")
            assert await two.tells("socket.create_connection(('127.0.0.1', 9000))") in (
                "ConnectionRefusedError",
            )

    in_boxes(go)


ENDS = {
    "pass": 0,
    "os._exit(3)": 3,
    "sys.exit(200)": 200,
    "raise ValueError": 1,
    "os.kill(os.getpid(), signal.SIGKILL)": -9,
    "os.kill(os.getpid(), signal.SIGTERM)": -15,
    "os.abort()": -6,
    "os.fork() or time.sleep(1000); os._exit(7)": 7,
    "os.kill(1, signal.SIGKILL); os._exit(5)": 5,
    "os.kill(1, signal.SIGINT); time.sleep(0.1); os._exit(6)": 6,
}


def test_how_a_fork_ends_is_told_as_of_any_box(in_boxes: InBoxes) -> None:
    async def go(boxes: Boxes) -> None:
        async with yard(boxes) as it:
            for code, status in ENDS.items():
                assert (await it.run(code))[0] == status, code
                modules = "import os, signal, sys, time\n"
                assert (await boxes.run(PYTHON, "-c", modules + code)).code == status, code
            waits = await it.one("time.sleep(1000)")
            waits.box.kill()
            assert await waits.box.exited == -signal.SIGKILL

    in_boxes(go)


UNREACHABLE = (
    "os.listdir('/proc/1/fd')",
    "os.readlink('/proc/1/root')",
    "os.readlink('/proc/1/exe')",
    "open('/proc/1/mem', 'rb').read(1)",
    "open('/proc/1/environ', 'rb').read(1)",
    "os.open('/proc/1/ns/mnt', os.O_RDONLY)",
    "os.open('/proc/1/ns/pid', os.O_RDONLY)",
    "os.open('/proc/1/oom_score_adj', os.O_WRONLY)",
    "write('/proc/self/uid_map', b'0 0 1')",
    "write('/proc/self/setgroups', b'allow')",
    "write('/proc/sys/kernel/hostname', b'x')",
    "os.setuid(0)",
    "open('/program/main.py', 'a')",
    "open('/etc/new', 'w')",
)


def test_a_fork_reaches_neither_its_nest_nor_a_sibling(in_boxes: InBoxes) -> None:
    others = "[n for n in range(2, 2000) if n != os.getpid() and signalled(n)]"

    async def go(boxes: Boxes) -> None:
        async with yard(boxes) as it:
            one, two = await it.one(), await it.one()
            for expression in UNREACHABLE:
                refused = await one.tells(expression)
                assert refused in ("PermissionError", "OSError"), expression
            assert await one.tells(others) == []
            # To everybody that it may signal: the sender and the first process do not get it.
            await one.tells("os.kill(-1, signal.SIGKILL)")
            name = "chr(0) + 'here'"
            assert await two.tells("globals().update(own=socket.socket(socket.AF_UNIX))") is None
            await two.tells(f"(own.bind({name}), own.listen())")
            reach = f"socket.socket(socket.AF_UNIX).connect({name})"
            assert await two.tells(reach) is None
            assert await one.tells(reach) == "ConnectionRefusedError"
            assert await two.tells("2 + 2") == 4
            assert (await it.run("print(1)"))[1] == "1\n"

    in_boxes(go)


def test_an_egg_that_was_killed_is_replaced_by_a_box_that_begins_plainly(in_boxes: InBoxes) -> None:
    async def go(boxes: Boxes) -> None:
        async with yard(boxes) as it:
            await it.said()
            before = it.processes()
            egg = await it.lay()
            for pid in set(it.processes()) - set(before):
                with contextlib.suppress(ProcessLookupError):  # it ended with the one before
                    os.kill(pid, signal.SIGKILL)
            async with asyncio.timeout(10):
                while it.processes() != before:
                    await asyncio.sleep(0.005)
            room = egg.room
            assert room is not None
            limits = Limits(memory=64 * MEGABYTE, tmp=MEGABYTE)
            argv = ("/bin/echo", "plain")
            plan = BoxPlan(name="plain", argv=argv, environment={}, limits=limits)
            output, theirs = os.pipe()
            box = await boxes.spawner.box(plan, room, egg.group, theirs, spare=egg)
            os.close(theirs)
            assert await asyncio.to_thread(read_all, output) == "plain\n"
            assert await box.exited == 0
            box.close()
            with pytest.raises(BoxLost):
                await it.hatch(egg)
            assert (await it.run("print(1)"))[1] == "1\n"

    in_boxes(go)


def test_what_cannot_be_mounted_ends_the_egg_and_nothing_else(in_boxes: InBoxes) -> None:
    async def go(boxes: Boxes) -> None:
        code = folder(boxes, "code")
        async with yard(boxes) as it:
            with pytest.raises(BoxLost):
                await it.one(overlays={"/missing": (code,)})
            assert (await it.run("print(1)"))[1] == "1\n"

    in_boxes(go)


def test_eggs_that_are_not_needed_leave_nothing(in_boxes: InBoxes) -> None:
    async def go(boxes: Boxes) -> None:
        async with yard(boxes) as it:
            await it.said()
            before = it.processes()
            eggs = [await it.lay() for _ in range(3)]
            assert len(it.processes()) > len(before) + 3
            for egg in eggs:
                await egg.discard()
                await egg.discard()
            async with asyncio.timeout(10):
                while it.processes() != before:
                    await asyncio.sleep(0.005)
            with pytest.raises(BoxLost):
                await it.hatch(eggs[0])

    in_boxes(go)


@pytest.mark.parametrize("how", ["killed", "retired"])
def test_forks_outlive_the_process_that_forked_them(in_boxes: InBoxes, how: str) -> None:
    async def go(boxes: Boxes) -> None:
        async with yard(boxes) as it:
            await it.said()
            zygote = it.process()
            runs, egg = await it.one(), await it.lay()
            if how == "killed":
                os.kill(zygote, signal.SIGKILL)
            else:
                await it.boxes.spawner.ask({"do": "retire", "nest": it.name})
            async with asyncio.timeout(10):
                while Path(f"/proc/{zygote}").exists():
                    await asyncio.sleep(0.005)
            hatched = await it.hatch(egg)
            for each in (runs, hatched):
                assert await each.tells("1 + 1") == 2
            with pytest.raises(BoxLost):
                await it.lay()
            assert await runs.end() == 0
            assert await hatched.end() == 0

    in_boxes(go)


def test_forks_end_with_the_box_of_their_nest(in_boxes: InBoxes) -> None:
    async def go(boxes: Boxes) -> None:
        async with yard(boxes) as it:
            runs, egg = await it.one(), await it.lay()
            it.nest.box.kill()
            assert await asyncio.wait_for(runs.box.exited, 10) == -signal.SIGKILL
            with pytest.raises(SandboxFailed):
                await it.hatch(egg)
            with pytest.raises(SandboxFailed):
                await it.lay()
            assert (await boxes.run("/bin/true")).code == 0

    in_boxes(go)


def test_twenty_at_once(in_boxes: InBoxes) -> None:
    async def go(boxes: Boxes) -> None:
        async with yard(boxes, processes=256) as it:
            made: list[Hatched] = await asyncio.gather(*(it.one() for _ in range(20)))
            assert await asyncio.gather(*(each.tells(f"{n}") for n, each in enumerate(made))) == [
                *range(20)
            ]
            spaces = [str(await each.tells("spaces()")) for each in made]
            assert len(set(spaces)) == 20

    in_boxes(go)


def test_a_box_begins_where_the_keeper_holds_more_than_a_box_may(in_boxes: InBoxes) -> None:
    ports = tuple(range(20_000, 20_060))
    limits = Limits(memory=128 * MEGABYTE, tmp=MEGABYTE)
    eggs = limits.files // len(ports) + 1

    async def go(boxes: Boxes) -> None:
        async with yard(boxes) as it:
            for _ in range(eggs):
                await it.lay(listen=ports)
            assert (await boxes.run("/bin/echo", "begun")).output == "begun\n"

    in_boxes(go)


def test_what_is_not_there_is_refused(in_boxes: InBoxes) -> None:
    async def go(boxes: Boxes) -> None:
        for asked in (
            {"do": "lay", "nest": "none", "egg": "e", "cgroups": []},
            {"do": "hatch", "egg": "none", "name": "n", "mounts": [], "listen": [], "told": {}},
        ):
            with pytest.raises(BoxLost):
                await boxes.spawner.ask(asked)
        await boxes.spawner.ask({"do": "retire", "nest": "none"})
        await boxes.spawner.ask({"do": "discard", "egg": "none"})

    in_boxes(go)
