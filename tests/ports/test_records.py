"""The law of `lamella.records.base.Records`, executed on every backend."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lamella.errors import InvalidParameterValue, ResourceConflict
from lamella.model.function import Code, Function, State, UpdateStatus
from lamella.model.layer import LayerPolicy, LayerRef, LayerStatement, LayerVersion
from lamella.records.base import Records
from lamella.records.sqlite import open_records

ACCOUNT, REGION = "000000000000", "eu-west-1"
CREATED = datetime(2026, 11, 21, 4, 0, 0, 123000, tzinfo=UTC)
Opener = Callable[[], Records]


@pytest.fixture(params=["sqlite"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    """Opens the same records again, as after a restart."""
    assert request.param == "sqlite"
    return lambda: open_records(tmp_path / "records.db")


@pytest.fixture
def records(reopen: Opener) -> Iterator[Records]:
    opened = reopen()
    yield opened
    opened.close()


def a_layer(
    number: int,
    name: str = "shared",
    *,
    account: str = ACCOUNT,
    region: str = REGION,
    digest: str = "a" * 64,
    runtimes: tuple[str, ...] = (),
    architectures: tuple[str, ...] = (),
) -> LayerVersion:
    return LayerVersion(
        account=account,
        region=region,
        name=name,
        version=number,
        description="what it is",
        license_info=None,
        compatible_runtimes=runtimes,
        compatible_architectures=architectures,
        digest=digest,
        code_size=100,
        unzipped_size=300,
        created=CREATED,
    )


def add(records: Records, name: str = "shared", **members: object) -> LayerVersion:
    def build(number: int) -> LayerVersion:
        return replace(a_layer(number, name), **members)  # type: ignore[arg-type]

    return records.add_layer_version(ACCOUNT, REGION, name, build)


def a_function(name: str = "fn", *, layers: tuple[LayerRef, ...] = ()) -> Function:
    return Function(
        account=ACCOUNT,
        region=REGION,
        name=name,
        version="$LATEST",
        runtime="python3.11",
        handler="app.handler",
        role="arn:aws:iam::000000000000:role/r",
        code=Code(digest="c" * 64, size=50, unzipped_size=60),
        last_modified=CREATED,
        revision_id="r-1",
        environment={"KEY": "value"},
        layers=layers,
        settings={"VpcConfig": {"SubnetIds": []}},
    )


def publish(records: Records, name: str = "fn") -> Function:
    return records.publish_function(
        ACCOUNT, REGION, name, lambda latest, number, last: replace(latest, version=str(number))
    )


def ref(version: LayerVersion) -> LayerRef:
    return LayerRef(
        arn=version.arn,
        digest=version.digest,
        code_size=version.code_size,
        unzipped_size=version.unzipped_size,
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
