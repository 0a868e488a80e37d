"""Records of a folder of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamella.records.sql import SqlRecords
from lamella.records.sqlite import open_records


@pytest.fixture
def records(tmp_path: Path) -> Iterator[SqlRecords]:
    records = open_records(tmp_path / "records.sqlite")
    yield records
    records.close()
