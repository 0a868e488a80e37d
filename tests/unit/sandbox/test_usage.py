"""Reading what the machine has and what boxes hold, from files as the kernel writes them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lamella.sandbox import usage
from lamella.sandbox.cgroup import Group, Hierarchy

MEMINFO = "MemTotal:       1000 kB\nMemFree:  10 kB\nMemAvailable:    600 kB\n"
PSI = "some avg10=20.00 avg60=0.00 avg300=0.00 total=1\nfull avg10=12.50 avg60=0.0 total=1\n"
KIB = 1024


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "meminfo").write_text(MEMINFO)
    return tmp_path


def group(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def test_a_machine_without_limits_of_its_own(proc: Path) -> None:
    assert usage.machine(Hierarchy(0, {}), proc) == usage.Machine(1000 * KIB, 600 * KIB, 0.0)


def test_stalls_are_read_where_the_kernel_tells_them(proc: Path) -> None:
    (proc / "pressure").mkdir()
    (proc / "pressure" / "memory").write_text(PSI)
    assert usage.machine(Hierarchy(0, {}), proc).stalled == 12.5


def test_the_limit_of_a_container_is_the_machine(proc: Path) -> None:
    folder = group(
        proc / "v2" / "scope",
        memory__max="max",
        memory__current="1",
        memory__stat="anon 1\n",
    )
    (folder.parent / "memory.max").write_text(str(500 * KIB))
    (folder.parent / "memory.current").write_text(str(450 * KIB))
    (folder.parent / "memory.stat").write_text(
        f"inactive_file {100 * KIB}\nactive_file {50 * KIB}\nanon 3\n"
    )
    seen = usage.machine(Hierarchy(2, {"memory": folder}), proc)
    assert (seen.total, seen.available) == (500 * KIB, 200 * KIB)


def test_version_1_says_no_limit_by_a_huge_number(proc: Path) -> None:
    folder = group(
        proc / "v1",
        memory__limit_in_bytes="9223372036854771712",
        memory__usage_in_bytes="5",
        memory__stat="",
    )
    assert usage.machine(Hierarchy(1, {"memory": folder}), proc).total == 1000 * KIB


@pytest.mark.parametrize(
    ("version", "text"),
    [
        (1, "rss 1\nshmem 1\ncache 99\ntotal_rss 30\ntotal_shmem 12\ntotal_cache 99\n"),
        (2, "anon 30\nfile 99\nshmem 12\nkernel 7\n"),
    ],
)
def test_a_group_holds_what_processes_have_and_files_in_tmp(
    tmp_path: Path, version: int, text: str
) -> None:
    folder = group(tmp_path / "g", memory__stat=text)
    assert usage.held(Group(version, {"memory": folder}), None) == 42


def test_a_group_that_is_gone_holds_nothing(tmp_path: Path) -> None:
    assert usage.held(Group(1, {"memory": tmp_path / "gone"}), None) == 0


def test_without_groups_processes_are_counted_from_the_first_down(tmp_path: Path) -> None:
    for pid, children, kibibytes in ((7, "8 9", 1), (8, "", 2), (9, "10", 4), (10, "", 8)):
        task = tmp_path / str(pid) / "task" / str(pid)
        task.mkdir(parents=True)
        (task / "children").write_text(children)
        (tmp_path / str(pid) / "status").write_text(
            f"Name:\tx\nRssAnon:\t {kibibytes} kB\nRssFile:\t 500 kB\nRssShmem:\t 1 kB\n"
        )
    assert usage.held(Group(0, {}), 7, tmp_path) == (1 + 2 + 4 + 8 + 4) * KIB
    assert usage.held(None, 9, tmp_path) == (4 + 8 + 2) * KIB
    assert usage.held(None, None, tmp_path) == 0
    assert usage.of_tree(77, tmp_path) == 0


def test_ones_own_process_holds_something() -> None:
    assert usage.of_tree(os.getpid()) > 1_000_000
