"""Layers as the directories of one overlay, mounted for real."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamella.layers.manifest import Entry, Kind
from lamella.layers.mount import Placed, Stacks, build, differs, merged
from lamella.layers.rules import parents
from lamella.layers.trees import Trees
from tests.unit.layers.zips import Item, contents, file, folder, link, write
from tests.unit.layers.zips import build as zipped

QUOTA = 262_144_000
UNSHARE = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-Urm"]
MOUNT = """
import json, subprocess, sys
from pathlib import Path
at, *lower = sys.argv[1:]
if len(lower) == 1:
    subprocess.run(["mount", "--bind", lower[0], at], check=True)
else:
    options = "lowerdir=" + ":".join(lower)
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, at], check=True)
found = {}
for path in sorted(Path(at).rglob("*")):
    name = str(path.relative_to(at))
    if path.is_symlink():
        found[name] = "-> " + str(path.readlink())
    else:
        found[name] = path.read_text() if path.is_file() else None
print(json.dumps(found))
"""


def mounted(directories: Sequence[Path], at: Path) -> dict[str, str | None]:
    """What an overlay of ``directories``, topmost first, shows."""
    at.mkdir(exist_ok=True)
    done = subprocess.run(
        [*UNSHARE, sys.executable, "-c", MOUNT, str(at), *map(str, directories)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str | None] = json.loads(done.stdout)
    return found


def can_mount() -> str | None:
    done = subprocess.run(
        [*UNSHARE, "mount", "-t", "overlay", "overlay", "-o", "lowerdir=/usr:/etc", "/mnt"],
        capture_output=True,
        text=True,
    )
    return done.stderr.strip() or "no reason given" if done.returncode else None


REFUSED = can_mount()
needs_mounts = pytest.mark.skipif(
    REFUSED is not None, reason=f"this host does not let the test mount an overlay: {REFUSED}"
)


class Node:
    """Trees and stacks of a node, filled from lists of entries."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.trees = Trees(root / "trees", None, QUOTA)  # type: ignore[arg-type]
        self.stacks = Stacks(self.trees, root / "stacks")

    def layer(self, *items: Item) -> str:
        data = zipped(items)
        digest = hashlib.sha256(data).hexdigest()
        self.trees.add(write(self.root / "layer.zip", items), digest)
        return digest

    def merged_trees(self) -> list[Path]:
        return [path for path in (self.root / "stacks").iterdir() if path.name[0] != "."]


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def say(name: str, text: str) -> Item:
    return file(name, text.encode())


def test_the_last_listed_layer_is_on_top(node: Node) -> None:
    digests = [node.layer(say("python/a.py", str(n))) for n in range(5)]
    assert node.stacks.lowerdirs(digests) == tuple(node.trees.path(d) for d in reversed(digests))
    assert node.merged_trees() == []


def test_bytecode_stands_directly_above_its_layer(node: Node, tmp_path: Path) -> None:
    one, two = node.layer(say("a", "1")), node.layer(say("a", "2"))
    bytecode = {one: tmp_path / "one.pyc", two: tmp_path / "two.pyc"}
    assert node.stacks.lowerdirs([one, two], bytecode) == (
        *(bytecode[two], node.trees.path(two)),
        *(bytecode[one], node.trees.path(one)),
    )
    assert node.stacks.lowerdirs([one, two]) == (node.trees.path(two), node.trees.path(one))


def test_no_layers_are_no_directories(node: Node) -> None:
    assert node.stacks.lowerdirs([]) == ()


def test_a_layer_that_is_nowhere_is_a_key_error(tmp_path: Path) -> None:
    class NoBlobs:
        def open(self, digest: str) -> Path:
            raise KeyError(digest)

    trees = Trees(tmp_path / "trees", NoBlobs(), QUOTA)  # type: ignore[arg-type]
    with pytest.raises(KeyError):
        Stacks(trees, tmp_path / "stacks").lowerdirs(["0" * 64])


@needs_mounts
def test_the_same_content_twice_can_be_mounted(node: Node, tmp_path: Path) -> None:
    one, two = node.layer(say("a", "1")), node.layer(say("a", "2"), say("b", "2"))
    directories = node.stacks.lowerdirs([one, two, one])
    assert mounted(directories, tmp_path / "opt") == {"a": "1", "b": "2"}


