"""A workshop for functions, made of real parts in a folder of the test's."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from lamella.functions.create import create
from lamella.functions.delete import delete
from lamella.functions.ready import Readying, key_of
from lamella.functions.update import update_code, update_configuration
from lamella.functions.versions import publish
from lamella.functions.workshop import Workshop
from lamella.layers.packages import Fetch
from lamella.layers.trees import Trees
from lamella.model import arn
from lamella.model.function import Code, Function
from tests.unit.layers.shelf import ACCOUNT, NOW, REGION, Shelf, shelf, zipped

ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"
WORLD = (ACCOUNT, REGION)
SECONDS = 20.0
CODE = zipped({"app.py": "def handler(event, context):\n    return 1\n"})
OTHER_CODE = zipped({"app.py": "def handler(event, context):\n    return 2\n"})


def function(**fields: Any) -> Function:
    """A function as a row holds it, with the fields that a test is about."""
    return Function(
        **{
            "account": ACCOUNT,
            "region": REGION,
            "name": "f",
            "version": arn.LATEST,
            "runtime": "python3.11",
            "handler": "app.handler",
            "role": ROLE,
            "code": Code(digest="a" * 64, size=3, unzipped_size=5),
            "last_modified": NOW,
            "revision_id": "r",
            **fields,
        }
    )


def request(**members: Any) -> dict[str, Any]:
    """What CreateFunction is sent, with the members that a test is about."""
    return {
        "Runtime": "python3.11",
        "Handler": "app.handler",
        "Role": ROLE,
        "Code": {"ZipFile": CODE},
        **members,
    }


class Clock:
    """Every look at it is a second later."""

    def __init__(self) -> None:
        self._now = NOW
        self._guard = threading.Lock()

    def __call__(self) -> datetime:
        with self._guard:
            self._now += timedelta(seconds=1)
            return self._now


class Preparing:
    """Unpacks, as a server does; a test may hold it up, or say what goes wrong."""

    def __init__(self, trees: Trees) -> None:
        self._trees = trees
        self._open = threading.Event()
        self._open.set()
        self.reached = threading.Semaphore(0)
        self.fault: Exception | None = None
        self.prepared: list[str] = []

    def __call__(self, function: Function) -> None:
        self.reached.release()
        assert self._open.wait(SECONDS)
        if self.fault is not None:
            raise self.fault
        for digest in (function.code.digest, *(layer.digest for layer in function.layers)):
            self._trees.ensure(digest)
        self.prepared.append(function.qualified_arn)

    @contextmanager
    def held(self) -> Iterator[None]:
        """While inside, nothing gets ready."""
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()


@dataclass(frozen=True)
class Bench:
    """The parts, and short ways to use them on the functions of one account and region."""

    shelf: Shelf
    preparing: Preparing
    shop: Workshop
    changed: list[Function] = field(default_factory=list)

    def create(self, name: str = "f", **members: Any) -> Function:
        return create(self.shop, *WORLD, name, request(**members))

    def made(self, name: str = "f", **members: Any) -> Function:
        """Create a function and wait until it is ready; its row then."""
        self.create(name, **members)
        return self.ready(name)

    def configure(self, name: str = "f", **members: Any) -> Function:
        return update_configuration(self.shop, *WORLD, name, members)

    def update(self, code: bytes = OTHER_CODE, name: str = "f", **members: Any) -> Function:
        return update_code(self.shop, *WORLD, name, {"ZipFile": code, **members})

    def publish(self, name: str = "f", **members: Any) -> Function:
        return publish(self.shop, *WORLD, name, members)

    def delete(self, name: str = "f", qualifier: str | None = None) -> None:
        delete(self.shop, *WORLD, name, qualifier)

    def row(self, name: str = "f", version: str = arn.LATEST) -> Function:
        found = self.shop.records.function(*WORLD, name, version)
        assert found is not None
        return found

    def ready(self, name: str = "f", version: str = arn.LATEST) -> Function:
        """Wait until a version is ready, or has failed; its row then."""
        assert self.shop.readying.wait(key_of(self.row(name, version)), SECONDS)
        return self.row(name, version)

    def kept(self) -> set[str]:
        """The digests whose bytes are stored."""
        return set(self.shelf.blobs.digests())

    def references(self) -> Mapping[str, bool]:
        return {digest: self.shelf.records.is_referenced(digest) for digest in self.kept()}


@contextmanager
def bench(root: Path, fetch: Fetch | None = None) -> Iterator[Bench]:
    """A bench in ``root``; one made there later finds what an earlier one kept."""
    with shelf(root, fetch) as on:
        changed: list[Function] = []
        preparing = Preparing(on.trees)
        readying = Readying(on.records, on.collecting, preparing, changed.append)
        with closing(readying):
            shop = Workshop(
                records=on.records,
                packages=on.packages,
                attaching=on.attaching,
                collecting=on.collecting,
                readying=readying,
                changed=changed.append,
                now=Clock(),
            )
            yield Bench(on, preparing, shop, changed)
