"""A workshop for every test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.functions.works import Works, works


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Works]:
    with works(tmp_path) as made:
        yield made
