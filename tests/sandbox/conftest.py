"""A spawner of real boxes for each test, and the check that it leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lamella.sandbox import bubblewrap, cgroup
from lamella.sandbox.cgroup import Groups
from lamella.sandbox.spawn import Spawner
from tests.sandbox.boxes import Boxes, Script, T


@pytest.fixture
def in_boxes(tmp_path: Path) -> Iterator[Callable[[Script[T]], T]]:
    """Runs a coroutine function that gets `Boxes`; afterwards the host's mounts are as before."""
    folder = tmp_path / "node"
    folder.mkdir()

    async def go(script: Script[T]) -> T:
        groups = Groups(cgroup.find(), f"test-{os.getpid()}")
        groups.prepare()
        spawner = Spawner(bubblewrap.find(), [folder], unique_uids=os.geteuid() == 0)
        await spawner.start()
        try:
            return await script(Boxes(spawner, groups, folder))
        finally:
            await spawner.close()
            groups.clear()

    before = Path("/proc/self/mounts").read_text()
    yield lambda script: asyncio.run(go(script))
    assert Path("/proc/self/mounts").read_text() == before
