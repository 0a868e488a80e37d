"""Compile caches of Node.js layers: V8's code for their modules, made once for each Node.js.

Each is made in the background when a layer is first used, in a box, by compiling the layer's
CommonJS modules without running any, and is stacked above the layer from then on. V8 takes what is
in it only for a module of the same bytes, under the same flags. ES modules are left as they are.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from lamella.errors import LamellaError
from lamella.invoke.java_client import Runner, keep, workshop
from lamella.layers.collect import Collecting
from lamella.layers.sets import SetFolders
from lamella.layers.trees import Trees
from lamella.model.function import Function
from lamella.runtimes.interpreter import Interpreter
from lamella.runtimes.nodejs import CACHE, CACHES_SINCE, COMPILE

OPT: Final = "/opt"
MODULES: Final = "nodejs"
SCRIPT: Final = "/var/runtime/compile.cjs"
MOST_BYTES: Final = 268_435_456
_NAME = re.compile(r"[\w.-]{1,100}", re.ASCII)

log = logging.getLogger(__name__)


class NodeCaches:
    """The caches of one node. Called in threads."""

    def __init__(self, sets: SetFolders, trees: Trees, collecting: Collecting, run: Runner) -> None:
        self._sets = sets
        self._trees = trees
        self._collecting = collecting
        self._run = run
        self._guard = threading.Lock()
        self._begun: set[str] = set()
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="caching")

    def above(self, function: Function, interpreter: Interpreter) -> Mapping[str, Path]:
        """What is to be stacked above each layer, by digest; what is not there yet is begun."""
        if not knows_caches(interpreter):
            return {}
        found: dict[str, Path] = {}
        for layer in function.layers:
            key = key_of(layer.digest, interpreter)
            made = self._sets.find(key)
            if made is not None:
                found[layer.digest] = made
            elif (self._trees.ensure(layer.digest) / MODULES).is_dir():
                self._begin(key, layer.digest, interpreter)
        return found

    def close(self) -> None:
        """Make nothing more, and wait for what is being made: the runner gives it up."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _begin(self, key: str, digest: str, interpreter: Interpreter) -> None:
        with self._guard:
            if key in self._begun:
                return
            self._begun.add(key)
        self._threads.submit(self._make, key, digest, interpreter)

    def _make(self, key: str, digest: str, interpreter: Interpreter) -> None:
        try:
            with self._collecting.using([digest]):
                tree = self._trees.ensure(digest)
                self._sets.ensure(key, [digest], lambda into: self._fill(tree, into, interpreter))
        except (LamellaError, OSError, KeyError) as error:
            # Not tried again: nothing says that it would go better.
            log.warning("a layer's modules have not been compiled ahead: %s", error)
            return
        with self._guard:
            self._begun.discard(key)

    def _fill(self, tree: Path, into: Path, interpreter: Interpreter) -> None:
        with workshop(into) as work:
            cache = work / "cache"
            argv = (str(interpreter.path), SCRIPT, str(cache), f"{OPT}/{MODULES}")
            self._run(argv, (), work, {OPT: tree, SCRIPT: COMPILE})
            left = MOST_BYTES
            for path in sorted(cache.glob("*/*")):
                left -= path.lstat().st_size
                if left < 0:
                    break
                if not path.parent.is_symlink() and _NAME.fullmatch(path.name):
                    keep(path, into / CACHE / path.parent.name / path.name)


def knows_caches(interpreter: Interpreter) -> bool:
    numbers = tuple(int(number) for number in re.findall(r"\d+", interpreter.version)[:2])
    return numbers >= CACHES_SINCE


def key_of(digest: str, interpreter: Interpreter) -> str:
    return f"{digest}-node-{interpreter.version}"
