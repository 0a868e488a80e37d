"""From acknowledged to ready, over real records, with a preparation that can be stopped."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from lamella.errors import ResourceConflict, SandboxFailed
from lamella.functions.delete import delete
from lamella.functions.ready import (
    UNNAMED_FAULT,
    Fault,
    Readying,
    digests,
    key_of,
    reason,
    settled,
)
from lamella.functions.update import update_code, update_configuration
from lamella.functions.versions import publish
from lamella.model.function import State, UpdateStatus
from tests.unit.functions.works import B_CODE, Preparation, Works, a_function, works
from tests.unit.layers.shelf import ACCOUNT, REGION

FN = (ACCOUNT, REGION, "fn")


def test_a_function_is_pending_until_it_is_ready(at: Works) -> None:
    with at.preparation.stopped():
        created = at.create()
        assert created == at.row()
        assert (created.state, created.state_reason_code) == (State.PENDING, "Creating")
        assert created.state_reason == "The function is being created."
    ready = at.ready()
    assert (ready.state, ready.state_reason, ready.state_reason_code) == (State.ACTIVE, None, None)
    assert ready.last_update_status is UpdateStatus.SUCCESSFUL
    assert ready.revision_id != created.revision_id
    assert ready.last_modified == created.last_modified
    assert at.changed[-1] == ready


def test_an_update_is_in_progress_until_it_is_ready(at: Works) -> None:
    at.create()
    before = at.ready()
    with at.preparation.stopped():
        updated = update_configuration(at.shop, *FN, {"Timeout": 9})
        assert (updated.state, updated.last_update_status) == (
            State.ACTIVE,
            UpdateStatus.IN_PROGRESS,
        )
        assert updated.last_update_status_reason_code == "Creating"
        assert updated.revision_id != before.revision_id
    ready = at.ready()
    assert (ready.last_update_status, ready.last_update_status_reason) == (
        UpdateStatus.SUCCESSFUL,
        None,
    )
    assert ready.timeout == 9
    assert ready.revision_id not in (before.revision_id, updated.revision_id)


def test_an_update_waits_for_the_one_before(at: Works) -> None:
    at.create()
    update_configuration(at.shop, *FN, {"Timeout": 9})
    update_configuration(at.shop, *FN, {"MemorySize": 256})
    update_code(at.shop, *FN, {"ZipFile": B_CODE})
    ready = at.ready()
    assert (ready.timeout, ready.memory_size) == (9, 256)
    assert ready.last_update_status is UpdateStatus.SUCCESSFUL


@pytest.mark.parametrize("created", [False, True])
def test_who_waits_too_long_is_told_as_aws_tells(tmp_path: Path, created: bool) -> None:
    with works(tmp_path, wait_seconds=0.01) as at:
        if created:
            at.create()
            at.ready()
        with at.preparation.stopped():
            if created:
                update_configuration(at.shop, *FN, {"Timeout": 9})
            else:
                at.create()
            for operation in (update_configuration, update_code, publish):
                with pytest.raises(ResourceConflict) as refused:
                    operation(at.shop, *FN, {"ZipFile": B_CODE})
                assert refused.value.message == (
                    "The operation cannot be performed at this time. "
                    + (
                        "An update is in progress for resource: "
                        f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:fn"
                        if created
                        else "The function is currently in the following state: Pending"
                    )
                )


def test_a_function_that_cannot_be_made_ready_has_failed_until_an_update_mends_it(
    at: Works,
) -> None:
    at.preparation.fault = OSError(28, "No space left on device", "/secret/path")
    at.create()
    failed = at.ready()
    assert (failed.state, failed.state_reason_code) == (State.FAILED, "InternalError")
    assert failed.state_reason == "No space left on device"
    assert failed.last_update_status is UpdateStatus.SUCCESSFUL

    update_configuration(at.shop, *FN, {"Timeout": 9})
    again = at.ready()
    assert (again.state, again.last_update_status) == (State.FAILED, UpdateStatus.FAILED)

    at.preparation.fault = None
    update_configuration(at.shop, *FN, {})
    mended = at.ready()
    assert (mended.state, mended.state_reason) == (State.ACTIVE, None)
    assert mended.last_update_status is UpdateStatus.SUCCESSFUL
    assert mended.timeout == 9


def test_an_update_that_fails_says_so_and_the_next_one_recovers(at: Works) -> None:
    at.create()
    at.ready()
    at.preparation.fault = SandboxFailed("no box could be built")
    update_code(at.shop, *FN, {"ZipFile": B_CODE})
    failed = at.ready()
    assert (failed.state, failed.last_update_status) == (State.ACTIVE, UpdateStatus.FAILED)
    assert failed.last_update_status_reason == "no box could be built"
    assert failed.last_update_status_reason_code == "InternalError"
    at.preparation.fault = None
    update_code(at.shop, *FN, {"ZipFile": B_CODE})
    assert at.ready().last_update_status is UpdateStatus.SUCCESSFUL


def test_a_fault_that_nobody_foresaw_is_a_failure_too(at: Works) -> None:
    at.preparation.fault = ZeroDivisionError("a path: /secret")
    at.create()
    assert at.ready().state_reason == UNNAMED_FAULT


def test_reasons_tell_no_paths_and_no_digests() -> None:
    assert reason(OSError(28, "No space left on device", "/secret")) == "No space left on device"
    assert reason(KeyError("d" * 64)) == UNNAMED_FAULT
    assert reason(OSError("odd")) == UNNAMED_FAULT
    assert reason(SandboxFailed("said on purpose")) == "said on purpose"


def test_what_changed_meanwhile_is_left_as_it_is() -> None:
    row = a_function(last_update_status=UpdateStatus.IN_PROGRESS)
    begun = replace(row, last_modified=row.last_modified - timedelta(seconds=1))
    for fault in (None, Fault("fault")):
        assert settled(row, begun, fault) is row
        assert settled(replace(row, revision_id="r-2"), row, fault).revision_id != "r-2"
    ready = settled(row, row, None)
    assert settled(ready, row, None) is ready


def test_a_function_can_be_deleted_while_it_is_made_ready(at: Works) -> None:
    with at.preparation.stopped():
        created = at.create()
        assert at.preparation.began.acquire(timeout=20)
        delete(at.shop, *FN, None)
        assert at.blobs() == digests(created), "what is being prepared is kept until that ends"
    assert at.shop.readying.wait(key_of(created), 20)
    assert at.shop.records.function(*FN, "$LATEST") is None
    assert at.blobs() == set()
    assert not list(at.shelf.trees.digests())


def test_a_function_made_anew_is_not_settled_by_the_preparation_of_the_old(at: Works) -> None:
    with at.preparation.stopped():
        at.create()
        assert at.preparation.began.acquire(timeout=20)
        delete(at.shop, *FN, None)
        anew = at.create(Timeout=7)
        assert at.row() == anew
    assert at.ready().state is State.ACTIVE
    assert at.row().timeout == 7


def test_what_is_gone_before_its_turn_is_not_prepared(at: Works) -> None:
    created = at.create()
    at.ready()
    count = len(at.preparation.prepared)
    at.shop.readying.begin(created)  # an earlier revision of the row
    assert at.shop.readying.wait(key_of(created), 20)
    assert len(at.preparation.prepared) == count


def test_the_next_server_goes_on_where_one_stopped(at: Works) -> None:
    at.create("done")
    at.ready(name="done")
    at.preparation.gate.clear()
    at.create("created", Publish=True)
    at.create("updated")
    next_time = Preparation()
    readying = Readying(at.shelf.records, at.shelf.collecting, next_time, at.changed.append)
    with closing(readying):
        assert readying.resume() == 3
        for key in (("created", "$LATEST"), ("created", "1"), ("updated", "$LATEST")):
            assert readying.wait((ACCOUNT, REGION, *key), 20)
        assert at.row(name="created").state is State.ACTIVE
        assert at.row("1", name="created").state is State.ACTIVE
        assert at.row(name="updated").state is State.ACTIVE
        assert readying.resume() == 0
    at.preparation.gate.set()


def test_a_server_that_stops_leaves_the_rest_to_the_next(at: Works) -> None:
    at.shop.readying.close()
    at.create()
    assert at.row().state is State.PENDING
    assert at.shop.records.all_pending() == (at.row(),)


def test_what_waits_for_its_turn_is_not_begun_by_a_server_that_stops(at: Works) -> None:
    with at.preparation.stopped():
        for name in ("one", "two", "three"):
            at.create(name)
        for _ in range(2):
            assert at.preparation.began.acquire(timeout=10)
        at.shop.readying.abort()
    at.ready(name="three")
    assert {each.name for each in at.preparation.prepared} == {"one", "two"}
    assert at.row(name="three").state is State.PENDING
