"""What functions import is imported ahead of them, also what was learned from a fork."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.server import Cloud, serving, zipped

SECONDS = 60
CODE = """
import os, sys
WAS_THERE = {name!r} in sys.modules
import {name}

def handler(event, context):
    return {{
        "was there": WAS_THERE,
        "value": {name}.VALUE,
        "threads": len(os.listdir("/proc/self/task")),
        "ours": [each for each in {ours!r} if each in sys.modules],
    }}
"""
OURS = ("dice", "imports", "leavings", "nest", "preload", "reseed", "trial", "watch", "zygote")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with serving(tmp_path_factory.mktemp("forks") / "data", "--preload", "on") as server:
        yield Cloud(server.endpoint)


def until_there(cloud: Cloud, name: str) -> Any:
    """What the function says in the first start that found its module imported."""
    until = time.monotonic() + SECONDS
    for number in range(1_000):
        said = cloud.result(name)
        if said["was there"] or time.monotonic() > until:
            return said
        time.sleep(0.1)
        cloud.configure(name, Description=f"start {number}")
    raise AssertionError("unreachable")


def test_what_a_fork_imports_beside_is_learned_too(cloud: Cloud) -> None:
    first, second = "VALUE = 1", "import os; VALUE = os.getpid() > 0"
    layer = cloud.layer(zipped({"python/first.py": first, "python/second.py": second}))
    for name, value in (("first", 1), ("second", True)):
        code = CODE.format(name=name, ours=OURS)
        said = until_there(cloud, cloud.function(code, layers=[layer]))
        assert (said["was there"], said["value"], said["ours"]) == (True, value, [])


@pytest.mark.slow
def test_numpy_has_as_many_threads_as_in_a_plain_start(cloud: Cloud) -> None:
    package = Path(__file__).parents[2] / ".cache/bench/numpy-py311/published.zip"
    if not package.exists():
        pytest.skip("the layers of the benchmarks are not there")
    layer = cloud.layer(package.read_bytes())
    code = CODE.replace("{name}.VALUE", "1").format(name="numpy", ours=OURS)
    function = cloud.function(code, layers=[layer], MemorySize=512)
    plain = cloud.result(function)
    assert plain["threads"] == min(64, len(os.sched_getaffinity(0)))
    cloud.configure(function, Description="another start")
    assert until_there(cloud, function) == {**plain, "was there": True}
