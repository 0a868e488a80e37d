"""Archives of the classes of Java layers, which a JVM maps in place of reading and checking them.

Each is for one Java and one layer set of one account, and is made in the background: the first
environments of a set tell which classes they took from the layers' jars, and a JVM in a box of its
own loads these, runs none of them, and writes the archive at its end. It holds the client's
classes too, so that it takes the place of the client's own (`lamella.invoke.java_client`).

A function has a say in the names alone. A JVM takes a class from an archive only if the bytes that
it was told to define are those that were archived.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from lamella.errors import LamellaError
from lamella.invoke.furnish import Furnished
from lamella.invoke.java_client import JavaClient, key
from lamella.layers.collect import Collecting
from lamella.layers.mount import Stacks
from lamella.layers.sets import SetFolders
from lamella.model.function import Function
from lamella.runtimes.catalog import Catalog
from lamella.runtimes.interpreter import Interpreter
from lamella.runtimes.java.command import ARCHIVE, ARCHIVES_SINCE, LEARN, PROGRAM, RUNTIME
from lamella.runtimes.java.find import major_of
from lamella.runtimes.start import WRAPPER

ASKED: Final = 3
"""So many environments of a set are asked while there is no archive for it."""
NAMES: Final = 5_000
"""Classes of one archive, at most: each costs every start a little, whether it is used or not."""
TEXT_BYTES: Final = 1_048_576
OPT: Final = "/opt"
_JARS: Final = Path("java/lib")
_NAME = re.compile(r"[^\x00-\x20/;\[\x7f]{1,250}")

log = logging.getLogger(__name__)


class JavaArchives:
    """The archives of one node. `overlay` is called in threads, the rest on the event loop."""

    def __init__(
        self,
        sets: SetFolders,
        client: JavaClient,
        catalog: Catalog,
        stacks: Stacks,
        collecting: Collecting,
    ) -> None:
        self._sets = sets
        self._client = client
        self._catalog = catalog
        self._stacks = stacks
        self._collecting = collecting
        self._asked: Counter[str] = Counter()
        self._working: dict[str, asyncio.Task[None]] = {}
        self._turn = asyncio.Lock()
        self._is_closed = False

    def overlay(self, function: Function, interpreter: Interpreter) -> tuple[Path, ...]:
        """The directories of ``/var/runtime``, topmost first. Raises HostError as the client."""
        client = self._client.folder(interpreter)
        made = self._sets.find(set_key(function, interpreter)) if function.layers else None
        return (client,) if made is None else (made, client)

    def ask(self, function: Function, furnished: Furnished) -> Furnished:
        """``furnished`` so that the runtime tells which classes it takes from the layers, if
        there is an archive to be made."""
        if not (function.runtime or "").startswith("java") or self._is_closed:
            return furnished
        argv = furnished.plan.argv
        if not is_wanted(function, argv):
            return furnished
        interpreter = self._catalog.find(function.runtime or "")
        which = set_key(function, interpreter)
        if major_of(interpreter.version) < ARCHIVES_SINCE or self._asked[which] >= ASKED:
            return furnished
        if self._sets.find(which) is not None or not self._has_jars(function):
            self._asked[which] = ASKED
            return furnished
        self._asked[which] += 1
        at = argv.index(PROGRAM)
        plan = replace(furnished.plan, argv=(*argv[:at], LEARN, *argv[at:]))
        return replace(furnished, plan=plan, on_imports=partial(self.learn, function))

    def learn(self, function: Function, told: bytes) -> None:
        """Make the archive for ``function``'s set, in the background, of what it ``told``."""
        interpreter = self._catalog.find(function.runtime or "")
        which = set_key(function, interpreter)
        if self._is_closed or which in self._working:
            return
        self._asked[which] = ASKED
        work = asyncio.get_running_loop().create_task(self._make(which, function, told))
        self._working[which] = work
        work.add_done_callback(lambda _: self._working.pop(which, None))

    async def close(self) -> None:
        """Make nothing more; what is being made is given up by the runner of boxes."""
        self._is_closed = True
        if self._working:
            await asyncio.wait(tuple(self._working.values()))

    def _has_jars(self, function: Function) -> bool:
        folders = self._stacks.lowerdirs([layer.digest for layer in function.layers])
        return any((folder / _JARS).is_dir() for folder in folders)

    async def _make(self, which: str, function: Function, told: bytes) -> None:
        digests = [layer.digest for layer in function.layers]
        async with self._turn:
            if self._is_closed:
                return
            self._collecting.hold(digests)
            try:
                await asyncio.to_thread(self._fill, which, function, told)
            except (LamellaError, OSError, KeyError):
                if not self._is_closed:
                    log.exception("no archive of the classes of %s's layers", function.arn)
            finally:
                await asyncio.to_thread(self._collecting.release, digests)

    def _fill(self, which: str, function: Function, told: bytes) -> None:
        names = names_of(told)
        if not names:
            return
        digests = [layer.digest for layer in function.layers]
        layers = {OPT: self._stacks.lowerdirs(digests)}
        interpreter = self._catalog.find(function.runtime or "")

        def fill(folder: Path) -> None:
            self._client.rehearse(interpreter, folder, names, layers)

        made = self._sets.ensure(which, digests, fill)
        archive = made / ARCHIVE
        size = archive.stat().st_size if archive.exists() else 0
        log.info("archived %d classes of %s's layers: %d bytes", len(names), function.arn, size)


def set_key(function: Function, interpreter: Interpreter) -> str:
    """The archive's folder: another for another account, Java, client or list of layers."""
    digest = hashlib.sha256(f"{function.account}\n{key(interpreter)}\n".encode())
    digest.update("\n".join(layer.digest for layer in function.layers).encode())
    return f"java-{digest.hexdigest()[:32]}"


def is_wanted(function: Function, argv: Sequence[str]) -> bool:
    """Whether ``argv`` of ``function`` runs the client with the archive, and nothing before it."""
    if not function.layers or (function.environment or {}).get(WRAPPER) or PROGRAM not in argv:
        return False
    return f"-XX:SharedArchiveFile={RUNTIME}/{ARCHIVE}" in argv


def names_of(told: bytes) -> tuple[str, ...]:
    """The names of classes that a box told, a line each, compressed; what is none is left out."""
    try:
        text = zlib.decompressobj(wbits=31).decompress(told, TEXT_BYTES)
    except zlib.error:
        return ()
    lines = text.decode("utf-8", "replace").split("\n")
    return tuple(dict.fromkeys(line for line in lines if _NAME.fullmatch(line)))[:NAMES]
