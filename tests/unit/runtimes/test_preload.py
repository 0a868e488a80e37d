"""What may be imported ahead of a function, and what is left to it: in real processes."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.unit.runtimes.preloading import PRELOAD, packages, preload, run

FORKS = "does something at each fork"

FINE = {
    "dependency": "VALUE = 1",
    "fine": "import dependency",
    "brief_thread": "import threading as t; x = t.Thread(target=int); x.start(); x.join()",
    "brief_program": "import subprocess; subprocess.run(['true'], check=True)",
    "brief_file": "open(__file__).close()",
    "loopback": "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); s.close()",
    "level": "import os; LEVEL = os.environ.get('LEVEL', 'x'), 'SET' in os.environ",
    "for_a_while": "import os; os.environ['A'] = '1'; del os.environ['A']",
    "at_fork": "import os; os.register_at_fork(after_in_child=int)",
    "half": "import nowhere",
    "optional": "try:\n    import half\nexcept ImportError:\n    pass",
    "seeded": "import random; DRAWN = random.Random(1).random()",
    "generator": "import random; R = random.Random()",
    "plugins": "import importlib.metadata as m; FOUND = m.entry_points()",
    "whole.part": "VALUE = 2",
    "whole.__init__": "",
}
REFUSED = {
    "thread": (
        "import threading, time; threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
        "leaves a thread behind",
    ),
    "file": ("FILE = open('/proc/self/status')", "leaves /proc/* open"),
    "child": ("import subprocess; C = subprocess.Popen(['sleep', '61'])", "leaves a child process"),
    "connects": (
        "import socket\ntry:\n    socket.create_connection(('127.0.0.1', 9))\nexcept OSError:\n    pass",
        "tries to reach the network (socket.getaddrinfo)",
    ),
    "binds": (
        "import socket; socket.socket().bind(('0.0.0.0', 0))",
        "tries to reach the network (socket.bind)",
    ),
    "region": (
        "import os; os.getenv('AWS_REGION')",
        "reads the environment variable AWS_REGION",
    ),
    "name": (
        "import os; 'AWS_LAMBDA_FUNCTION_NAME' in os.environ",
        "reads the environment variable AWS_LAMBDA_FUNCTION_NAME",
    ),
    "threads_of_blas": (
        "import os; os.environ.get('OMP_NUM_THREADS')",
        "reads the environment variable OMP_NUM_THREADS",
    ),
    "everything": ("import os; ALL = dict(os.environ)", "reads every environment variable"),
    "setter": ("import os; os.environ['MODE'] = 'x'", "changes the environment variable MODE"),
    "hangs": ("import time; time.sleep(60)", "takes longer than 3 seconds"),
    "exits": ("import os; os._exit(3)", "ends the process"),
    "crashes": ("import os; os.kill(os.getpid(), 11)", "ends the process"),
    "raises": ("raise ValueError('so')", "ValueError: so"),
    "leaves": ("raise SystemExit", "SystemExit: "),
    "wrong": ("def", "SyntaxError: "),
    "patches": ("import os; os.fork = int", "replaces os.fork"),
    "handles": ("import signal; signal.signal(15, print)", "changes what signals do"),
    "prints": ("print('hello')", "writes to the log"),
    "logs": ("import logging; logging.basicConfig()", "sets up logging"),
    "moves": ("import os; os.chdir('/')", "changes the working directory"),
    "path": ("import sys; sys.path.append('/x')", "changes sys.path"),
    "draws": ("import os; KEY = os.urandom(8)", "draws random numbers"),
    "global_draw": ("import random; N = random.random()", "draws random numbers"),
    "own_draw": ("import random; R = random.Random(); N = R.randint(1, 9)", "draws random numbers"),
    "reseeds": ("import random; random.seed(5)", "draws random numbers"),
    "system": ("import random; N = random.SystemRandom().random()", "draws random numbers"),
    "identity": ("import uuid; ID = uuid.uuid4()", "draws random numbers"),
    "clocked": ("import uuid; ID = uuid.uuid1()", "draws random numbers"),
    "writes": ("open('/tmp/of-the-function/x', 'w')", "writes to files"),
    "configured": (
        "try:\n    open('/var/task/settings')\nexcept OSError:\n    pass",
        "reads the function's own files",
    ),
    "replaces_itself": ("import os; os.execv('/bin/true', ['true'])", "ends the process"),
    "daemon": (
        "import os, time\n"
        "if not os.fork():\n    os.setsid()\n    if not os.fork():\n        time.sleep(62)\n"
        "    os._exit(0)\nos.wait()",
        "leaves a child process",
    ),
}
IMPORTERS = {
    "of_thread": ("import dependency, thread", "imports thread, which is not preloaded"),
    "of_importer": (
        "try:\n    import of_thread\nexcept Exception:\n    pass",
        "imports ",
    ),
    "within.__init__": ("from within import bad", None),
    "within.bad": ("import os; os._exit(0)", "ends the process"),
}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Any:
    refused = {name: source for name, (source, _) in {**REFUSED, **IMPORTERS}.items()}
    sources = {**FINE, **refused}
    layer = packages(tmp_path_factory.mktemp("layer"), sources)
    names = [name.removesuffix(".__init__") for name in sources]
    # Those that import others come before and after what they import.
    return preload(layer, [*(name.removesuffix(".__init__") for name in IMPORTERS), *names], 3.0)


def test_what_leaves_nothing_behind_is_imported(report: Any) -> None:
    fine = [name.removesuffix(".__init__") for name in FINE if name != "half"]
    assert set(report["imported"]) == set(fine)
    assert report["fault"] is None


@pytest.mark.parametrize("name", REFUSED)
def test_what_leaves_or_does_something_is_refused(report: Any, name: str) -> None:
    expected = REFUSED[name][1].split("*")
    for part in expected:
        assert part in report["refused"][name]


@pytest.mark.parametrize("name", [name for name, (_, reason) in IMPORTERS.items() if reason])
def test_what_imports_a_refused_module_is_refused(report: Any, name: str) -> None:
    assert report["refused"][name].startswith(str(IMPORTERS[name][1]))


def test_a_package_whose_part_is_refused_is_refused(report: Any) -> None:
    assert report["refused"]["within"] == "imports within.bad, which is not preloaded"


def test_variables_that_were_read_are_told(report: Any) -> None:
    assert {"LEVEL", "SET"} <= set(report["read"])
    assert "AWS_REGION" not in report["read"]


def test_names_that_were_looked_for_are_told_found_or_not(report: Any) -> None:
    assert {"dependency", "fine", "nowhere", "half", "whole"} <= set(report["hides"])


def test_that_installed_packages_were_looked_for_is_told(report: Any) -> None:
    assert {"*.dist-info", "*.egg-info"} <= set(report["hides"])


def test_what_is_allowed_and_odd_is_noted(report: Any) -> None:
    assert report["noted"]["at_fork"] == [FORKS]
    assert report["noted"]["brief_program"] == ["runs a program"]


def test_a_failing_import_that_is_caught_refuses_only_what_failed(report: Any) -> None:
    assert report["refused"]["half"] == "ModuleNotFoundError: No module named 'nowhere'"
    assert "optional" in report["imported"]


def test_processes_that_an_import_started_are_ended(report: Any) -> None:
    del report

    def running() -> bool:
        listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
        return "sleep 61" in listed.stdout

    until = time.monotonic() + 30
    while running() and time.monotonic() < until:
        time.sleep(0.02)
    assert not running()


@pytest.mark.parametrize("names", [["bad", "top"], ["top", "bad"], ["top"]])
def test_the_order_of_the_names_does_not_matter(tmp_path: Path, names: list[str]) -> None:
    layer = packages(tmp_path, {"top": "import below, bad", "below": "", "bad": "print(1)"})
    report = preload(layer, [*names, "below"])
    assert report["imported"] == ["below"]
    assert set(report["refused"]) == {"top", "bad"}


def test_a_module_that_is_another_in_a_trial_is_found_out(tmp_path: Path) -> None:
    source = (
        "import sys, threading, time\nif not sys.dont_write_bytecode:\n"
        "    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()"
    )
    report = preload(packages(tmp_path, {"two_faced": source}), ["two_faced"])
    assert report["fault"] == "leaves a thread behind"


def test_names_that_are_none_are_left_out(tmp_path: Path) -> None:
    layer = packages(tmp_path, {"fine": ""})
    names = ["", "a..b", "a b", "../fine", "x" * 201, "fine"]
    report = preload(layer, names)
    assert (report["imported"], report["refused"]) == (["fine"], {})


def test_layers_may_have_modules_of_the_same_names(tmp_path: Path) -> None:
    names = ["trial", "watch", "leavings", "fine", "preload", "dice", "reseed"]
    layer = packages(tmp_path, dict.fromkeys(names, "MINE = True"))
    script = """
