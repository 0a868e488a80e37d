"""Compiles Python sources; run by the interpreter that the bytecode is for, on its own.

This file is handed to Python 3.8 and everything newer as text, so it imports nothing of
Lamella. It owns turning sources into ``unchecked-hash`` bytecode (PEP 552), numbered as
``sources.json`` lists them. Where the bytecode goes, and what becomes of sources that are left
out, is decided in `lamella.layers.bytecode`, which trusts nothing that this process writes.

argv: the tree of sources, the writable folder, the path of the tree in a box, worker processes.
"""

from __future__ import annotations

import importlib.util
import json
import marshal
import os
import signal
import sys
from pathlib import Path

UNCHECKED = 1
SECONDS_A_SOURCE = 60


class Job:
    """What every worker knows."""

    def __init__(self, tree: str, work: str, prefix: str) -> None:
        self.tree = Path(tree)
        self.work = Path(work)
        self.prefix = prefix
        self.names: list[str] = json.loads((self.work / "sources.json").read_text("utf-8"))

    def run(self, workers: int) -> None:
        """Compile everything, in ``workers`` processes, and replace those that die."""
        running: dict[int, list[int]] = {}
        for first in range(min(workers, len(self.names))):
            mine = list(range(first, len(self.names), workers))
            running[self.start(mine)] = mine
        while running:
            pid, status = os.wait()
            left = [index for index in running.pop(pid, []) if not self.done(index)]
            if status == 0 or not left:
                continue
            # A source that kills its compiler must not take the others with it.
            self.write(left[0], b"")
            if left[1:]:
                running[self.start(left[1:])] = left[1:]

    def start(self, mine: list[int]) -> int:
        pid = os.fork()
        if pid:
            return pid
        status = 1
        try:
            for index in mine:
                signal.alarm(SECONDS_A_SOURCE)
                name = self.names[index]
                self.write(index, compiled(self.tree / name, f"{self.prefix}/{name}"))
            status = 0
        finally:
            os._exit(status)

    def done(self, index: int) -> bool:
        return (self.work / str(index)).exists()

    def write(self, index: int, data: bytes) -> None:
        """Whole or not at all, so that what is missing tells where a worker died."""
        part = self.work / f"{index}.part"
        part.write_bytes(data)
        part.rename(self.work / str(index))


def compiled(path: Path, shown: str) -> bytes:
    """The bytes of a ``.pyc``, or none where there can be none."""
    try:
        source = path.read_bytes()
        code = compile(source, shown, "exec", dont_inherit=True)
        header = importlib.util.MAGIC_NUMBER + UNCHECKED.to_bytes(4, "little")
        return header + importlib.util.source_hash(source) + marshal.dumps(code)
    except Exception:  # noqa: BLE001
        return b""


def main(argv: list[str]) -> None:
    tree, work, prefix, workers = argv
    job = Job(tree, work, prefix)
    (job.work / "tag").write_text(sys.implementation.cache_tag or "")
    job.run(int(workers))


if __name__ == "__main__":
    main(sys.argv[1:])