# What the last of the layers should leave, and whether that takes a merged tree.
SHOWN: dict[str, tuple[list[list[Item]], dict[str, str | None], bool]] = {
    "a file over a file": ([[say("a", "1"), say("b", "1")], [say("a", "2")]], {"a": "2", "b": "1"}, False),
    "folders together": (
        [[say("d/a", "1"), say("d/b", "1")], [say("d/b", "2"), say("d/c", "2")]],
        {"d": None, "d/a": "1", "d/b": "2", "d/c": "2"},
        False,
    ),
    "a file over a folder": ([[say("d/a", "1")], [say("d", "2")]], {"d": "2"}, False),
    "a folder over a file": ([[say("d", "1")], [say("d/a", "2")]], {"d": None, "d/a": "2"}, False),
    "a folder over a file over a folder": (
        [[say("d/a", "1")], [say("d", "2")], [say("d/b", "3")]],
        {"d": None, "d/b": "3"},
        False,
    ),
    "a link over a file": ([[say("a", "1")], [link("a", "b")]], {"a": "-> b"}, False),
    "a file over a link": (
        [[say("b", "1"), link("a", "b")], [say("a", "2")]],
        {"a": "2", "b": "1"},
        False,
    ),
    "a link over a folder": (
        [[say("d/a", "1"), say("e/a", "1")], [link("d", "e")]],
        {"d": "-> e", "e": None, "e/a": "1"},
        False,
    ),
    "a folder over a link to a folder": (
        [[say("real/a", "1"), link("d", "real")], [say("d/b", "2")]],
        {"d": "-> real", "real": None, "real/a": "1", "real/b": "2"},
        True,
    ),
    "only the folder over a link to a folder": (
        [[say("real/a", "1"), link("d", "real")], [folder("d/")]],
        {"d": "-> real", "real": None, "real/a": "1"},
        True,
    ),
    "a folder over a link to nothing": (
        [[link("d", "gone")], [say("d/b", "2")]],
        {"d": None, "d/b": "2"},
        True,
    ),
    "a folder over a link to a file": (
        [[say("a", "1"), link("d", "a")], [say("d/b", "2")]],
        {"a": "1", "d": None, "d/b": "2"},
        True,
    ),
    "through links of several layers": (
        [[say("x/y/a", "1"), link("l", "x")], [link("m", "l/y")], [say("m/b", "3"), say("l/c", "3")]],
        {"l": "-> x", "m": "-> l/y", "x": None, "x/c": "3", "x/y": None, "x/y/a": "1", "x/y/b": "3"},
        True,
    ),
    "a link to the root": (
        [[link("d", ".")], [say("d/a", "2")]],
        {"a": "2", "d": "-> ."},
        True,
    ),
    "over a link, and the link's target goes": (
        [[say("q/a", "1"), link("p", "q")], [say("p/b", "2"), say("q", "2")]],
        {"p": "-> q", "q": "2"},
        True,
    ),
    "a link that a later layer leads elsewhere": (
        [[say("x/a", "1"), say("y/a", "1"), link("l", "x")], [link("l", "y")], [say("l/b", "3")]],
        {"l": "-> y", "x": None, "x/a": "1", "y": None, "y/a": "1", "y/b": "3"},
        True,
    ),
}  # fmt: skip


@needs_mounts
@pytest.mark.parametrize("case", SHOWN)
def test_shows_what_extracting_shows(node: Node, tmp_path: Path, case: str) -> None:
    layers, expected, needs_merging = SHOWN[case]
    digests = [node.layer(*items) for items in layers]
    assert mounted(node.stacks.lowerdirs(digests), tmp_path / "opt") == expected
    assert bool(node.merged_trees()) == needs_merging
    plan = merged([node.trees.manifest(digest).entries for digest in digests])
    assert plan.keys() == expected.keys()


def linked_layers(node: Node) -> list[str]:
    return [
        node.layer(say("python/real/a.py", "1"), link("python/pkg", "real")),
        node.layer(say("python/pkg/b.py", "2")),
    ]


def test_a_merged_tree_is_made_once_and_shares_its_files(node: Node) -> None:
    digests = linked_layers(node)
    (tree,) = node.stacks.lowerdirs(digests)
    assert node.stacks.lowerdirs(digests) == Stacks(node.trees, node.root / "stacks").lowerdirs(
        digests
    )
    assert len(node.merged_trees()) == 1
    assert (tree / "python/real/b.py").samefile(node.trees.path(digests[1]) / "python/pkg/b.py")
    assert tree.stat().st_mode & 0o777 == 0o755


