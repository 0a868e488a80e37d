"""Aliases: their rules, the share of invocations that each version gets, and what goes with them."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from lamella.errors import InvalidParameterValue, ResourceConflict, ResourceNotFound
from lamella.functions import aliases, lookup
from lamella.functions.aliases import Aliases
from lamella.functions.delete import delete
from lamella.functions.update import update_configuration
from lamella.functions.versions import publish
from lamella.model.alias import Alias
from lamella.model.document import DocumentKey, Kind
from tests.unit.functions.works import Works
from tests.unit.layers.shelf import ACCOUNT, REGION

FN = (ACCOUNT, REGION, "fn")
LIVE = {"Name": "live", "FunctionVersion": "1"}


def weights(**of: float) -> dict[str, Any]:
    return {"AdditionalVersionWeights": {name[1:]: weight for name, weight in of.items()}}


def with_two_versions(at: Works) -> tuple[Aliases, list[tuple[str, str, str]]]:
    told: list[tuple[str, str, str]] = []
    at.create()
    publish(at.shop, *FN, {})
    update_configuration(at.shop, *FN, {"Timeout": 9})
    publish(at.shop, *FN, {})
    return Aliases(at.shop.records, lambda *where: told.append(where)), told


def an_alias(weight: float) -> Alias:
    return Alias(
        account=ACCOUNT,
        region=REGION,
        function="fn",
        name="live",
        version="1",
        description="",
        revision_id="r",
        additional="2",
        weight=weight,
    )


@pytest.mark.parametrize("weight", [0.0, 0.01, 0.1, 0.5, 0.95, 1.0])
def test_ten_thousand_invocations_go_where_the_weight_says(weight: float) -> None:
    alias, source, drawn = an_alias(weight), random.Random(20261121), 10_000
    second = sum(alias.choose(source.random()) == "2" for _ in range(drawn))
    deviation = math.sqrt(drawn * weight * (1 - weight))
    assert abs(second - drawn * weight) <= 3 * deviation


def test_every_change_is_told(at: Works) -> None:
    kept, told = with_two_versions(at)
    kept.create(FN, LIVE)
    kept.update(FN, "live", {"FunctionVersion": "2"})
    kept.delete(FN, "live")
    assert told == [FN] * 3


def test_an_update_changes_what_it_names(at: Works) -> None:
    kept, _ = with_two_versions(at)
    made = kept.create(FN, {**LIVE, "Description": "d", "RoutingConfig": weights(v2=0.25)})
    assert (made.versions, made.weight) == (("1", "2"), 0.25)
    again = kept.update(FN, "live", {"Description": "e"})
    assert (again.description, again.versions, again.weight) == ("e", ("1", "2"), 0.25)
    assert again.revision_id != made.revision_id
    assert kept.get(FN, "live") == again
    none: dict[str, Any] = {}
    for empty in (none, {"AdditionalVersionWeights": none}):
        kept.update(FN, "live", {"RoutingConfig": weights(v2=0.5)})
        assert kept.update(FN, "live", {"RoutingConfig": empty}).versions == ("1",)


def test_a_routing_that_is_none_changes_nothing(at: Works) -> None:
    kept, _ = with_two_versions(at)
    before = kept.create(FN, {**LIVE, "RoutingConfig": weights(v2=0.5)})
    for refused in (
        {"FunctionVersion": "2"},
        {"FunctionVersion": "$LATEST"},
        {"RoutingConfig": weights(v1=0.5)},
        {"RoutingConfig": weights(v2=0.5, v3=0.5)},
    ):
        with pytest.raises(InvalidParameterValue):
            kept.update(FN, "live", refused)
    with pytest.raises(ResourceNotFound, match=r"Function not found: .*:fn:7$"):
        kept.update(FN, "live", {"RoutingConfig": weights(v7=0.5)})
    assert kept.get(FN, "live") == before


def test_a_version_stays_while_an_alias_stands_for_it(at: Works) -> None:
    kept, _ = with_two_versions(at)
    kept.create(FN, {**LIVE, "RoutingConfig": weights(v2=0.0)})
    kept.create(FN, {**LIVE, "Name": "also"})
    for version, names in (("1", "also, live"), ("2", "live")):
        with pytest.raises(ResourceConflict) as refused:
            delete(at.shop, *FN, version)
        assert refused.value.message == (
            f"Unable to delete version because the following aliases reference it: [{names}]"
        )
        assert at.row(version)
    kept.delete(FN, "live")
    delete(at.shop, *FN, "2")


def test_an_alias_is_found_as_a_qualifier(at: Works) -> None:
    kept, _ = with_two_versions(at)
    kept.create(FN, {**LIVE, "RoutingConfig": weights(v2=1.0)})
    records = at.shop.records
    for find in (lookup.resolve, lookup.invoked):
        assert find(records, *FN, "live").version == "1"
    assert lookup.alias(records, *FN, "live").choose(0.999) == "2"


def test_what_was_set_for_an_alias_goes_with_it(at: Works) -> None:
    kept, _ = with_two_versions(at)
    records = at.shop.records
    url = DocumentKey(Kind.URL, *FN, "live")
    kept.create(FN, LIVE)
    records.change_document(url, lambda before: {"a": 1})
    kept.delete(FN, "live")
    assert records.document(url) is None
    kept.create(FN, LIVE)
    delete(at.shop, *FN, None)
    assert not list(aliases.each(records, FN))


def test_lists_go_on_where_they_ended(at: Works) -> None:
    kept, _ = with_two_versions(at)
    for name in ("c", "a", "b", "d"):
        kept.create(FN, {"Name": name, "FunctionVersion": "2" if name in "bd" else "1"})
    kept.create(FN, {"Name": "e", "FunctionVersion": "1", "RoutingConfig": weights(v2=0.1)})

    def listed(version: str | None) -> list[list[str]]:
        pages, after = [], None
        while True:
            page = kept.page(FN, version, after=after, limit=2)
            pages.append([alias.name for alias in page.rows])
            after = page.next
            if after is None:
                return pages

    assert listed(None) == [["a", "b"], ["c", "d"], ["e"]]
    assert listed("2") == [["b", "d"], ["e"]]
    assert listed("1") == [["a", "c"], ["e"]]
    assert listed("3") == [[]]
