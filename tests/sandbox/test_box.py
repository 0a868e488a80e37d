"""Real boxes: what a process in one sees, may do, and leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lamella.errors import SandboxFailed
from lamella.sandbox import cgroup
from lamella.sandbox.cgroup import Group, Groups
from lamella.sandbox.plan import BoxPlan, Limits
from lamella.sandbox.spawn import Spawner
from tests.sandbox.boxes import MEGABYTE, Boxes, Result

InBoxes = Callable[[Callable[[Boxes], Awaitable[Any]]], Any]


def shell(in_boxes: InBoxes, script: str, **how: Any) -> Result:
    result = in_boxes(lambda boxes: boxes.run("/bin/sh", "-c", script, **how))
    assert isinstance(result, Result)
    return result


def test_the_exit_code_of_the_command_comes_back(in_boxes: InBoxes) -> None:
    assert shell(in_boxes, "exit 3").code == 3


def test_death_by_a_signal_comes_back_as_its_negative_number(in_boxes: InBoxes) -> None:
    assert shell(in_boxes, "kill -9 $$").code == -9


def test_a_box_has_no_capability_and_can_gain_none(in_boxes: InBoxes) -> None:
    status = shell(in_boxes, "cat /proc/self/status").output
    for line in status.splitlines():
        if line.startswith("Cap"):
            assert line.split()[1] == "0" * 16, line
    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status
    assert "Uid:\t993\t993\t993\t993" in status


@pytest.fixture
def as_a_background_job() -> Iterator[None]:
    """This process ignores and blocks signals, and with it whom it starts."""
    before = signal.signal(signal.SIGQUIT, signal.SIG_IGN)
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    signal.signal(signal.SIGQUIT, before)


@pytest.mark.usefixtures("as_a_background_job")
def test_every_signal_does_what_programs_expect_of_it(in_boxes: InBoxes) -> None:
    result = shell(
        in_boxes,
        "grep -E 'Sig(Ign|Blk)' /proc/self/status; trap 'echo told; exit 3' TERM; kill -TERM $$",
    )
    _, blocked, _, ignored, told = result.output.split()
    # 32 and 33 are the C library's own: no program can set them, and whom make starts ignores 32.
    assert (int(blocked, 16) | int(ignored, 16)) & ~(0b11 << 31) == 0
    assert told == "told"
    assert result.code == 3


def test_only_the_boxs_own_processes_are_seen(in_boxes: InBoxes) -> None:
    pids = shell(in_boxes, "ls /proc | grep -E '^[0-9]+$' | sort -n").output.split()
    assert pids[0] == "1"
    assert len(pids) <= 6


def test_nothing_but_tmp_can_be_written(in_boxes: InBoxes) -> None:
    places = "/ /dev /dev/shm /etc /usr /var /opt /var/task /proc/sys/kernel"
    result = shell(
        in_boxes,
        f"for p in {places}; do touch $p/x 2>/dev/null && echo wrote $p; done; "
        "touch /tmp/x && echo wrote /tmp",
        overlays={"/opt": (), "/var/task": ()},
    )
    assert result.output.split("\n")[:-1] == ["wrote /tmp"]


def test_tmp_has_its_size_and_no_more(in_boxes: InBoxes) -> None:
    result = shell(in_boxes, "head -c 20000000 /dev/zero > /tmp/x; wc -c < /tmp/x; rm /tmp/x")
    assert "No space left on device" in result.output
    assert f"\n{16 * MEGABYTE}\n" in result.output


def test_the_shadow_file_and_the_users_homes_are_not_there(in_boxes: InBoxes) -> None:
    result = shell(in_boxes, "ls /etc/shadow /root /home /work 2>&1; cat /etc/passwd; ls /")
    assert "shadow': No such file" in result.output
    assert "root:x:0:0:root:/root:/sbin/nologin\n" in result.output
    assert set(result.output.split("nologin\n")[-1].split()) <= {
        *("bin", "sbin", "lib", "lib32", "lib64", "libx32", "dev", "etc", "proc", "tmp", "usr")
    }


def test_there_is_no_network_but_loopback(in_boxes: InBoxes) -> None:
    result = shell(
        in_boxes,
        "tail -n +3 /proc/net/dev | cut -d: -f1; tail -n +2 /proc/net/route; "
        "grep -vc ' lo$' /proc/net/ipv6_route",
    )
    assert result.output.split() == ["lo", "0"]


@pytest.mark.parametrize(
    "attempt",
    [
        "unshare -U true",
        "unshare -m true",
        "mount -t tmpfs x /tmp",
        "chroot / true",
        "nsenter -t 1 -m true",
    ],
)
def test_new_powers_are_refused(in_boxes: InBoxes, attempt: str) -> None:
    result = shell(in_boxes, f"{attempt} && echo done")
    assert "done" not in result.output
    assert result.code != 0


def test_a_daemon_dies_with_the_box(in_boxes: InBoxes) -> None:
    marker = f"lamella-daemon-{os.getpid()}"

    async def script(boxes: Boxes) -> Result:
        return await boxes.run(
            "/bin/sh", "-c", f"setsid sh -c 'sleep 1000; : {marker}' >/dev/null 2>&1 & exit 0"
        )

    assert in_boxes(script).code == 0
    assert not [command for command in running_commands() if marker.encode() in command]


def running_commands() -> Iterator[bytes]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            yield path.read_bytes()


def test_layers_are_merged_with_the_topmost_winning(in_boxes: InBoxes) -> None:
    async def script(boxes: Boxes) -> Result:
        for name in ("low", "high"):
            layer = boxes.folder / name
            (layer / "sub").mkdir(parents=True)
            (layer / "same").write_text(name)
            (layer / "sub" / name).write_text(name)
        return await boxes.run(
            "/bin/sh",
            "-c",
            "cat /opt/same; ls /opt/sub | tr '\\n' ' '",
            overlays={"/opt": (boxes.folder / "high", boxes.folder / "low")},
        )

    assert in_boxes(script).output == "highhigh low "


def test_processes_are_limited(in_boxes: InBoxes) -> None:
    count = "i=0; while [ $i -lt 100 ]; do sleep 5 & i=$((i+1)); done; echo all"
    result = shell(in_boxes, count, processes=40)
    assert "all" not in result.output
    assert result.code != 0


needs_memory_controller = pytest.mark.skipif(
    "memory" not in cgroup.find().folders, reason="no memory controller can be written here"
)


@needs_memory_controller
def test_the_kernel_bounds_memory_and_tmp_together(in_boxes: InBoxes) -> None:
    result = shell(
        in_boxes, "head -c 400000000 /dev/zero | tail", memory=64 * MEGABYTE, tmp=16 * MEGABYTE
    )
    assert result.code == -9 or "Killed" in result.output or result.code > 0


@needs_memory_controller
def test_what_processes_hold_is_told_apart_from_files_in_tmp(in_boxes: InBoxes) -> None:
    seen: list[tuple[int, int]] = []

    async def during(group: Group) -> None:
        for _ in range(400):
            charged, held = group.usage() or 0, group.memory().held
            if charged > 12 * MEGABYTE:
                seen.append((charged, held))
                return
            await asyncio.sleep(0.01)

    shell(in_boxes, "head -c 14000000 /dev/zero > /tmp/x; sleep 1", during=during)
    ((charged, held),) = seen
    assert charged > 12 * MEGABYTE
    assert held < 6 * MEGABYTE


def test_a_command_that_is_not_there_ends_the_box(in_boxes: InBoxes) -> None:
    async def script(boxes: Boxes) -> Result:
        return await boxes.run("/no/such/program")

    result = in_boxes(script)
    assert result.code == 1
    assert "No such file or directory" in result.output


def test_an_overlay_of_a_directory_that_is_missing_is_an_error(in_boxes: InBoxes) -> None:
    async def script(boxes: Boxes) -> Result:
        return await boxes.run("/bin/true", overlays={"/opt": (Path("/no/such/layer"),)})

    with pytest.raises(SandboxFailed, match="No such file"):
        in_boxes(script)


def test_when_the_keepers_server_is_gone_so_are_its_boxes(in_boxes: InBoxes) -> None:
    """The keeper ends when its socket closes, and every box ends with it."""

    async def script(boxes: Boxes) -> bool:
        room = await boxes.spawner.room("orphan", MEGABYTE)
        limits = Limits(memory=64 * MEGABYTE, tmp=MEGABYTE)
        plan = BoxPlan(
            name="orphan",
            argv=("/bin/sleep", "1000"),
            environment={},
            limits=limits,
            listen=(9001, 9002),
        )
        reader, writer = os.pipe()
        box = await boxes.spawner.box(plan, room, Group(0, {}), writer)
        os.close(writer)
        names = [each.getsockname() for each in box.listeners]
        assert names == [("127.0.0.1", 9001), ("127.0.0.1", 9002)]
        ended = os.dup(box._pidfd)
        assert boxes.spawner._channel is not None
        boxes.spawner._channel.shutdown(2)
        await asyncio.to_thread(os.read, reader, 1)
        assert select.select([ended], [], [], 10)[0]
        os.close(reader)
        os.close(ended)
        box.close()
        return True

    assert in_boxes(script)


def test_stale_groups_of_a_crash_are_cleared() -> None:
    hierarchy = cgroup.find()
    if hierarchy.version == 0:
        pytest.skip("no control group can be written here")
    first = Groups(hierarchy, f"crash-{os.getpid()}")
    first.prepare()
    first.make("left")
    assert Groups(hierarchy, f"crash-{os.getpid()}").prepare() >= 1
    assert first.clear() == 0
    assert not [
        path
        for folder in hierarchy.folders.values()
        for path in folder.glob(f"lamella-crash-{os.getpid()}*")
    ]


def test_a_spawner_that_cannot_start_says_why(tmp_path: Path) -> None:
    async def script() -> None:
        spawner = Spawner(tmp_path / "bwrap", [tmp_path / "missing"], unique_uids=False)
        try:
            await spawner.start()
        finally:
            await spawner.close()

    with pytest.raises(SandboxFailed, match="No such file"):
        asyncio.run(script())


def test_groups_of_ephemeral_servers_that_have_ended_are_removed() -> None:
    hierarchy = cgroup.find()
    if hierarchy.version == 0:
        pytest.skip("no control group can be written here")
    with subprocess.Popen(["/bin/true"]) as ended:
        pass
    gone = Groups(hierarchy, f"{cgroup.EPHEMERAL}{ended.pid}")
    gone.prepare()
    gone.make("left")
    mine = Groups(hierarchy, f"{cgroup.EPHEMERAL}{os.getpid()}")
    mine.prepare()
    mine.clear_abandoned()
    names = {path.name for folder in hierarchy.folders.values() for path in folder.iterdir()}
    assert f"lamella-{cgroup.EPHEMERAL}{ended.pid}" not in names
    assert f"lamella-{cgroup.EPHEMERAL}{os.getpid()}" in names
    mine.clear()
