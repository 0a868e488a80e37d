"""The directory that becomes /var/runtime."""

from __future__ import annotations

import sys
from pathlib import Path

from lamella.runtimes.python.tree import BOX, runtime_tree, sources, tree_key


def test_the_tree_of_the_servers_own_python(tmp_path: Path) -> None:
    minor = sys.version_info.minor
    runtime_tree(minor, tmp_path / "tree")
    names = {path.name for path in (tmp_path / "tree").iterdir()}
    assert {"bootstrap.py", "runtime_client.py", "awslambdaric", "simplejson"} <= names
    assert {"boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six.py"} <= names
    assert not [
        name for name in names if name.startswith("runtime_client.") and name != "runtime_client.py"
    ]


def test_every_file_can_be_read_by_everybody(tmp_path: Path) -> None:
    runtime_tree(8, tmp_path / "tree")
    for path in (tmp_path / "tree").rglob("*"):
        if path.is_file():
            assert path.stat().st_mode & 0o004


def test_old_pythons_get_the_client_alone() -> None:
    roots = {source.place.parts[0].split("-")[0] for source in sources(8)}
    own = {path.name for path in BOX.glob("*.py")}
    assert {"bootstrap.py", "runtime_client.py"} <= own
    assert roots == {*own, "awslambdaric", "simplejson"}


def test_native_modules_go_to_their_own_interpreter_alone() -> None:
    other = 12 if sys.version_info.minor != 12 else 13
    assert not [source for source in sources(other) if source.place.suffix == ".so"]


def test_each_python_has_a_key_of_its_own() -> None:
    assert len({tree_key(minor) for minor in range(8, 15)}) == 7
    assert tree_key(11) == tree_key(11)
