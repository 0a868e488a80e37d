"""Every backend of the port of rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamella.records.base import Records
from lamella.records.sqlite import open_records
from tests.ports.rows import (
    Opener,
)


@pytest.fixture(params=["sqlite"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    """Opens the same records again, as after a restart."""
    assert request.param == "sqlite"
    return lambda: open_records(tmp_path / "records.db")


@pytest.fixture
def records(reopen: Opener) -> Iterator[Records]:
    opened = reopen()
    yield opened
    opened.close()
