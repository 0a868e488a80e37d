"""Which functions have a network: the server's word against the function's."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from lamella.errors import InvalidParameterValue
from lamella.functions import tags
from lamella.functions.network import TAG
from lamella.invoke.ways import Ways
from lamella.runtimes.forking import OFF
from lamella.runtimes.forking import TAG as PRELOAD
from lamella.sandbox.network import Network
from tests.unit.functions.works import Works, works
from tests.unit.layers.shelf import ACCOUNT, REGION

FN = (ACCOUNT, REGION, "fn")
ALLOW = (IPv4Network("10.0.0.0/8"),)


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Works]:
    with works(tmp_path) as made:
        made.create()
        yield made


@pytest.mark.parametrize(
    ("policy", "asked", "given"),
    [
        ("none", None, False),
        ("none", "host-nat", False),
        ("tagged", None, False),
        ("tagged", "host-nat", True),
        ("tagged", "none", False),
        ("host-nat", None, True),
        ("host-nat", "host-nat", True),
        ("host-nat", "none", False),
    ],
)
def test_the_server_bounds_what_a_function_asks_for(
    at: Works, policy: str, asked: str | None, given: bool
) -> None:
    if asked is not None:
        tags.change_function(at.shop, *FN, tags.adding({TAG: asked}))
    way = Ways(policy, ALLOW, at.shelf.records.function_tags).of(at.row())
    assert way == (Network(ALLOW) if given else None)


def test_nothing_is_asked_where_nobody_has_a_network(at: Works) -> None:
    def asked(*_: str) -> dict[str, str]:
        raise AssertionError("tags are not read")

    assert Ways("none", ALLOW, asked).of(at.row()) is None


def test_tags_are_asked_for_once_until_they_may_have_changed(at: Works) -> None:
    asked: list[str] = []
    said = [{PRELOAD: OFF}, {}, {}]

    def tags_of(account: str, region: str, name: str) -> dict[str, str]:
        asked.append(name)
        if len(asked) == 2:
            ways.forget(at.row())  # while it is asked
        return said[len(asked) - 1]

    ways = Ways(tags=tags_of)
    assert [ways.plainly(at.row()) for _ in range(3)] == [True, True, True]
    assert len(asked) == 1
    ways.forget(at.row())
    assert [ways.plainly(at.row()) for _ in range(3)] == [False, False, False]
    assert len(asked) == 3


@pytest.mark.parametrize("value", ["", "host", "HOST-NAT"])
def test_a_network_that_there_is_not_is_refused(value: str) -> None:
    for refuse in (tags.check, tags.adding):
        with pytest.raises(InvalidParameterValue, match="must be none or host-nat"):
            refuse({TAG: value})
