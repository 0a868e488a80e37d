"""The law of `lamella.records.base.Records`, executed on every backend."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from lamella.errors import InvalidParameterValue, ResourceConflict
from lamella.model.layer import LayerPolicy, LayerStatement, LayerVersion
from lamella.records.base import Records
from tests.ports.rows import (
    ACCOUNT,
    REGION,
    Opener,
    a_layer,
    add,
)


class TestLayerVersions:
    def test_a_row_comes_back_as_it_was(self, records: Records) -> None:
        added = add(
            records,
            license_info="MIT",
            compatible_runtimes=("python3.11", "nodejs20.x"),
            compatible_architectures=("arm64",),
        )
        assert records.layer_version(ACCOUNT, REGION, "shared", 1) == added

    def test_what_is_missing_is_none(self, records: Records) -> None:
        assert records.layer_version(ACCOUNT, REGION, "shared", 1) is None

    def test_rows_survive_a_restart(self, records: Records, reopen: Opener) -> None:
        added = add(records)
        again = reopen()
        assert again.layer_version(ACCOUNT, REGION, "shared", 1) == added
        again.close()

    def test_numbers_are_never_given_twice(self, records: Records) -> None:
        assert [add(records).version, add(records).version] == [1, 2]
        for number in (1, 2):
            records.remove_layer_version(ACCOUNT, REGION, "shared", number)
        assert add(records).version == 3

    def test_a_build_that_raises_adds_nothing_and_takes_no_number(self, records: Records) -> None:
        def refuse(number: int) -> LayerVersion:
            raise ResourceConflict("no")

        with pytest.raises(ResourceConflict):
            records.add_layer_version(ACCOUNT, REGION, "shared", refuse)
        assert add(records).version == 1

    def test_each_account_and_region_counts_for_itself(self, records: Records) -> None:
        add(records)
        elsewhere = records.add_layer_version(
            "111111111111",
            REGION,
            "shared",
            lambda number: a_layer(number, account="111111111111"),
        )
        assert elsewhere.version == 1
        assert records.layer_version(ACCOUNT, "us-east-1", "shared", 1) is None

    def test_threads_get_each_number_once(self, records: Records) -> None:
        start = threading.Barrier(8)

        def several(_: int) -> list[int]:
            start.wait(timeout=30)
            return [add(records).version for _ in range(10)]

        with ThreadPoolExecutor(8) as threads:
            numbers = [number for mine in threads.map(several, range(8)) for number in mine]
        assert sorted(numbers) == list(range(1, 81))

    def test_two_openers_of_one_database_share_the_numbers(
        self, records: Records, reopen: Opener
    ) -> None:
        other = reopen()
        start = threading.Barrier(2)

        def several(mine: Records) -> list[int]:
            start.wait(timeout=30)
            return [add(mine).version for _ in range(10)]

        with ThreadPoolExecutor(2) as threads:
            numbers = [n for some in threads.map(several, (records, other)) for n in some]
        other.close()
        assert sorted(numbers) == list(range(1, 21))

    def test_removing_twice_is_no_error(self, records: Records) -> None:
        add(records)
        records.remove_layer_version(ACCOUNT, REGION, "shared", 1)
        records.remove_layer_version(ACCOUNT, REGION, "shared", 1)
        assert records.layer_version(ACCOUNT, REGION, "shared", 1) is None


class TestListsOfLayers:
    def page(
        self,
        records: Records,
        *,
        runtime: str | None = None,
        architecture: str | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> tuple[list[tuple[str, int]], str | None]:
        page = records.layers(
            ACCOUNT,
            REGION,
            runtime=runtime,
            architecture=architecture,
            after=after,
            limit=limit,
        )
        return [(row.name, row.version) for row in page.rows], page.next

    def numbers(
        self,
        records: Records,
        *,
        runtime: str | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> tuple[list[int], str | None]:
        page = records.layer_versions(
            ACCOUNT, REGION, "shared", runtime=runtime, architecture=None, after=after, limit=limit
        )
        return [row.version for row in page.rows], page.next

    def test_layers_show_their_latest_version_by_name(self, records: Records) -> None:
        for name in ("b", "a", "b"):
            add(records, name)
        assert self.page(records) == ([("a", 1), ("b", 2)], None)

    def test_a_filter_finds_the_latest_matching_version(self, records: Records) -> None:
        add(records, "a", compatible_runtimes=("python3.11", "python3.12"))
        add(records, "a", compatible_runtimes=("python3.12",))
        add(records, "a")
        add(records, "b", compatible_runtimes=("python3.1",), compatible_architectures=("arm64",))
        assert self.page(records, runtime="python3.11") == ([("a", 1)], None)
        assert self.page(records, runtime="python3.12") == ([("a", 2)], None)
        assert self.page(records, architecture="arm64") == ([("b", 1)], None)
        assert self.page(records, runtime="python3.11", architecture="arm64") == ([], None)

    def test_versions_come_newest_first(self, records: Records) -> None:
        for _ in range(3):
            add(records)
        assert self.numbers(records) == ([3, 2, 1], None)

    def test_pages_of_layers_go_on_where_they_stopped(self, records: Records) -> None:
        for name in "abcd":
            add(records, name)
        first, after = self.page(records, limit=2)
        add(records, "aa")
        records.remove_layer_version(ACCOUNT, REGION, "b", 1)
        rest, end = self.page(records, limit=2, after=after)
        assert (first, rest) == ([("a", 1), ("b", 1)], [("c", 1), ("d", 1)])
        assert end is None

    def test_pages_of_versions_stay_valid_while_rows_change(self, records: Records) -> None:
        for _ in range(4):
            add(records)
        first, after = self.numbers(records, limit=2)
        add(records)
        records.remove_layer_version(ACCOUNT, REGION, "shared", 3)
        rest, end = self.numbers(records, limit=2, after=after)
        assert (first, rest, end) == ([4, 3], [2, 1], None)

    def test_a_marker_that_no_page_gave_is_refused(self, records: Records) -> None:
        with pytest.raises(InvalidParameterValue):
            self.numbers(records, after="what is this")


class TestLayerPolicies:
    statement = LayerStatement(
        sid="all", action="lambda:GetLayerVersion", principal="*", organization_id="o-0123456789"
    )

    def test_a_policy_comes_back_as_it_was(self, records: Records) -> None:
        add(records)
        policy = LayerPolicy(revision_id="r-1", statements=(self.statement,))
        changed = records.change_layer_policy(ACCOUNT, REGION, "shared", 1, lambda _: policy)
        assert changed == policy
        assert records.layer_policy(ACCOUNT, REGION, "shared", 1) == policy

    def test_a_change_to_none_removes_it(self, records: Records) -> None:
        add(records)
        policy = LayerPolicy(revision_id="r-1", statements=(self.statement,))
        records.change_layer_policy(ACCOUNT, REGION, "shared", 1, lambda _: policy)
        records.change_layer_policy(ACCOUNT, REGION, "shared", 1, lambda _: None)
        assert records.layer_policy(ACCOUNT, REGION, "shared", 1) is None

    def test_what_the_change_raises_passes_through_and_nothing_changes(
        self, records: Records
    ) -> None:
        add(records)
        policy = LayerPolicy(revision_id="r-1", statements=(self.statement,))
        records.change_layer_policy(ACCOUNT, REGION, "shared", 1, lambda _: policy)

        def refuse(_: LayerPolicy | None) -> LayerPolicy | None:
            raise ResourceConflict("no")

        with pytest.raises(ResourceConflict):
            records.change_layer_policy(ACCOUNT, REGION, "shared", 1, refuse)
        assert records.layer_policy(ACCOUNT, REGION, "shared", 1) == policy

    def test_a_policy_needs_its_version(self, records: Records) -> None:
        with pytest.raises(KeyError):
            records.change_layer_policy(ACCOUNT, REGION, "shared", 1, lambda policy: policy)

    def test_a_policy_goes_with_its_version(self, records: Records) -> None:
        add(records)
        policy = LayerPolicy(revision_id="r-1", statements=(self.statement,))
        records.change_layer_policy(ACCOUNT, REGION, "shared", 1, lambda _: policy)
        records.remove_layer_version(ACCOUNT, REGION, "shared", 1)
        assert records.layer_policy(ACCOUNT, REGION, "shared", 1) is None

    def test_changes_by_threads_follow_each_other(self, records: Records) -> None:
        add(records)

        def append(index: int) -> None:
            def change(policy: LayerPolicy | None) -> LayerPolicy:
                before = policy.statements if policy else ()
                statement = replace(self.statement, sid=f"s{index}")
                return LayerPolicy(revision_id=f"r-{index}", statements=(*before, statement))

            records.change_layer_policy(ACCOUNT, REGION, "shared", 1, change)

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(append, range(24)))
        policy = records.layer_policy(ACCOUNT, REGION, "shared", 1)
        assert policy is not None
        assert {statement.sid for statement in policy.statements} == {f"s{i}" for i in range(24)}