def test_a_merged_tree_has_the_bytecode_where_its_sources_went(node: Node, tmp_path: Path) -> None:
    digests = linked_layers(node)
    above = tmp_path / "pyc"
    (above / "python/pkg/__pycache__").mkdir(parents=True)
    (above / "python/pkg/__pycache__/b.cpython-311.pyc").write_bytes(b"2")
    (tree,) = node.stacks.lowerdirs(digests, {digests[1]: above})
    assert contents(tree)["python/real/__pycache__/b.cpython-311.pyc"] == b"2"
    assert (tree,) != node.stacks.lowerdirs(digests)


def test_removing_a_layer_removes_what_was_merged_of_it(node: Node) -> None:
    digests = linked_layers(node)
    (tree,) = node.stacks.lowerdirs(digests)
    node.stacks.remove("0" * 64)
    assert tree.is_dir()
    node.stacks.remove(digests[0])
    assert node.merged_trees() == []
    assert node.stacks.lowerdirs(digests) == (tree,)
    assert (tree / "python/real/a.py").is_file()


def test_sweeping_drops_merged_trees_of_another_boot(node: Node) -> None:
    digests = linked_layers(node)
    Stacks(node.trees, node.root / "stacks", boot_id="one").sweep()
    node.stacks.lowerdirs(digests)
    assert Stacks(node.trees, node.root / "stacks", boot_id="two").sweep() == 1
    assert node.merged_trees() == []


PATHS = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join)
TARGETS = st.lists(st.sampled_from(["a", "b", "c", ".."]), min_size=1, max_size=3).map("/".join)


@st.composite
def layers(draw: st.DrawFn) -> list[Entry]:
    """Entries such as the archive reader lets through, but for where links lead."""
    entries: dict[str, Entry] = {}
    for path in draw(st.lists(PATHS, max_size=5)):
        above = [entries.get(parent) for parent in parents(path)]
        if path in entries or any(e is not None and e.kind is not Kind.DIR for e in above):
            continue
        for parent in parents(path):
            entries.setdefault(parent, Entry(parent, Kind.DIR, 0o755))
        kind = draw(st.sampled_from(list(Kind)))
        target = draw(TARGETS) if kind is Kind.SYMLINK else ""
        entries[path] = Entry(path, kind, 0o755, target=target)
    return sorted(entries.values(), key=lambda entry: entry.path)


def overlaid(stack: Sequence[Sequence[Entry]]) -> dict[str, Placed]:
    """What overlayfs shows of layers, the last on top."""
    shown: dict[str, Placed] = {}
    for index, entries in enumerate(stack):
        for entry in entries:
            before = shown.get(entry.path)
            if entry.kind is not Kind.DIR or (before and before.entry.kind is not Kind.DIR):
                for path in [path for path in shown if path.startswith(f"{entry.path}/")]:
                    del shown[path]
            if not (before and before.entry.kind is entry.kind is Kind.DIR):
                shown[entry.path] = Placed(index, entry)
    return shown


@settings(max_examples=300, deadline=None)
@given(st.lists(layers(), max_size=4))
def test_an_overlay_that_is_not_merged_shows_what_extracting_would(
    stack: list[list[Entry]],
) -> None:
    plan = merged(stack)
    assert all(plan[parent].entry.kind is Kind.DIR for path in plan for parent in parents(path))
    if not differs(stack):
        assert plan == overlaid(stack)


@settings(max_examples=60, deadline=None)
@given(st.lists(layers(), max_size=4))
def test_every_merged_tree_can_be_built(
    tmp_path_factory: pytest.TempPathFactory, stack: list[list[Entry]]
) -> None:
    root = tmp_path_factory.mktemp("merge")
    sources = [root / str(index) for index in range(len(stack))]
    for entries, source in zip(stack, sources, strict=True):
        build(
            {entry.path: Placed(0, entry) for entry in entries if entry.kind is not Kind.FILE},
            [],
            source,
        )
        for entry in entries:
            if entry.kind is Kind.FILE:
                (source / entry.path).write_text(str(source))
    plan = merged(stack)
    build(plan, sources, root / "merged")
    assert contents(root / "merged").keys() == plan.keys()
