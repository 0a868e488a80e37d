"""A workshop of real parts, whose preparation a test can stop, fail and look at."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from lamella.functions.create import create
from lamella.functions.ready import Readying
from lamella.functions.workshop import Workshop
from lamella.model import arn
from lamella.model.function import Code, Function
from tests.unit.layers.shelf import ACCOUNT, NOW, REGION, Shelf, shelf, zipped

ROLE = "arn:aws:iam::000000000000:role/r"
SECONDS = 20.0
A_CODE = zipped({"app.py": "def handler(event, context): return 1\n"})
B_CODE = zipped({"app.py": "def handler(event, context): return 2\n"})


@dataclass
class Preparation:
    """Prepares by doing nothing: waits while ``gate`` is closed, raises ``fault`` if there is one."""

    gate: threading.Event = field(default_factory=threading.Event)
    began: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    fault: Exception | None = None
    prepared: list[Function] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gate.set()

    def __call__(self, function: Function) -> None:
        self.began.release()
        assert self.gate.wait(SECONDS)
        if self.fault is not None:
            raise self.fault
        self.prepared.append(function)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        self.gate.clear()
        try:
            yield
        finally:
            self.gate.set()


@dataclass(frozen=True)
class Works:
    """``changed`` lists the rows that the workshop told of; its clock ticks at every look."""

    shelf: Shelf
    shop: Workshop
    preparation: Preparation
    changed: list[Function]

    def create(self, name: str = "fn", **members: Any) -> Function:
        return create(self.shop, ACCOUNT, REGION, name, request(**members))

    def row(self, version: str = arn.LATEST, name: str = "fn") -> Function:
        found = self.shop.records.function(ACCOUNT, REGION, name, version)
        assert found is not None
        return found

    def ready(self, version: str = arn.LATEST, name: str = "fn") -> Function:
        """The row, after nothing is being made ready for it."""
        assert self.shop.readying.wait((ACCOUNT, REGION, name, version), SECONDS)
        return self.row(version, name)

    def blobs(self) -> set[str]:
        return set(self.shelf.blobs.digests())


def request(**members: Any) -> dict[str, Any]:
    return {
        "Runtime": "python3.11",
        "Handler": "app.handler",
        "Role": ROLE,
        "Code": {"ZipFile": A_CODE},
        **members,
    }


def a_function(**members: Any) -> Function:
    return Function(
        **{
            "account": ACCOUNT,
            "region": REGION,
            "name": "fn",
            "version": arn.LATEST,
            "runtime": "python3.11",
            "handler": "app.handler",
            "role": ROLE,
            "code": Code(digest="c" * 64, size=50, unzipped_size=60),
            "last_modified": NOW,
            "revision_id": "r-1",
            **members,
        }
    )


@contextmanager
def works(root: Path, *, wait_seconds: float = SECONDS) -> Iterator[Works]:
    preparation, changed = Preparation(), list[Function]()
    ticks = iter(range(1_000_000))
    with shelf(root) as on:
        readying = Readying(on.records, on.collecting, preparation, changed.append)
        shop = Workshop(
            records=on.records,
            packages=on.packages,
            attaching=on.attaching,
            collecting=on.collecting,
            readying=readying,
            changed=changed.append,
            now=lambda: datetime(2026, 11, 21, tzinfo=UTC) + timedelta(seconds=next(ticks)),
            wait_seconds=wait_seconds,
        )
        with closing(readying):
            yield Works(on, shop, preparation, changed)
