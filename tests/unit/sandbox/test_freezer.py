"""Which way of freezing a host gets, and what is said when none works."""

from __future__ import annotations

import asyncio
import logging
import signal
from pathlib import Path

import pytest

from lamella.errors import SandboxFailed
from lamella.sandbox.cgroup import Group, Hierarchy
from lamella.sandbox.freezer import GroupFreezer, SignalFreezer, choose
from lamella.sandbox.spawn import Spawner

PLACE = Path("/sys/fs/cgroup")


@pytest.fixture
def spawner(tmp_path: Path) -> Spawner:
    return Spawner(tmp_path / "bwrap", [], unique_uids=False)


@pytest.mark.parametrize(
    ("hierarchy", "kind"),
    [
        (Hierarchy(2, {"memory": PLACE}, PLACE), GroupFreezer),
        (Hierarchy(1, {"memory": PLACE}, PLACE / "unified"), GroupFreezer),
        (Hierarchy(0, {}, PLACE), GroupFreezer),
        (Hierarchy(1, {"memory": PLACE}), SignalFreezer),
        (Hierarchy(0, {}), SignalFreezer),
    ],
    ids=["version 2", "version 1 beside 2", "2 without controllers", "version 1", "none"],
)
def test_groups_of_version_2_are_chosen_where_there_are_any(
    spawner: Spawner, hierarchy: Hierarchy, kind: type
) -> None:
    assert type(choose(hierarchy, spawner)) is kind


def test_a_group_is_frozen_by_its_file(tmp_path: Path) -> None:
    file = tmp_path / "cgroup.freeze"
    file.write_text("0")
    group = Group(0, {}, tmp_path)
    GroupFreezer().freeze(group, "box")
    assert file.read_text() == "1"
    GroupFreezer().thaw(group, "box")
    assert file.read_text() == "0"
    file.unlink()
    GroupFreezer().freeze(group, "box")  # the group is gone: nothing to freeze
    assert not file.exists()


class Keeper(Spawner):
    """A spawner whose keeper cannot send signals."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    async def signal_all(self, name: str, number: int) -> None:
        self.asked.append((name, number))
        raise SandboxFailed("no")


def test_signals_are_sent_in_order_and_a_failure_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    keeper = Keeper()

    async def script() -> None:
        freezer = SignalFreezer(keeper)
        freezer.freeze(Group(0, {}), "box")
        freezer.thaw(Group(0, {}), "box")
        while len(keeper.asked) < 2:
            await asyncio.sleep(0)

    with caplog.at_level(logging.WARNING):
        asyncio.run(script())
    assert keeper.asked == [("box", signal.SIGSTOP), ("box", signal.SIGCONT)]
    assert len([each for each in caplog.records if "not frozen" in each.message]) == 1
