"""The laws of the port of rows, of functions and of bytes that are referenced."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from lamella.errors import InvalidParameterValue, ResourceConflict
from lamella.model.function import Code, Function, State, UpdateStatus
from lamella.records.base import Records
from tests.ports.rows import (
    ACCOUNT,
    CREATED,
    REGION,
    a_function,
    a_layer,
    add,
    publish,
    ref,
)

LATER = CREATED + timedelta(seconds=1)


class TestFunctions:
    def test_a_row_and_its_tags_come_back_as_they_were(self, records: Records) -> None:
        function = a_function(layers=(ref(a_layer(2)), ref(a_layer(1, "other"))))
        records.add_function(function, {"team": "core"})
        assert records.function(ACCOUNT, REGION, "fn", "$LATEST") == function
        assert records.function_tags(ACCOUNT, REGION, "fn") == {"team": "core"}

    def test_what_is_missing_is_none(self, records: Records) -> None:
        records.add_function(a_function(), {})
        for name, version in (("fn", "1"), ("fn", "live"), ("fn", "01"), ("other", "$LATEST")):
            assert records.function(ACCOUNT, REGION, name, version) is None
        assert records.function_tags(ACCOUNT, REGION, "other") == {}

    def test_tags_are_changed_alone(self, records: Records) -> None:
        records.add_function(a_function(), {"team": "core"})
        after = records.change_function_tags(
            ACCOUNT, REGION, "fn", lambda tags: {**tags, "env": "dev"}
        )
        assert (
            after == records.function_tags(ACCOUNT, REGION, "fn") == {"team": "core", "env": "dev"}
        )
        assert records.change_function_tags(ACCOUNT, REGION, "fn", lambda tags: {}) == {}
        assert records.function_tags(ACCOUNT, REGION, "fn") == {}

    def test_only_tags_of_a_function_that_is_there_are_changed(self, records: Records) -> None:
        with pytest.raises(KeyError):
            records.change_function_tags(ACCOUNT, REGION, "fn", lambda tags: {"a": "b"})

    def test_functions_are_counted_without_their_versions(self, records: Records) -> None:
        assert records.function_count(ACCOUNT, REGION) == 0
        records.add_function(a_function(), {})
        records.add_function(a_function("other"), {})
        publish(records)
        assert records.function_count(ACCOUNT, REGION) == 2
        assert records.function_count(ACCOUNT, "us-east-1") == 0

    def test_a_name_is_added_once(self, records: Records) -> None:
        records.add_function(a_function(), {})
        with pytest.raises(KeyError):
            records.add_function(a_function(), {})

    def test_a_change_replaces_one_row(self, records: Records) -> None:
        records.add_function(a_function(), {})
        published = publish(records)
        changed = records.change_function(
            ACCOUNT,
            REGION,
            "fn",
            "$LATEST",
            lambda row: replace(row, timeout=9, environment=None, state=State.PENDING),
        )
        assert (changed.timeout, changed.environment) == (9, None)
        assert records.function(ACCOUNT, REGION, "fn", "$LATEST") == changed
        assert records.function(ACCOUNT, REGION, "fn", "1") == published

    def test_what_a_change_raises_passes_through_and_nothing_changes(
        self, records: Records
    ) -> None:
        records.add_function(a_function(), {})

        def refuse(_: Function) -> Function:
            raise ResourceConflict("no")

        with pytest.raises(ResourceConflict):
            records.change_function(ACCOUNT, REGION, "fn", "$LATEST", refuse)
        assert records.function(ACCOUNT, REGION, "fn", "$LATEST") == a_function()

    @pytest.mark.parametrize("version", ["$LATEST", "1", "live"])
    def test_a_change_needs_its_row(self, records: Records, version: str) -> None:
        with pytest.raises(KeyError):
            records.change_function(ACCOUNT, REGION, "fn", version, lambda row: row)

    def test_changes_by_threads_follow_each_other(self, records: Records) -> None:
        records.add_function(a_function(), {})

        def raise_timeout(_: int) -> None:
            records.change_function(
                ACCOUNT,
                REGION,
                "fn",
                "$LATEST",
                lambda row: replace(row, timeout=row.timeout + 1),
            )

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(raise_timeout, range(40)))
        function = records.function(ACCOUNT, REGION, "fn", "$LATEST")
        assert function is not None
        assert function.timeout == 43

    def test_publishing_gives_the_builder_what_it_decides_by(self, records: Records) -> None:
        records.add_function(a_function(), {})
        seen: list[tuple[str, int, str | None]] = []

        def build(latest: Function, number: int, last: Function | None) -> Function:
            seen.append((latest.version, number, last.version if last else None))
            return replace(latest, version=str(number))

        for _ in range(2):
            records.publish_function(ACCOUNT, REGION, "fn", build)
        assert seen == [("$LATEST", 1, None), ("$LATEST", 2, "1")]

    def test_nothing_to_publish_returns_the_last_version(self, records: Records) -> None:
        records.add_function(a_function(), {})
        first = publish(records)
        again = records.publish_function(ACCOUNT, REGION, "fn", lambda latest, number, last: None)
        assert again == first
        assert publish(records).version == "2"

    def test_publishing_needs_the_function(self, records: Records) -> None:
        with pytest.raises(KeyError):
            publish(records)

    def test_numbers_are_never_given_twice(self, records: Records) -> None:
        records.add_function(a_function(), {})
        publish(records)
        assert records.remove_function_version(ACCOUNT, REGION, "fn", "1")
        assert publish(records).version == "2"
        records.remove_function(ACCOUNT, REGION, "fn")
        records.add_function(a_function(), {})
        assert publish(records).version == "3"

    def test_threads_get_each_number_once(self, records: Records) -> None:
        records.add_function(a_function(), {})
        with ThreadPoolExecutor(8) as threads:
            numbers = list(threads.map(lambda _: int(publish(records).version), range(24)))
        assert sorted(numbers) == list(range(1, 25))

    def test_removing_a_function_takes_versions_and_tags(self, records: Records) -> None:
        records.add_function(a_function(), {"team": "core"})
        publish(records)
        assert records.remove_function(ACCOUNT, REGION, "fn")
        assert records.function(ACCOUNT, REGION, "fn", "1") is None
        assert records.function_tags(ACCOUNT, REGION, "fn") == {}
        assert not records.remove_function(ACCOUNT, REGION, "fn")

    def test_latest_is_not_removed_as_a_version(self, records: Records) -> None:
        records.add_function(a_function(), {})
        assert not records.remove_function_version(ACCOUNT, REGION, "fn", "$LATEST")
        assert not records.remove_function_version(ACCOUNT, REGION, "fn", "1")


class TestListsOfFunctions:
    def walk(self, records: Records, *, all_versions: bool, limit: int) -> list[tuple[str, str]]:
        rows: list[tuple[str, str]] = []
        after: str | None = None
        while True:
            page = records.functions(
                ACCOUNT, REGION, all_versions=all_versions, after=after, limit=limit
            )
            rows += [(row.name, row.version) for row in page.rows]
            if page.next is None:
                return rows
            after = page.next

    @pytest.mark.parametrize("limit", [1, 2, 50])
    def test_functions_come_by_name_whatever_the_page(self, records: Records, limit: int) -> None:
        for name in ("b", "a", "c"):
            records.add_function(a_function(name), {})
        publish(records, "b")
        assert self.walk(records, all_versions=False, limit=limit) == [
            ("a", "$LATEST"),
            ("b", "$LATEST"),
            ("c", "$LATEST"),
        ]
        assert self.walk(records, all_versions=True, limit=limit) == [
            ("a", "$LATEST"),
            ("b", "$LATEST"),
            ("b", "1"),
            ("c", "$LATEST"),
        ]

    def test_versions_begin_with_latest_and_go_up_as_numbers(self, records: Records) -> None:
        records.add_function(a_function(), {})
        for _ in range(11):
            publish(records)
        first = records.function_versions(ACCOUNT, REGION, "fn", after=None, limit=10)
        rest = records.function_versions(ACCOUNT, REGION, "fn", after=first.next, limit=10)
        assert [row.version for row in (*first.rows, *rest.rows)] == [
            "$LATEST",
            *map(str, range(1, 12)),
        ]
        assert rest.next is None

    def test_a_marker_that_no_page_gave_is_refused(self, records: Records) -> None:
        with pytest.raises(InvalidParameterValue):
            records.functions(ACCOUNT, REGION, all_versions=False, after="x", limit=1)


class TestBytes:
    def test_a_layer_version_holds_its_bytes_until_it_goes(self, records: Records) -> None:
        add(records, digest="d" * 64)
        add(records, digest="d" * 64)
        records.remove_layer_version(ACCOUNT, REGION, "shared", 1)
        assert records.is_referenced("d" * 64)
        records.remove_layer_version(ACCOUNT, REGION, "shared", 2)
        assert not records.is_referenced("d" * 64)

    def test_a_function_holds_its_code_and_its_layers(self, records: Records) -> None:
        layer = add(records, digest="d" * 64)
        records.add_function(a_function(layers=(ref(layer),)), {})
        records.remove_layer_version(ACCOUNT, REGION, "shared", 1)
        assert records.referenced_digests() == {"c" * 64, "d" * 64}
        records.remove_function(ACCOUNT, REGION, "fn")
        assert records.referenced_digests() == set()

    def test_a_published_version_holds_what_latest_has_left(self, records: Records) -> None:
        layer = add(records, digest="d" * 64)
        records.add_function(a_function(layers=(ref(layer),)), {})
        publish(records)
        records.remove_layer_version(ACCOUNT, REGION, "shared", 1)
        records.change_function(
            ACCOUNT, REGION, "fn", "$LATEST", lambda row: replace(row, layers=())
        )
        assert records.is_referenced("d" * 64)
        records.remove_function_version(ACCOUNT, REGION, "fn", "1")
        assert not records.is_referenced("d" * 64)

    def test_a_change_of_code_lets_the_old_bytes_go(self, records: Records) -> None:
        records.add_function(a_function(), {})
        code = Code(digest="e" * 64, size=1, unzipped_size=1)
        records.change_function(
            ACCOUNT, REGION, "fn", "$LATEST", lambda row: replace(row, code=code)
        )
        assert records.referenced_digests() == {"e" * 64}

    def test_storage_sums_layers_and_code_of_one_account_and_region(self, records: Records) -> None:
        assert records.code_storage(ACCOUNT, REGION) == 0
        add(records)
        add(records)
        records.add_function(a_function(), {})
        publish(records)
        assert records.code_storage(ACCOUNT, REGION) == 2 * 100 + 2 * 50
        assert records.code_storage(ACCOUNT, "us-east-1") == 0


def test_what_a_crash_left_unfinished_is_found(records: Records) -> None:
    records.add_function(replace(a_function("done")), {})
    records.add_function(replace(a_function("new"), state=State.PENDING), {})
    records.add_function(
        replace(a_function("changing"), last_update_status=UpdateStatus.IN_PROGRESS), {}
    )
    assert [row.name for row in records.all_pending()] == ["changing", "new"]


def test_versions_with_snapstart_are_found_the_newest_first(records: Records) -> None:
    for name, state, snap_start in (
        ("on", State.ACTIVE, "PublishedVersions"),
        ("off", State.ACTIVE, "None"),
        ("failed", State.FAILED, "PublishedVersions"),
    ):
        records.add_function(replace(a_function(name), state=state, snap_start=snap_start), {})
        publish(records, name)
        records.change_function(
            ACCOUNT, REGION, name, "$LATEST", lambda row: replace(row, last_modified=LATER)
        )
        publish(records, name)
    found = [(row.name, row.version) for row in records.all_with_snapshots()]
    assert found == [("on", "2"), ("on", "1")]
