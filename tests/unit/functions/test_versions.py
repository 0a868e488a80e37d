"""Versions: published, compared, deleted, and the bytes that go with the last of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from lamella.errors import (
    InvalidParameterValue,
    PreconditionFailed,
    ResourceNotFound,
    SnapshotFailed,
)
from lamella.functions import lookup
from lamella.functions.delete import delete
from lamella.functions.update import update_code, update_configuration
from lamella.functions.versions import publish
from lamella.layers.packages import code_sha256
from lamella.model.function import Function, State, UpdateStatus
from tests.unit.functions.works import B_CODE, Works
from tests.unit.layers.shelf import ACCOUNT, REGION

FN = (ACCOUNT, REGION, "fn")


def published(at: Works, **request: Any) -> Function:
    return publish(at.shop, *FN, request)


def configure(at: Works, request: Mapping[str, Any]) -> Function:
    return update_configuration(at.shop, *FN, request)


def test_a_version_of_what_is_ready_is_ready(at: Works) -> None:
    at.create(Timeout=9)
    latest = at.ready()
    with at.preparation.stopped():
        version = published(at)
        assert (version.version, version.state) == ("1", State.ACTIVE)
        assert version.last_update_status is UpdateStatus.SUCCESSFUL
        assert version.timeout == 9
        row = at.row()
        assert row == replace(latest, revision_id=row.revision_id), "nothing else is changed"
    assert len({latest.revision_id, version.revision_id, row.revision_id}) == 3
    assert at.ready("1") == version


def test_creating_with_publish_does_not_wait(at: Works) -> None:
    with at.preparation.stopped():
        version = at.create(Publish=True)
        assert (version.version, version.state) == ("1", State.PENDING)
        assert at.row().state is State.PENDING
    assert (at.ready().state, at.ready("1").state) == (State.ACTIVE, State.ACTIVE)
    assert published(at).version == "1", "becoming active is no change"


def test_a_version_that_is_initialised_for_it_is_pending_though_latest_is_ready(at: Works) -> None:
    at.create(Runtime="python3.12", SnapStart={"ApplyOn": "PublishedVersions"})
    assert at.ready().state is State.ACTIVE
    with at.preparation.stopped():
        version = published(at)
        assert (version.state, version.state_reason_code) == (State.PENDING, "Creating")
        assert published(at) == version
    assert at.ready("1").state is State.ACTIVE
    assert published(at).version == "1", "becoming active is no change"


def test_what_could_not_be_initialised_has_its_own_reason(at: Works) -> None:
    at.create(Runtime="python3.12", SnapStart={"ApplyOn": "PublishedVersions"})
    at.ready()
    at.preparation.fault = SnapshotFailed("FunctionError.InitTimeout", "it took too long")
    published(at)
    failed = at.ready("1")
    assert (failed.state, failed.state_reason) == (State.FAILED, "it took too long")
    assert failed.state_reason_code == "FunctionError.InitTimeout"
    at.preparation.fault = None
    again = published(at)
    assert (again.version, again.state) == ("2", State.PENDING), "what failed is tried again"
    assert at.ready("2").state is State.ACTIVE
    assert published(at).version == "2"


def test_updating_code_with_publish_does_not_wait(at: Works) -> None:
    at.create()
    at.ready()
    with at.preparation.stopped():
        version = update_code(at.shop, *FN, {"ZipFile": B_CODE, "Publish": True})
        assert (version.version, version.state) == ("1", State.PENDING)
    assert at.ready("1").state is State.ACTIVE
    assert at.row("1").code == at.row().code


def test_without_a_change_the_last_version_is_returned(at: Works) -> None:
    at.create()
    first = published(at, Description="mine")
    assert first.description == "mine"
    first = at.ready("1")
    assert published(at) == first
    assert published(at, Description="another") == first


@pytest.mark.parametrize(
    "change",
    [{"Timeout": 5}, {"Description": "new"}, {"Environment": {"Variables": {"A": "1"}}}],
)
def test_a_change_makes_a_new_version(at: Works, change: Mapping[str, Any]) -> None:
    at.create()
    published(at)
    configure(at, change)
    assert published(at).version == "2"


def test_an_update_that_changes_nothing_is_no_change(at: Works) -> None:
    at.create(Timeout=5)
    published(at)
    configure(at, {"Timeout": 5})
    update_code(at.shop, *FN, {"ZipFile": (at.shelf.blobs.open(at.row().code.digest)).read_bytes()})
    assert published(at).version == "1"


def test_a_change_of_layers_is_a_change(at: Works) -> None:
    layer = at.shelf.publish()
    at.create()
    published(at)
    configure(at, {"Layers": [layer.arn]})
    assert published(at).version == "2"
    assert [each.arn for each in at.row("2").layers] == [layer.arn]
    configure(at, {"Layers": []})
    assert published(at).version == "3"
    assert at.row("3").layers == ()


def test_numbers_are_never_given_again(at: Works) -> None:
    at.create()
    published(at)
    delete(at.shop, *FN, "1")
    assert published(at).version == "2"
    delete(at.shop, *FN, None)
    at.create()
    assert published(at).version == "3"


def test_what_publishing_is_refused_with(at: Works) -> None:
    at.create()
    latest = at.ready()
    sha = code_sha256(latest.code.digest)
    with pytest.raises(InvalidParameterValue) as refused:
        published(at, CodeSha256="other")
    assert refused.value.message == (
        f"CodeSHA256 (other) is different from current CodeSHA256 in $LATEST ({sha}). "
        "Please try again with the CodeSHA256 in $LATEST."
    )
    with pytest.raises(PreconditionFailed):
        published(at, RevisionId="other")
    with pytest.raises(InvalidParameterValue, match="PublishTo"):
        published(at, PublishTo="LATEST_PUBLISHED")
    with pytest.raises(ResourceNotFound, match=r"Function not found: .*:function:none"):
        publish(at.shop, ACCOUNT, REGION, "none", {})
    assert published(at, CodeSha256=sha, RevisionId=latest.revision_id).version == "1"
    assert published(at, CodeSha256="").version == "1"


def test_bytes_go_with_the_last_version_that_uses_them(at: Works) -> None:
    at.create()
    first = at.row().code.digest
    published(at)
    update_code(at.shop, *FN, {"ZipFile": B_CODE})
    second = at.ready().code.digest
    assert at.blobs() == {first, second}
    at.ready("1")
    delete(at.shop, *FN, "1")
    assert at.blobs() == {second}
    delete(at.shop, *FN, None)
    assert at.blobs() == set()
    assert not list(at.shelf.trees.digests())


def test_layers_that_were_deleted_go_with_the_function_that_used_them(at: Works) -> None:
    layer = at.shelf.publish()
    at.create(Layers=[layer.arn])
    at.shelf.records.remove_layer_version(ACCOUNT, REGION, "shared", 1)
    at.shelf.collecting.collect({layer.digest})
    assert layer.digest in at.blobs()
    configure(at, {"Layers": [layer.arn], "Timeout": 5})
    with pytest.raises(InvalidParameterValue, match="does not exist"):
        at.create("other", Layers=[layer.arn])
    configure(at, {"Layers": []})
    at.ready()
    assert at.blobs() == {at.row().code.digest}


def test_a_dry_run_keeps_nothing(at: Works) -> None:
    at.create()
    before = at.ready()
    shown = update_code(at.shop, *FN, {"ZipFile": B_CODE, "DryRun": True, "Publish": True})
    assert shown.code != before.code
    assert shown.revision_id == before.revision_id
    assert at.row() == before
    assert at.blobs() == {before.code.digest}
    assert at.shop.records.function(*FN, "1") is None


def test_what_is_refused_keeps_nothing(at: Works) -> None:
    with pytest.raises(InvalidParameterValue, match="does not exist"):
        at.create(Layers=[f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:none:1"])
    with pytest.raises(InvalidParameterValue, match="SnapStart"):
        at.create(SnapStart={"ApplyOn": "PublishedVersions"})
    with pytest.raises(InvalidParameterValue, match="Could not unzip"):
        at.create(Code={"ZipFile": b"no zip"})
    assert at.blobs() == set()
    assert at.shop.records.function(*FN, "$LATEST") is None


def test_deleting(at: Works) -> None:
    at.create(Publish=True)
    with pytest.raises(InvalidParameterValue) as refused:
        delete(at.shop, *FN, "$LATEST")
    assert refused.value.message == (
        "$LATEST version cannot be deleted without deleting the function."
    )
    with pytest.raises(InvalidParameterValue) as refused:
        delete(at.shop, *FN, "alias")
    assert refused.value.message == "Deletion of aliases is not currently supported."
    delete(at.shop, *FN, "99")
    delete(at.shop, *FN, "1")
    with pytest.raises(ResourceNotFound, match=r"function:fn:1$"):
        lookup.resolve(at.shop.records, *FN, "1")
    delete(at.shop, *FN, None)
    with pytest.raises(ResourceNotFound, match=r"function:fn$"):
        delete(at.shop, *FN, None)


def test_qualifiers(at: Works) -> None:
    at.create(Publish=True)
    records = at.shop.records
    assert lookup.resolve(records, *FN, None).version == "$LATEST"
    assert lookup.resolve(records, *FN, "$LATEST").version == "$LATEST"
    assert lookup.resolve(records, *FN, "1").version == "1"
    for find in (lookup.resolve, lookup.invoked):
        with pytest.raises(ResourceNotFound, match=r"Function not found: .*:function:fn:2$"):
            find(records, *FN, "2")
    with pytest.raises(ResourceNotFound, match=r"Function not found: .*:function:fn:live$"):
        lookup.resolve(records, *FN, "live")
    with pytest.raises(ResourceNotFound, match=r"Cannot find alias arn: .*:function:fn:live$"):
        lookup.invoked(records, *FN, "live")
    with pytest.raises(ResourceNotFound, match=r"Function not found: .*:function:none:live$"):
        lookup.invoked(records, ACCOUNT, REGION, "none", "live")