for name in ("dice", "leavings", "preload", "reseed", "trial", "watch"):
    del sys.modules[name]  # as the bootstrap does
before = set(sys.modules)
report = preload.preload(request[:3])
report = preload.preload(request, report)
new = sorted(set(sys.modules) - before)
print(json.dumps([report["imported"], new, all(sys.modules[name].MINE for name in request)]))
"""
    imported, new, are_the_layers = run(layer, script, names)
    assert imported == names
    assert set(new) == set(names)
    assert are_the_layers


def test_generators_that_modules_made_are_seeded_anew_in_forks_unless_their_seed_is_fixed(
    tmp_path: Path,
) -> None:
    sources = {
        "free": "import random; R = random.Random()",
        "fixed": "import random; R = random.Random(1)",
    }
    assert len(set(drawn_in_forks(packages(tmp_path, sources), "free.R.random()"))) == 5
    assert len(set(drawn_in_forks(tmp_path, "fixed.R.random()"))) == 1


def test_what_draws_from_a_generator_that_was_there_before_is_refused(tmp_path: Path) -> None:
    sources = {
        "free": "import random; R = random.Random()",
        "exits": "import os; os._exit(3)",
        "draws": "import free; KEY = free.R.random()",
    }
    script = """
first = preload.preload(request[:1])
print(json.dumps([preload.preload(request[1:], first), preload.preload(request)]))
"""
    # Whether another zygote had it before, or another trial.
    for report in run(packages(tmp_path, sources), script, list(sources)):
        assert set(report["refused"]) == {"exits", "draws"}
        assert "draws random numbers" in report["refused"]["draws"]


LOOKS = {
    "open('{}/config.json')": "/config.json",
    "open('{}/data/x.json')": "/data",
    "os.path.exists('{}/plugins')": "/plugins",
    "pathlib.Path('{}/more').is_dir()": "/more",
    "os.listdir('{}')": "/",
    "glob.glob('{}/*.py')": "/",
}


@pytest.mark.parametrize("looks", LOOKS)
def test_what_a_module_looks_for_in_the_layers_is_told(tmp_path: Path, looks: str) -> None:
    source = f"import glob, os, pathlib\ntry:\n    {looks.format(tmp_path)}\nexcept OSError: pass\n"
    script = f"watch.LAYERS = {str(tmp_path)!r}\n{PRELOAD}print(json.dumps(report))"
    report = run(packages(tmp_path, {"looks": source}), script, ["looks"])
    assert report["imported"] == ["looks"]
    assert {each for each in report["hides"] if each.startswith("/")} == {LOOKS[looks]}


def drawn_in_forks(layer: Path, expression: str) -> list[Any]:
    module = expression.partition(".")[0]
    script = (
        PRELOAD
        + f"""
