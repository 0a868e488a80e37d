"""The table of behaviours is true: its cells are tried, and the page says what they showed."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from lamella.runtimes.catalog import Catalog
from tests.behaviours import table
from tests.behaviours.bench import Bench
from tests.behaviours.columns import columns, newest
from tests.behaviours.language import Column
from tests.behaviours.rows import ROWS
from tests.e2e.server import Cloud, serving
from tests.e2e.zygotes import Side

ORDER = columns(Catalog.discover(os.environ))
BUILT = ("provided.al2023 (C)", "provided.al2023 (Rust)")
"""Custom runtimes that a compiler makes first; the one in shell says the same of the API sooner."""
NEWEST = [each for each in newest(ORDER) if each.name not in BUILT]
SOON = [
    pytest.param(each, marks=pytest.mark.slow) if each.runtime.startswith("java") else each
    for each in NEWEST
]
"""Java takes half a minute: it begins a virtual machine for each of its environments."""
OTHERS = [each for each in ORDER if each.interpreter is not None and each not in NEWEST]
MEND = "run `make behaviours` and look at what it changes in docs/behaviours.md"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with serving(tmp_path_factory.mktemp("behaviours") / "data") as server:
        yield Cloud(server.endpoint)


def tried(
    column: Column,
    cloud: Cloud,
    build: Path,
    only: Collection[str] = (),
    bench: Bench | None = None,
) -> None:
    """Every rule, or ``only`` some, is kept but for those that the page says are not."""
    found = table.outcomes(bench or Bench(cloud, column, build), only)
    recorded = table.load()
    known = {
        key
        for each in ORDER
        if each.language is column.language and each.name in recorded
        if each.name == column.name or column.name not in recorded
        for key, kept in recorded[each.name].cells.items()
        if not kept
    }
    wrong = {key: each for key, each in found.items() if each is not None and key not in known}
    assert not wrong, "\n".join(f"{column.name}: {key}\n{each}" for key, each in wrong.items())


@pytest.mark.timeout(300)
@pytest.mark.parametrize("column", SOON, ids=lambda each: each.name)
def test_the_newest_version_of_a_language(column: Column, cloud: Cloud, tmp_path: Path) -> None:
    every = {each.key for each in table.rows(column.language)}
    tried(column, cloud, tmp_path, every if column is NEWEST[0] else every - {table.LONG})


PYTHON = [each for each in NEWEST if each.interpreter and each.runtime.startswith("python")]
FORKED = "def handler(event, context): return '--zygote' in open('/proc/self/cmdline').read()\n"


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("column", PYTHON, ids=lambda each: each.name)
def test_python_begun_plainly(column: Column, tmp_path: Path) -> None:
    with serving(tmp_path / "data", environ={"LAMELLA_PRELOAD": "off"}) as server:
        tried(column, Cloud(server.endpoint), tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("column", PYTHON, ids=lambda each: each.name)
def test_python_begun_as_forks(column: Column, tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--preload", "on") as server:
        side = Side(server)
        bench = Bench(side.cloud, column, tmp_path)
        # The sets of layers that the functions of the column have: none, and its own.
        for layers in ([], [bench.layer]):
            side.until_forked(layers, FORKED, runtime=column.runtime)
        every = {each.key for each in table.rows(column.language)}
        tried(column, side.cloud, tmp_path, every - {table.LONG}, bench)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("column", NEWEST[1:], ids=lambda each: each.name)
def test_what_takes_ten_seconds(column: Column, cloud: Cloud, tmp_path: Path) -> None:
    tried(column, cloud, tmp_path, {table.LONG})


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("column", OTHERS, ids=lambda each: each.name)
def test_every_other_version(column: Column, cloud: Cloud, tmp_path: Path) -> None:
    tried(column, cloud, tmp_path)


def test_the_page_shows_what_was_recorded() -> None:
    assert table.PAGE.read_text() == table.page(table.load(), ORDER), MEND


def test_every_cell_was_tried_or_is_absent() -> None:
    recorded = table.load()
    for each in ORDER:
        if each.name in recorded:
            wanted = {row.key for row in table.rows(each.language)}
            assert set(recorded[each.name].cells) == wanted, f"{each.name}: {MEND}"
        assert set(each.language.absent) <= {row.key for row in ROWS}
