"""How much may be provisioned, how it is shared out by weight, and how far it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.errors import InvalidParameterValue
from lamella.functions.concurrency import check_reserved
from lamella.functions.provisioned import check, split, together
from lamella.model.alias import Alias
from lamella.model.concurrency import ProvisionedConfig, Share, Standing

TOO_MUCH_FOR_RESERVED = (
    "Requested Provisioned Concurrency should not be greater than the "
    "reservedConcurrentExecution for function"
)


def an_alias(weight: float | None = None) -> Alias:
    return Alias(
        account="000000000000",
        region="eu-west-1",
        function="fn",
        name="live",
        version="1",
        description="",
        revision_id="r",
        additional=None if weight is None else "2",
        weight=weight or 0.0,
    )


@given(st.integers(1, 1000), st.none() | st.floats(0.0, 1.0))
def test_nothing_is_lost_in_sharing_out(count: int, weight: float | None) -> None:
    shares = split(an_alias(weight), count)
    assert sum(shares.values()) == count
    assert all(share > 0 for share in shares.values())


@pytest.mark.parametrize(
    ("weight", "expected"),
    [(None, {"1": 4}), (0.25, {"1": 3, "2": 1}), (0.0, {"1": 4}), (1.0, {"2": 4})],
)
def test_sharing_out_is_by_weight(weight: float | None, expected: dict[str, int]) -> None:
    assert split(an_alias(weight), 4) == expected


def config(requested: int, standing: Standing) -> ProvisionedConfig:
    return ProvisionedConfig(
        qualifier="1", requested=requested, last_modified="", standing=standing
    )


def test_the_status_follows_from_what_is_there() -> None:
    assert config(2, Standing()).status == "IN_PROGRESS"
    assert config(2, Standing(2, 1)).status == "IN_PROGRESS"
    assert config(2, Standing(2, 2)).status == "READY"
    assert config(2, Standing(2, 1, "why")).status == "FAILED"


def test_versions_count_together_and_no_more_than_their_share() -> None:
    standings = {"1": Standing(5, 4), "2": Standing(1, 0, "why")}
    assert together({"1": 3, "2": 1}, standings) == Standing(4, 3, "why")
    assert together({}, {}).fault is not None


def refused(name: str, wanted: int, elsewhere: int, now: dict[str, Share], limit: int) -> str:
    with pytest.raises(InvalidParameterValue) as error:
        check(name, wanted, elsewhere, now, limit)
    return error.value.message


def test_what_may_be_provisioned() -> None:
    now = {"a": Share(reserved=5, provisioned=2), "b": Share(provisioned=10)}
    check("a", 3, 2, now, 1000)
    assert refused("a", 4, 2, now, 1000) == TOO_MUCH_FOR_RESERVED
    check("b", 890, 5, now, 1000)
    assert refused("b", 891, 5, now, 1000) == (
        "Specified ConcurrentExecutions for function decreases account's "
        "UnreservedConcurrentExecution below its minimum value of [100]."
    )
    assert refused("b", 991, 5, now, 1000) == (
        "Specified ConcurrentExecutions for function is greater than account's unreserved "
        "concurrency [990]."
    )


def test_a_reservation_covers_what_is_provisioned() -> None:
    now = {"a": Share(provisioned=2)}
    check_reserved("a", 2, now, 1000)
    with pytest.raises(InvalidParameterValue, match=r"total provisioned concurrency \[2\]"):
        check_reserved("a", 1, now, 1000)
