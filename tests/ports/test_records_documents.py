"""The laws of documents, on every backend of the port of rows."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import pytest

from lamella.model.document import OF_FUNCTION, DocumentKey, Kind
from lamella.records.base import Records
from tests.ports.rows import ACCOUNT, REGION, Opener, a_function

ROLE = DocumentKey(Kind.ROLE, ACCOUNT, REGION, "r")
ALIAS = DocumentKey(Kind.ALIAS, ACCOUNT, REGION, "f", "live")

Value = Mapping[str, Any] | None


def put(records: Records, at: DocumentKey, value: Value, handle: str | None = None) -> None:
    records.change_document(at, lambda before: value, handle=handle)


def test_a_document_is_kept_and_survives_a_restart(reopen: Opener) -> None:
    records = reopen()
    assert records.document(ROLE) is None
    put(records, ROLE, {"Path": "/", "é": [1, None]})
    records.close()
    records = reopen()
    assert records.document(ROLE) == {"Path": "/", "é": [1, None]}
    records.close()


def test_a_change_sees_what_was_there_and_none_removes_it(records: Records) -> None:
    seen: list[Value] = []

    def change(to: Value) -> None:
        def given(before: Value) -> Value:
            seen.append(before)
            return to

        assert records.change_document(ROLE, given) == to

    for to in ({"a": 1}, {"a": 2}, None, None):
        change(to)
    assert seen == [None, {"a": 1}, {"a": 2}, None]
    assert records.document(ROLE) is None


def test_a_change_that_raises_changes_nothing(records: Records) -> None:
    put(records, ROLE, {"a": 1})

    def refuse(before: Value) -> Value:
        raise LookupError("no")

    with pytest.raises(LookupError):
        records.change_document(ROLE, refuse)
    assert records.document(ROLE) == {"a": 1}


def test_a_handle_finds_a_document_and_stays_with_it(records: Records) -> None:
    put(records, ROLE, {"a": 1}, handle="h")
    put(records, ROLE, {"a": 2})
    found = records.document_by_handle(Kind.ROLE, "h")
    assert found is not None
    assert (found.at, found.value, found.handle) == (ROLE, {"a": 2}, "h")
    assert records.document_by_handle(Kind.URL, "h") is None


def test_changes_at_once_are_one_after_the_other(records: Records) -> None:
    def count() -> None:
        for _ in range(20):
            records.change_document(ROLE, lambda before: {"n": (before or {"n": 0})["n"] + 1})

    threads = [threading.Thread(target=count) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert records.document(ROLE) == {"n": 80}


def test_lists_go_by_name_and_key_and_page_on(records: Records) -> None:
    for name in ("b", "a"):
        for key in ("2", "1"):
            put(records, DocumentKey(Kind.MANAGED_POLICY, ACCOUNT, REGION, name, key), {})
    put(records, DocumentKey(Kind.MANAGED_POLICY, "1" * 12, REGION, "a", "1"), {})
    seen, after = [], None
    while True:
        page = records.documents(Kind.MANAGED_POLICY, ACCOUNT, REGION, after=after, limit=3)
        seen += [(row.at.name, row.at.key) for row in page.rows]
        after = page.next
        if after is None:
            break
    assert seen == [("a", "1"), ("a", "2"), ("b", "1"), ("b", "2")]
    one = records.documents(Kind.MANAGED_POLICY, ACCOUNT, REGION, "b", after="1", limit=3)
    assert [row.at.key for row in one.rows] == ["2"]
    assert one.next is None
    assert len(records.all_documents(Kind.MANAGED_POLICY)) == 5


def test_what_belongs_to_a_function_needs_it_and_goes_with_it(records: Records) -> None:
    with pytest.raises(KeyError):
        put(records, ALIAS, {})
    records.add_function(a_function("f"), {})
    for kind in OF_FUNCTION:
        put(records, DocumentKey(kind, ACCOUNT, REGION, "f", "live"), {"kind": kind})
    put(records, DocumentKey(Kind.ROLE, ACCOUNT, REGION, "f"), {})
    assert records.remove_function(ACCOUNT, REGION, "f")
    for kind in OF_FUNCTION:
        assert records.document(DocumentKey(kind, ACCOUNT, REGION, "f", "live")) is None
    assert records.document(DocumentKey(Kind.ROLE, ACCOUNT, REGION, "f")) == {}


def test_what_belongs_to_a_version_goes_with_it(records: Records) -> None:
    records.add_function(a_function("f"), {})
    for version in ("1", "2"):
        put(records, DocumentKey(Kind.PROVISIONED, ACCOUNT, REGION, "f", version), {})
    records.remove_function_version(ACCOUNT, REGION, "f", "1")
    left = records.documents(Kind.PROVISIONED, ACCOUNT, REGION, "f", after=None, limit=9)
    assert [row.at.key for row in left.rows] == ["2"]


def test_a_version_that_its_check_holds_keeps_its_documents(records: Records) -> None:
    records.add_function(a_function("f"), {})
    at = DocumentKey(Kind.PROVISIONED, ACCOUNT, REGION, "f", "1")
    put(records, at, {})

    def refuse() -> None:
        assert records.document(at) == {}, "a check may ask the records"
        raise LookupError("no")

    with pytest.raises(LookupError):
        records.remove_function_version(ACCOUNT, REGION, "f", "1", refuse)
    assert records.document(at) == {}


def test_what_is_kept_by_an_alias_goes_with_it(records: Records) -> None:
    for name in ("f", "g"):
        records.add_function(a_function(name), {})
        for alias in ("live", "test"):
            for kind in (Kind.ALIAS, Kind.URL):
                put(records, DocumentKey(kind, ACCOUNT, REGION, name, alias), {})
    records.remove_alias(ACCOUNT, REGION, "f", "live")
    for kind in (Kind.ALIAS, Kind.URL):
        left = records.documents(kind, ACCOUNT, REGION, after=None, limit=9)
        assert [(row.at.name, row.at.key) for row in left.rows] == [
            ("f", "test"),
            ("g", "live"),
            ("g", "test"),
        ]
