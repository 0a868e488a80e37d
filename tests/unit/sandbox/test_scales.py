"""What processes hold where no control group counts it, from files as the kernel writes them and
from real processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lamella.sandbox import scales, usage
from lamella.sandbox.cgroup import Group, Memory
from lamella.sandbox.plan import Limits
from lamella.sandbox.scales import Processes, Scales

MIB = 1_048_576
NONE = Group(0, {})

Write = Callable[..., None]


@pytest.fixture
def process(tmp_path: Path) -> Write:
    """Writes the files of one process: MiB of its own, of files, and its own by its part in it."""

    def write(pid: int, own: int, files: int = 0, part: int | None = None, below: str = "") -> None:
        folder = tmp_path / str(pid)
        (folder / "task" / str(pid)).mkdir(parents=True)
        (folder / "task" / str(pid) / "children").write_text(below)
        status = (
            f"Name:\tx\nRssAnon:\t{own << 10} kB\nRssFile:\t{files << 10} kB\nRssShmem:\t0 kB\n"
        )
        (folder / "status").write_text(status)
        pages = MIB // scales.PAGE
        (folder / "statm").write_text(f"9999 {(own + files) * pages} {files * pages} 1 0 2 0\n")
        if part is not None:
            (folder / "smaps_rollup").write_text(f"0-1 [rollup]\nPss_Anon:  {part << 10} kB\n")

    return write


def test_one_large_process_holds_what_it_holds(process: Write, tmp_path: Path) -> None:
    process(7, own=1, files=1, below="8")
    process(8, own=1, files=2, below="9")
    process(9, own=100, files=30)
    box = Scales(NONE, 7, tmp_path)
    assert box.charged() == 102 * MIB
    # Files count once: those of the process that maps the most.
    assert box.now() == Memory(102 * MIB, 132 * MIB)


def test_what_forks_share_counts_once(process: Write, tmp_path: Path) -> None:
    process(7, own=100, part=36, below="8 9")
    process(8, own=100, part=34)
    process(9, own=110, part=42)
    box = Scales(NONE, 7, tmp_path)
    assert box.charged() == 310 * MIB
    assert box.now().held == 112 * MIB


def test_nobody_is_charged_for_what_it_may_share_where_the_kernel_does_not_tell(
    process: Write, tmp_path: Path
) -> None:
    process(7, own=100, part=100, below="8")
    process(8, own=80)
    assert Scales(NONE, 7, tmp_path).now().held == 100 * MIB


def test_who_is_gone_holds_nothing(tmp_path: Path) -> None:
    for pid in (7, None):
        box = Scales(NONE, pid, tmp_path)
        assert (box.charged(), box.now()) == (0, Memory(0, 0))


def test_only_the_largest_are_asked(process: Write, tmp_path: Path) -> None:
    process(1, own=1, part=1, below=" ".join(map(str, range(2, 60))))
    for pid in range(2, 60):
        process(pid, own=pid, part=1)
    assert Processes(1, tmp_path).memory().held == max(59, scales.ASKED) * MIB


def test_what_takes_long_is_rarely_read(
    process: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    reads = []

    def slowly() -> int:
        clock[0] += 0.01
        reads.append(clock[0])
        return len(reads)

    value = scales._Seldom(slowly, 0.05)
    assert [value.value() for _ in range(3)] == [1, 1, 1]
    clock[0] += 0.19
    assert value.value() == 1
    clock[0] += 0.02
    assert value.value() == 2


def test_a_control_group_is_asked_where_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "memory.current").write_text("70\n")
    (tmp_path / "memory.stat").write_text("anon 40\nfile_mapped 2\n")
    box = Scales(Group(2, {"memory": tmp_path}), 1)
    assert (box.charged(), box.now()) == (70, Memory(40, 42))
    fork = Scales(Group(2, {"memory": tmp_path}), 1, base=Memory(100, 110))
    assert (fork.charged(), fork.now()) == (170, Memory(140, 152))


def test_real_processes_that_share_and_that_do_not() -> None:
    code = (
        "import os, time; x = bytearray(b'x') * (40 << 20)\n"
        "if os.fork() == 0 and os.fork() == 0: y = bytearray(b'y') * (20 << 20)\n"
        "os.write(1, b'.'); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        ready = b""
        while len(ready) < 3:
            ready += os.read(process.stdout.fileno(), 3)
        box = Scales(NONE, process.pid)
        assert box.charged() > 140 * MIB
        memory = box.now()
        for pid in reversed(usage.tree(process.pid)):
            os.kill(pid, 9)
    assert 60 * MIB < memory.held < 100 * MIB
    assert memory.held < memory.resident < memory.held + 40 * MIB


def test_a_process_may_set_aside_more_than_it_may_use_where_somebody_watches(
    tmp_path: Path,
) -> None:
    limits = Limits(memory=128 * MIB, tmp=MIB, slack=MIB)
    assert NONE.rlimits(limits)["RLIMIT_DATA"] == 129 * MIB
    assert "RLIMIT_DATA" not in Group(2, {"memory": tmp_path}).rlimits(limits)
