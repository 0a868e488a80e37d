"""A process that preloads made-up packages, as a zygote does."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lamella.runtimes.python.tree import BOX

THREADS = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
START = """
import json, logging, os, sys
layer, box, request = sys.argv[1:]
sys.path[:] = [box, *(each for each in sys.path if each != os.getcwd())]
request = json.loads(request)
import preload, reseed, trial, watch
sys.path.insert(0, layer)
sys.path.append("/tmp/of-the-function")
# The packages of the test are below /tmp themselves.
watch.FUNCTION = ("/var/task/", "/tmp/of-the-function/")
"""
PRELOAD = """
report = preload.preload(request)
"""


def run(layer: Path, script: str, request: object = None) -> Any:
    """What ``script`` prints, a JSON document; ``layer`` is the first folder it imports from."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", START + script, str(layer), str(BOX), json.dumps(request)],
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **THREADS},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def packages(folder: Path, sources: Mapping[str, str]) -> Path:
    for name, source in sources.items():
        path = folder / f"{name.replace('.', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return folder


def preload(layer: Path, names: Sequence[str], seconds: float = 10.0) -> Any:
    """The report on ``names``; ``seconds`` is how long one may take."""
    script = f"trial.MODULE_SECONDS = {seconds}\n{PRELOAD}print(json.dumps(report))"
    return run(layer, script, list(names))
