"""Zygotes that are forks of others with fewer layers: what is shared, and when nothing is."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lamella.runtimes.catalog import Catalog
from tests.commands import command
from tests.e2e.server import serving, zipped
from tests.e2e.zygotes import IS_FORK, SECONDS, Side

CODE = (
    "import base\n"
    + IS_FORK
    + """
def handler(event, context):
    return is_fork() and base.MOMENT
"""
)


@pytest.fixture(scope="module")
def side(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
    with serving(tmp_path_factory.mktemp("tree") / "data", "--preload", "on") as server:
        yield Side(server)


def once(side: Side) -> str:
    """A new layer whose module has another value each time that it is imported."""
    unlike = time.monotonic_ns()
    return side.layer(base=f"import colorsys, time\nMOMENT = time.monotonic_ns()  # {unlike}\n")


def tree(side: Side, account: str = "test") -> dict[tuple[str, ...], Any]:
    """Every zygote of an account that stands, by the ARNs of its layers."""
    environ = {
        "PATH": "/usr/bin:/bin",
        "HOME": "/nonexistent",
        "AWS_ACCESS_KEY_ID": account,
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    done = command("pool", "--endpoint", side.server.endpoint, "--json", environ=environ)
    assert done.returncode == 0, done.stderr
    return {tuple(each["layers"]): each for each in json.loads(done.stdout)["zygotes"]}


def stem_of(side: Side, *layers: str) -> tuple[str, ...] | None:
    """The layers of the zygote that the one of ``layers`` is a fork of."""
    found = tree(side)
    above = found[layers]["forkOf"]
    return next((each for each, one in found.items() if one["set"] == above), None)


def forked(side: Side, *layers: str) -> list[Any]:
    """The zygotes that are forks of the one of ``layers``."""
    found = tree(side)
    return [each for each in found.values() if each["forkOf"] == found[layers]["set"]]


def test_what_two_sets_begin_with_is_imported_once(side: Side) -> None:
    base = once(side)
    one, two, three = (side.layer(**{name: "X = 1"}) for name in ("one", "two", "three"))
    first = side.until_forked([base, one], "import one\n" + CODE)
    second = side.until_forked([base, two], "import two\n" + CODE)
    third = side.until_forked([base, three], "import three\n" + CODE)
    assert stem_of(side, base, two) == stem_of(side, base, three) == (base,)
    assert stem_of(side, base) == ()
    assert side.anew(second).payload == side.anew(third).payload
    until = time.monotonic() + SECONDS
    while stem_of(side, base, one) != (base,):
        assert time.monotonic() < until, tree(side)
        time.sleep(0.1)
    assert side.anew(first).payload == side.anew(third).payload


def test_no_zygote_is_a_fork_of_another_accounts(side: Side) -> None:
    unlike = f"# {time.monotonic_ns()}\n"
    other = "333333333333"
    for each in (side, Side(side.server, other)):
        base = each.layer(base="MOMENT = 1 " + unlike)
        for name in ("one", "two"):
            own = each.layer(**{name: "X = 1 " + unlike})
            each.until_forked([base, own], f"import {name}\n" + CODE)
    found = tree(side, other)
    sets = {one["set"] for one in found.values()}
    assert len(found) == 4
    assert {one["forkOf"] for one in found.values()} <= {None, *sets}


def test_no_zygote_is_a_fork_of_another_versions(side: Side) -> None:
    unlike = f"# {time.monotonic_ns()}\n"
    code = CODE.replace("base.MOMENT", "__import__('sys').version_info[1]")
    base = side.layer(base="MOMENT = 1 " + unlike)
    pythons = [each for each in Catalog.discover().rows() if each.runtime.startswith("python3.")]
    minors = [int(each.runtime[8:]) for each in pythons if each.available and not each.remark]
    assert minors
    for minor in minors[-2:]:
        for name in ("one", "two"):
            own = side.layer(**{name: "X = 1 " + unlike})
            made = side.until_forked(
                [base, own], f"import {name}\n" + code, runtime=f"python3.{minor}"
            )
            assert side.anew(made).payload == minor


def test_a_layer_above_comes_first_also_where_another_has_been_imported(side: Side) -> None:
    base = once(side)
    side.until_forked([base], CODE)
    hiding = side.layer(base="MOMENT = 'another'\n")
    name = side.until_forked([base, hiding], CODE)
    assert side.anew(name).payload == "another"
    assert stem_of(side, base, hiding) != (base,)


def test_a_layer_may_have_what_another_looked_for_in_vain(side: Side) -> None:
    asking = (
        "try:\n    import extra\nexcept ImportError:\n    extra = None\nMOMENT = bool(extra) or 1\n"
    )
    base = side.layer(base=asking)
    assert side.anew(side.until_forked([base], CODE)).payload == 1
    extra = side.layer(extra="")
    name = side.until_forked([base, extra], "import extra\n" + CODE)
    assert side.anew(name).payload is True
    assert stem_of(side, base, extra) != (base,)


def test_a_layer_may_have_a_file_that_another_looked_for_in_vain(side: Side) -> None:
    asking = "try:\n    MOMENT = open('/opt/python/settings.json').read()\nexcept OSError:\n    MOMENT = 1\n"
    base = side.layer(base=asking)
    assert side.anew(side.until_forked([base], CODE)).payload == 1
    files = {"python/settings.json": "found", "python/other.py": "X = 1"}
    name = side.until_forked([base, side.cloud.layer(zipped(files))], "import other\n" + CODE)
    assert side.anew(name).payload == "found"


def test_layers_may_have_modules_named_as_what_a_zygote_has_for_itself(side: Side) -> None:
    names = ("ctypes", "dice", "preload", "reseed", "resource", "watch", "zygote")
    modules = dict.fromkeys(names, "class Mine: pass\n")
    using = "".join(f"import {name}\n" for name in names)
    using += f"ALL = [each.Mine for each in ({', '.join(names)})]\n"
    base = side.layer(**modules, base=f"{using}MOMENT = 1\n")
    side.until_forked([base], CODE)
    more = side.layer(more="X = 1")
    # As a function would find it: the same modules that the layer's own have, and the layer's.
    code = f"{using}import more\n{CODE.rstrip()} and [each is one for each, one in zip(base.ALL, ALL)]\n"
    name = side.until_forked([base, more], code)
    assert stem_of(side, base, more) == (base,)
    assert side.anew(name).payload == [True] * len(names)


def test_a_zygote_that_has_asked_for_packages_has_others_above(side: Side) -> None:
    base = side.layer(
        base="import importlib.metadata as m\nMOMENT = len(list(m.distributions())) + 1\n"
    )
    side.until_forked([base], CODE)
    more = side.layer(more="X = 1")
    side.until_forked([base, more], "import more\n" + CODE)
    assert stem_of(side, base, more) == (base,)
    named = {"python/named.py": "X = 1", "python/named-1.dist-info/METADATA": "Name: named\n"}
    packed = side.cloud.layer(zipped(named))
    name = side.until_forked([base, packed], "import named\n" + CODE)
    assert stem_of(side, base, packed) != (base,)
    assert side.anew(name).payload > 1


def test_a_layer_may_have_a_module_of_the_language(side: Side) -> None:
    name = side.until_forked([side.layer(usual="import colorsys")], "import usual\n" + FORKED)
    assert side.anew(name).payload is True
    own = side.layer(colorsys="OWN = 1", base="import colorsys\nMOMENT = colorsys.OWN\n")
    name = side.until_forked([own], CODE)
    assert side.anew(name).payload == 1


FORKED = (
    IS_FORK
    + """
