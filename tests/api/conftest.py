"""One server for all tests of the API that do not need one of their own, and clients of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.api.functions import (
    active,
)
from tests.e2e.server import Cloud, Server, serving


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("api") / "data") as server:
        yield server


@pytest.fixture(scope="session")
def cloud(server: Server) -> Cloud:
    return Cloud(server.endpoint)


@pytest.fixture(scope="module")
def elsewhere(server: Server) -> Cloud:
    """A region in which nobody else creates functions."""
    cloud = Cloud(server.endpoint, region="us-west-2")
    for name in ("b", "a", "c"):
        active(cloud, name, Publish=name == "a")
    return cloud