assert not report["refused"] and not report["fault"], report
found = []
for _ in range(5):
    ours, theirs = os.pipe()
    if os.fork() == 0:
        reseed.reseed()
        import {module}
        os.write(theirs, json.dumps({expression}).encode())
        os._exit(0)
    os.wait()
    found.append(json.loads(os.read(ours, 65536)))
print(json.dumps(found))
"""
    )
    found: list[Any] = run(layer, script, [module])
    return found


@pytest.fixture
def libraries() -> Callable[[str], Path]:
    def found(name: str) -> Path:
        folder = Path(__file__).parents[3] / ".cache/bench" / name / "compiled/python"
        if not folder.exists():
            pytest.skip("the layers of the benchmarks are not there")
        return folder

    return found


def test_boto3_is_preloaded_whole() -> None:
    layer = Path(boto3.__file__).parents[1]
    report = preload(layer, ["boto3"])
    assert (report["imported"], report["refused"], report["fault"]) == (["boto3"], {}, None)


def test_pandas_is_preloaded_whole_and_its_threads_begin_where_there_is_work(
    libraries: Callable[[str], Path],
) -> None:
    script = (
        PRELOAD
        + """
import numpy
def threads():
    return len(os.listdir("/proc/self/task"))
def total():
    return float(numpy.ones((300, 300)).dot(numpy.ones((300, 300))).sum())
counts = [threads(), preload.restore_threads(2), total(), threads()]
del os.environ["OPENBLAS_NUM_THREADS"], os.environ["OMP_NUM_THREADS"]
counts += [preload.restore_threads(2), threads()]
if os.fork() == 0:
    print(json.dumps([report["refused"], report["fault"], *counts, threads(), total(), threads()]), flush=True)
    os._exit(0)
os.wait()
"""
    )
    refused, fault, *counts = run(libraries("pandas-py311"), script, ["pandas"])
    assert (refused, fault) == ({}, None)
    # With one thread, as the variables have it; then with two, none of which is there at a fork.
    assert counts == [1, None, 27_000_000.0, 1, None, 1, 1, 27_000_000.0, 2]


def test_numpys_generators_of_modules_are_seeded_anew_in_forks(
    libraries: Callable[[str], Path], tmp_path: Path
) -> None:
    made = {
        "free": "import numpy; G = numpy.random.default_rng()",
        "fixed": "import numpy; G = numpy.random.default_rng(2**127 + 1)",
        "legacy": "import numpy; G = numpy.random.RandomState()",
        "shared": "import numpy; N = numpy.random.random()",
    }
    layer = packages(tmp_path, made)
    (layer / "numpy").symlink_to(libraries("pandas-py311") / "numpy")
    (layer / "numpy.libs").symlink_to(libraries("pandas-py311") / "numpy.libs")
    assert len(set(drawn_in_forks(layer, "free.G.random()"))) == 5
    assert len(set(drawn_in_forks(layer, "free.G.spawn(1)[0].random()"))) == 5
    assert len(set(drawn_in_forks(layer, "fixed.G.random()"))) == 1
    report = preload(layer, ["legacy", "shared"])
    assert {reason[:20] for reason in report["refused"].values()} == {"draws random numbers"}