def handler(event, context):
    return is_fork()
"""
)


def test_a_layer_that_brings_more_than_modules_has_a_zygote_from_the_beginning(side: Side) -> None:
    base = once(side)
    side.until_forked([base], CODE)
    files = {"python/more.py": "X = 1", "lib/libmore.so": "nothing"}
    more = side.cloud.layer(zipped(files))
    side.until_forked([base, more], "import more\n" + CODE)
    assert stem_of(side, base, more) is None


def test_what_has_grown_from_a_zygote_that_was_killed_goes_on(side: Side) -> None:
    base = once(side)
    side.until_forked([base], CODE)
    below = side.zygotes()
    above = side.layer(above="X = 1")
    name = side.until_forked([base, above], "import above\n" + CODE)
    assert stem_of(side, base, above) == (base,)
    before = side.anew(name).payload
    for each in below:
        with contextlib.suppress(ProcessLookupError):  # it was retired meanwhile
            os.kill(each, signal.SIGKILL)
    assert side.anew(name).payload == before


def test_generators_of_a_zygote_below_are_seeded_in_forks_of_those_above(side: Side) -> None:
    base = side.layer(base="import random\nOWN = random.Random()\n")
    draw = "import base, random\n" + FORKED.replace(
        "return is_fork()",
        "return is_fork() and [base.OWN.random(), random.random(), hash('x') and str(__import__('uuid').uuid4())]",
    )
    side.until_forked([base], draw)
    above = side.layer(above="X = 1")
    name = side.until_forked([base, above], "import above\n" + draw)
    assert stem_of(side, base, above) == (base,)
    drawn = [side.anew(name).payload for _ in range(5)]
    for each in zip(*drawn, strict=True):
        assert len(set(each)) == len(drawn)


def test_sets_in_use_have_their_zygotes_again_after_a_restart(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--preload", "on") as server:
        side = Side(server)
        base = once(side)
        names = [
            side.until_forked([base, side.layer(**{name: "X = 1"})], f"import {name}\n" + CODE)
            for name in ("one", "two")
        ]
        stood = tree(side)
    with serving(tmp_path / "data", "--preload", "on") as server:
        side = Side(server)
        until = time.monotonic() + SECONDS
        while tree(side).keys() != stood.keys() or len(forked(side, base)) < len(names):
            assert time.monotonic() < until, tree(side)
            time.sleep(0.1)
        first, second = (side.cloud.result(name) for name in names)
        assert first and first == second


def test_what_is_drawn_above_from_a_generator_below_is_another_in_each_fork(side: Side) -> None:
    base = side.layer(base="import random\nOWN = random.Random()\nMOMENT = 1\n")
    side.until_forked([base], CODE)
    above = side.layer(above="import base\nKEY = base.OWN.random()\n")
    code = f"import above\n{CODE.rstrip()} and above.KEY\n"
    name = side.until_forked([base, above], code)
    assert stem_of(side, base, above) == (base,)
    assert len({side.anew(name).payload for _ in range(3)}) == 3


def test_zygotes_above_one_that_is_made_anew_are_forks_of_the_new_one(side: Side) -> None:
    base = side.layer(
        base=f"import time\nMOMENT = {time.monotonic_ns()}, time.monotonic_ns()\n", more=""
    )
    first = side.until_forked([base], CODE)
    above = side.until_forked([base, side.layer(above="X = 1")], "import above\n" + CODE)
    before = side.anew(first).payload
    assert side.anew(above).payload == before
    side.until_forked([base], "import more\n" + CODE)
    until = time.monotonic() + SECONDS
    while (moment := side.anew(first).payload) == before or side.anew(above).payload != moment:
        assert time.monotonic() < until, tree(side)


def test_nothing_of_a_tree_stays_when_its_functions_are_gone(side: Side) -> None:
    client = side.cloud.client
    for each in client.list_functions()["Functions"]:
        client.delete_function(FunctionName=each["FunctionName"])
    until = time.monotonic() + SECONDS
    while tree(side):
        assert time.monotonic() < until, tree(side)
        time.sleep(0.1)
