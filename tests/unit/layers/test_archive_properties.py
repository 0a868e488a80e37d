"""Whatever the archive reader accepts stays inside its root: generated archives."""

from __future__ import annotations

import io
import os
import warnings
import zipfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.layers.archives import (
    A,
    holds_to_the_root,
    items,
    unpacked,
)
from tests.unit.layers.zips import (
    Item,
    build,
    contents,
    file,
    folder,
    link,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(items(), max_size=6))
def test_whatever_is_accepted_stays_inside_the_root(entries: list[Item]) -> None:
    holds_to_the_root(build(entries))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_broken_bytes_are_refused_and_nothing_else(data: st.DataObject) -> None:
    whole = bytearray(build([A, link("x", "python"), folder("bin/"), file("bin/b", b"bb")]))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    holds_to_the_root(bytes(whole))


def test_what_pythons_own_library_writes_is_read_as_it_reads_it(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as out:
        warnings.simplefilter("ignore")
        for n in range(50):
            out.writestr(f"python/pkg{n % 7}/mod{n}.py", os.urandom(n * 100))
    path = tmp_path / "layer.zip"
    path.write_bytes(buffer.getvalue())
    found = {k: v for k, v in contents(unpacked(path)).items() if v is not None}
    with zipfile.ZipFile(path) as again:
        assert found == {name: again.read(name) for name in again.namelist()}
