"""From a name to a version that can run here, over real records, trees and preparations."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from lamella.accounts.sessions import Sessions
from lamella.errors import InvalidRuntime, ResourceConflict, ResourceNotFound, ServiceError
from lamella.functions.delete import delete
from lamella.functions.ready import UNNAMED_FAULT
from lamella.functions.update import update_configuration
from lamella.invoke.caches import LayerCaches
from lamella.invoke.callback import Callback
from lamella.invoke.furnish import Furnisher
from lamella.invoke.java_archives import JavaArchives
from lamella.invoke.java_client import JavaClient
from lamella.invoke.node_caches import NodeCaches
from lamella.invoke.resolve import Resolver
from lamella.invoke.ways import Ways
from lamella.layers.bytecode import BytecodeTrees
from lamella.layers.mount import Stacks
from lamella.layers.sets import SetFolders
from lamella.runtimes.catalog import Catalog
from tests.unit.functions.works import Works, works
from tests.unit.layers.shelf import ACCOUNT, REGION

FN = (ACCOUNT, REGION, "fn")
BINARY = {"Runtime": "provided.al2023"}


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Works]:
    with works(tmp_path) as made:
        yield made


@pytest.fixture
def resolver(at: Works, tmp_path: Path) -> Resolver:
    def run(
        argv: Sequence[str],
        readable: Sequence[Path],
        writable: Path,
        shown: Mapping[str, Path] | None = None,
        stacked: Mapping[str, Sequence[Path]] | None = None,
    ) -> None:
        raise AssertionError("nothing is compiled for a custom runtime")

    trees = at.shelf.trees
    bytecode = BytecodeTrees(tmp_path / "bytecode", run)
    catalog, stacks = Catalog.discover({"PATH": ""}, tmp_path), Stacks(trees, tmp_path / "stacks")
    client = JavaClient(bytecode, run)
    sets = SetFolders(tmp_path / "sets")
    furnisher = Furnisher(
        catalog,
        trees,
        stacks,
        bytecode,
        Callback(Sessions(b"k" * 32, time.time)),
        LayerCaches(
            JavaArchives(sets, client, catalog, stacks, at.shelf.collecting),
            NodeCaches(sets, trees, at.shelf.collecting, run),
        ),
        Ways(),
    )
    return Resolver(at.shelf.records, at.shelf.collecting, at.shop.readying, furnisher)


def test_what_this_node_has_not_unpacked_is_unpacked(at: Works, resolver: Resolver) -> None:
    at.create(**BINARY)
    digest = at.ready().code.digest
    at.shelf.trees.remove(digest)
    assert resolver(*FN, None) == at.row()
    assert at.shelf.trees.has(digest)


def test_an_update_under_way_is_waited_for(at: Works, resolver: Resolver) -> None:
    at.create(**BINARY)
    update_configuration(at.shop, *FN, {"Timeout": 9})
    found = resolver(*FN, "$LATEST")
    assert (found.timeout, found) == (9, at.row())


def test_a_version_that_failed_is_refused_in_aws_words(at: Works, resolver: Resolver) -> None:
    at.preparation.fault = OSError(28, "No space left on device")
    at.create(**BINARY)
    with pytest.raises(ResourceConflict) as refused:
        resolver(*FN, None)
    assert refused.value.message == (
        "The operation cannot be performed at this time. The function is currently in the "
        "following state: Failed"
    )


def test_an_interpreter_that_is_missing_is_named(at: Works, resolver: Resolver) -> None:
    at.create(Runtime="dotnet8")
    with pytest.raises(InvalidRuntime, match="dotnet8"):
        resolver(*FN, None)


def test_bytes_that_cannot_be_had_are_an_error_of_the_service(
    at: Works, resolver: Resolver
) -> None:
    at.create(**BINARY)
    digest = at.ready().code.digest
    at.shelf.trees.remove(digest)
    at.shelf.blobs.remove(digest)
    with pytest.raises(ServiceError) as refused:
        resolver(*FN, None)
    assert refused.value.message == UNNAMED_FAULT


def test_what_is_gone_is_not_found(at: Works, resolver: Resolver) -> None:
    at.create(**BINARY, Publish=True)
    delete(at.shop, *FN, "1")
    with pytest.raises(ResourceNotFound, match="Function not found"):
        resolver(*FN, "1")
    with pytest.raises(ResourceNotFound, match="Cannot find alias arn"):
        resolver(*FN, "live")
