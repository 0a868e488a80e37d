"""Whose a file below /opt is, over manifests alone."""

from __future__ import annotations

import pytest

from lamella.layers.manifest import Entry, Kind, Manifest
from lamella.layers.owner import SETS, Owner, Owners, Stack

Layer = list[Entry]


def file(path: str) -> Entry:
    return Entry(path, Kind.FILE, 0o644)


def folder(path: str) -> Entry:
    return Entry(path, Kind.DIR, 0o755)


def link(path: str, target: str) -> Entry:
    return Entry(path, Kind.SYMLINK, 0o777, target=target)


X = "python/x.py"
ONE = [folder("python"), file(X)]


@pytest.mark.parametrize(
    ("layers", "path", "owner"),
    [
        ([ONE], X, Owner(X, 0)),
        ([ONE, ONE, ONE], X, Owner(X, 2, (1, 0))),
        ([ONE, [folder("python"), file("python/y.py")], ONE], X, Owner(X, 2, (0,))),
        ([ONE, [folder("python"), file("python/y.py")]], X, Owner(X, 0)),
        ([ONE], "python/../python//./x.py", Owner(X, 0)),
        ([ONE], "python/y.py", None),
        ([ONE], "python", None),
        ([ONE], "../etc/passwd", None),
        # A link to a file, one to a folder, and one that a later layer's link replaced.
        ([[*ONE, link("python/z.py", "x.py")]], "python/z.py", Owner(X, 0)),
        ([[*ONE], [link("lib", "/opt/python")]], "lib/x.py", Owner(X, 0)),
        ([[link("x", "a"), file("a")], [link("x", "b"), file("b")]], "x", Owner("b", 1)),
        # A later layer's folder on an earlier one's link: extraction writes through it.
        (
            [
                [folder("real"), link("lib", "real"), file("real/x.py")],
                [folder("lib"), file("lib/x.py")],
            ],
            "real/x.py",
            Owner("real/x.py", 1, (0,)),
        ),
        # A file over a folder, and a folder over a file.
        ([[folder("x"), file("x/y")], [file("x")]], "x", Owner("x", 1, (0,))),
        ([[folder("x"), file("x/y")], [file("x")]], "x/y", None),
        ([[file("x")], [folder("x"), file("x/y")]], "x/y", Owner("x/y", 1, (0,))),
        # What looks like a whiteout is a file like any other.
        ([ONE, [folder("python"), file("python/.wh.x.py")]], X, Owner(X, 0)),
        ([[link("a", "b"), link("b", "a")]], "a", None),
        ([], X, None),
    ],
)
def test_the_top_layer_with_the_file_owns_it(
    layers: list[Layer], path: str, owner: Owner | None
) -> None:
    assert Stack(layers).owner(f"/opt/{path}") == owner


def test_only_paths_of_opt_have_owners() -> None:
    stack = Stack([ONE])
    assert stack.owner(f"/var/task/{X}") is None
    assert stack.owner(X) is None
    assert stack.owner("/opt/" + "x/" * 5_000) is None


def test_a_layer_set_is_read_once_and_the_oldest_is_forgotten() -> None:
    read: list[str] = []

    def manifest(digest: str) -> Manifest:
        read.append(digest)
        if digest == "gone":
            raise KeyError(digest)
        return Manifest(tuple(ONE), 0)

    owners = Owners(manifest)
    for _ in range(2):
        assert owners.owner(("a", "b"), f"/opt/{X}") == Owner(X, 1, (0,))
    assert read == ["a", "b"]
    assert owners.owner(("gone",), f"/opt/{X}") is None
    for each in range(SETS):
        owners.owner((str(each),), f"/opt/{X}")
    owners.owner(("a", "b"), f"/opt/{X}")
    assert read.count("a") == 2


def test_links_that_lead_through_one_another_are_followed_in_bounded_work() -> None:
    detour = "a/../" * 100
    chain = [link(f"l{number}", f"{detour}l{number + 1}") for number in range(30)]
    assert Stack([[*chain, file("l30")]]).owner("/opt/l0") is None
    assert Stack([[*chain[-2:], file("l30")]]).owner("/opt/l28") == Owner("l30", 0)
