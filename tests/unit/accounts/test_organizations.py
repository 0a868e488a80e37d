"""Organizations: a map of accounts, in which each account is once at most."""

from __future__ import annotations

import re

import pytest

from lamella.accounts import organizations
from lamella.errors import Refused
from lamella.records.base import Records

A, B = "111122223333", "444455556666"
ORG = "o-a1b2c3d4e5"


def test_an_organization_has_an_id_of_awss_form(records: Records) -> None:
    assert re.fullmatch(r"o-[a-z0-9]{10}", organizations.create(records, None))
    assert organizations.create(records, ORG) == ORG


@pytest.mark.parametrize("name", ["o-short", "O-A1B2C3D4E5", "a1b2c3d4e5", "o-a1b2c3d4e_"])
def test_another_form_is_refused(records: Records, name: str) -> None:
    with pytest.raises(Refused, match="must be o- and 10 to 32"):
        organizations.create(records, name)


def test_an_account_is_in_one_organization(records: Records) -> None:
    first, second = organizations.create(records, ORG), organizations.create(records, None)
    organizations.add(records, first, A)
    organizations.add(records, first, A)
    organizations.add(records, second, B)
    assert organizations.of(records, A) == first
    assert organizations.of(records, "777788889999") is None
    assert organizations.listed(records) == {first: [A], second: [B]}
    with pytest.raises(Refused, match=f"{A} is in {first}; remove it there first"):
        organizations.add(records, second, A)


def test_a_member_and_an_organization_can_be_removed(records: Records) -> None:
    organizations.create(records, ORG)
    organizations.add(records, ORG, A)
    organizations.add(records, ORG, B)
    organizations.remove(records, ORG, A)
    assert (organizations.of(records, A), organizations.of(records, B)) == (None, ORG)
    organizations.remove(records, ORG, None)
    assert organizations.of(records, B) is None
    assert organizations.listed(records) == {}


def test_what_is_not_there_is_named(records: Records) -> None:
    missing = f"There is no organization {ORG}"
    with pytest.raises(Refused, match=missing):
        organizations.add(records, ORG, A)
    for account in (A, None):
        with pytest.raises(Refused, match=missing):
            organizations.remove(records, ORG, account)
    organizations.create(records, ORG)
    with pytest.raises(Refused, match="already"):
        organizations.create(records, ORG)
    with pytest.raises(Refused, match="must be 12 digits"):
        organizations.add(records, ORG, "1")
    with pytest.raises(Refused, match=f"{A} is not in {ORG}"):
        organizations.remove(records, ORG, A)
