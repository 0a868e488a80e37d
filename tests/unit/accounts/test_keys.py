"""Access keys: their form, whose they are, and that a revoked one never comes back."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lamella.accounts import keys
from lamella.accounts.keyring import INTERVAL_SECONDS, Keyring
from lamella.errors import Refused
from lamella.records.base import Records
from lamella.records.sqlite import Changes, open_records

ACCOUNT = "111122223333"
NOW = datetime(2026, 1, 2, 3, 4, 5, 678, UTC)
POLICY = {"Statement": {"Effect": "Allow", "Action": "lambda:*", "Resource": "*"}}


def create(records: Records, account: str = ACCOUNT, name: str = "") -> keys.AccessKey:
    return keys.create(records, account, name, None, NOW)


def test_a_key_has_awss_form_and_is_kept_as_it_was_made(records: Records) -> None:
    key = keys.create(records, ACCOUNT, "ann", POLICY, NOW)
    assert re.fullmatch(r"AKIA[A-Z2-7]{16}", key.id)
    assert len(key.secret) == 40
    assert (key.account, key.name, key.revoked) == (ACCOUNT, "ann", None)
    assert key.created == NOW.replace(microsecond=0)
    assert keys.find(records, key.id) == key
    assert key.limits is not None


def test_a_secret_is_not_in_what_is_printed_of_a_key(records: Records) -> None:
    key = create(records)
    assert key.secret not in repr(key)


def test_the_principal_is_a_user_or_the_root(records: Records) -> None:
    assert create(records).principal_arn == f"arn:aws:iam::{ACCOUNT}:root"
    assert create(records, name="ann").principal_arn == f"arn:aws:iam::{ACCOUNT}:user/ann"


def test_keys_are_listed_by_account_and_age(records: Records) -> None:
    second = keys.create(records, "222222222222", "", None, NOW)
    later = keys.create(records, "111111111111", "x", None, NOW + timedelta(hours=1))
    first = keys.create(records, "111111111111", "x", None, NOW)
    assert keys.listed(records) == [first, later, second]


def test_every_fault_of_a_key_is_named_at_once(records: Records) -> None:
    with pytest.raises(Refused) as refused:
        keys.create(records, "11112222333", "a b", {"Version": "1"}, NOW)
    assert len(refused.value.faults) == 4
    with pytest.raises(Refused, match="a policy needs a name"):
        keys.create(records, ACCOUNT, "", POLICY, NOW)
    assert keys.listed(records) == []


def test_a_revoked_key_keeps_its_first_end(records: Records) -> None:
    key = create(records)
    end = NOW.replace(microsecond=0)
    assert keys.revoke(records, key.id, NOW).revoked == end
    assert keys.revoke(records, key.id, NOW + timedelta(days=1)).revoked == end
    with pytest.raises(Refused, match="There is no access key AKIANONE"):
        keys.revoke(records, "AKIANONE", NOW)


def test_the_keyring_follows_what_another_process_changes(records: Records, tmp_path: Path) -> None:
    old = create(records)
    other = open_records(tmp_path / "records.sqlite")
    changes = Changes(tmp_path / "records.sqlite")
    keyring = Keyring(records, changes)
    keyring.start()
    try:
        assert (len(keyring), keyring.known(old.id)) == (1, old)
        new = create(other)
        assert keyring.read(new.id) == new
        keys.revoke(other, old.id, NOW)
        assert keyring.read(old.id) is None
        until = time.monotonic() + 50 * INTERVAL_SECONDS
        while keyring.known(old.id) is not None or keyring.known(new.id) is None:
            assert time.monotonic() < until
            time.sleep(INTERVAL_SECONDS / 10)
    finally:
        keyring.close()
        changes.close()
        other.close()


def test_the_keyring_outlives_records_that_cannot_be_read(
    records: Records, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    answers = iter([1, 0, 2])

    def changes() -> int:
        number = next(answers, 2)
        if not number:
            raise OSError("the disk is away")
        return number

    keyring = Keyring(records, changes)
    keyring.start()
    key = create(records)
    until = time.monotonic() + 50 * INTERVAL_SECONDS
    while keyring.known(key.id) is None:
        assert time.monotonic() < until
        time.sleep(INTERVAL_SECONDS / 10)
    keyring.close()
    assert "the disk is away" in caplog.text


@pytest.mark.parametrize(
    "text", ["", "AKIA", "akiaaaaaaaaaaaaaaaaa", "ASIAAAAAAAAAAAAAAAAA", "x" * 20]
)
def test_what_has_another_form_is_no_id(text: str) -> None:
    assert not keys.is_id(text)
