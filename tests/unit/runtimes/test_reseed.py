"""Fifty forks of one process have nothing random in common."""

from __future__ import annotations

from typing import Any

import pytest

from lamella.runtimes.python.tree import BOX
from tests.unit.runtimes.preloading import run

FORKS = 50
DRAW = """
import random, secrets, ssl, tempfile, time, uuid
import multiprocessing.process
try:
    import numpy.random
except ImportError:
    numpy = None

# Everything is as it would be after use, before the fork.
random.random(), uuid.getnode(), next(tempfile._get_candidate_names())
started = logging._startTime
drawn = {}
for _ in range(request):
    ours, theirs = os.pipe()
    if os.fork() == 0:
        reseed.reseed()
        found = {
            "random": random.random(),
            "secrets": secrets.token_hex(),
            "ssl": ssl.RAND_bytes(16).hex(),
            "uuid1": str(uuid.uuid1()),
            "uuid4": str(uuid.uuid4()),
            "node": uuid._random_getnode(),
            "tempfile": next(tempfile._get_candidate_names()),
            "authkey": bytes(multiprocessing.process.current_process().authkey).hex(),
        }
        if numpy is not None:
            found["numpy"] = float(numpy.random.random())
        found["later"] = logging._startTime > started
        os.write(theirs, json.dumps(found).encode())
        os._exit(0)
    os.wait()
    for name, value in json.loads(os.read(ours, 65536)).items():
        drawn.setdefault(name, []).append(value)
    os.close(ours), os.close(theirs)
print(json.dumps(drawn))
"""


@pytest.fixture(scope="module")
def drawn() -> Any:
    return run(BOX, DRAW, FORKS)


@pytest.mark.parametrize(
    "name", ["random", "secrets", "ssl", "uuid1", "uuid4", "node", "tempfile", "authkey"]
)
def test_forks_draw_different_values(drawn: Any, name: str) -> None:
    assert len(set(drawn[name])) == FORKS


def test_numpy_draws_different_values_in_forks(drawn: Any) -> None:
    if "numpy" not in drawn:
        pytest.skip("numpy is not installed")
    assert len(set(drawn["numpy"])) == FORKS


def test_the_clock_of_the_log_begins_with_the_fork(drawn: Any) -> None:
    assert drawn["later"] == [True] * FORKS


def test_a_module_of_the_same_name_that_is_another_is_left_alone() -> None:
    script = """
import types
for name in ("random", "uuid", "tempfile", "multiprocessing.process", "numpy.random.mtrand"):
    sys.modules[name] = types.ModuleType(name)

reseed.reseed()
print("true")
"""
    assert run(BOX, script) is True
