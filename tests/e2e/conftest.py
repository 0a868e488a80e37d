"""One server for all end-to-end tests that do not need one of their own, and one of AWS's others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.misbehaving import Ground
from tests.e2e.queues import Queues, queues
from tests.e2e.server import Cloud, Server, serving


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("server") / "data") as server:
        yield server


@pytest.fixture(scope="session")
def cloud(server: Server) -> Cloud:
    return Cloud(server.endpoint)


@pytest.fixture(scope="session")
def sqs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Queues]:
    """Moto, for whatever a test makes under a name of its own."""
    with queues(tmp_path_factory.mktemp("moto")) as server:
        yield server


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A server on which what misbehaves runs alone; nothing is made ahead there that would be
    counted with what it leaves."""
    with serving(tmp_path_factory.mktemp("ground") / "data", "--preload", "off") as server:
        made = Ground(server, Cloud(server.endpoint))
        made.settle()
        yield made
