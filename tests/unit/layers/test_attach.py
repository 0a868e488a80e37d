"""Attaching: which ARNs a function may name, and what it keeps of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamella.errors import AccessDenied, InvalidParameterValue, UnzippedTooLarge
from lamella.layers.attach import check_unzipped, to_ref
from lamella.model.layer import LayerRef
from tests.unit.layers.shelf import (
    ACCOUNT,
    ORGANIZATION,
    OTHER,
    REGION,
    Shelf,
    asker,
    layer,
    shelf,
)


@pytest.fixture
def on(tmp_path: Path) -> Iterator[Shelf]:
    with shelf(tmp_path) as made:
        yield made


def resolve(on: Shelf, *arns: str, keep: tuple[LayerRef, ...] = ()) -> tuple[LayerRef, ...]:
    return on.attaching.resolve(ACCOUNT, REGION, arns, keep=keep)


def refusal(on: Shelf, *arns: str, keep: tuple[LayerRef, ...] = ()) -> str:
    with pytest.raises(InvalidParameterValue) as raised:
        resolve(on, *arns, keep=keep)
    return raised.value.message


def test_versions_are_kept_in_the_order_they_are_named(on: Shelf) -> None:
    first, second = on.publish("first"), on.publish("second")
    assert resolve(on, second.arn, first.arn) == (to_ref(second), to_ref(first))


def test_no_layers_are_fine(on: Shelf) -> None:
    assert resolve(on) == ()


def test_five_are_the_most(on: Shelf) -> None:
    arns = [on.publish(f"layer-{number}").arn for number in range(6)]
    assert len(resolve(on, *arns[:5])) == 5
    assert refusal(on, *arns) == "Cannot reference more than 5 layers."


def test_too_many_are_refused_before_anything_else(on: Shelf) -> None:
    missing = f"arn:aws:lambda:us-east-1:{ACCOUNT}:layer:missing:1"
    assert refusal(on, *[missing] * 6) == "Cannot reference more than 5 layers."


def test_two_versions_of_one_layer_are_refused(on: Shelf) -> None:
    one, two = on.publish(), on.publish()
    assert refusal(on, one.arn, two.arn) == (
        "Two different versions of the same layer are not allowed to be referenced in the same "
        f"function. {one.arn} and {two.arn} are versions of the same layer."
    )


def test_one_version_twice_is_refused(on: Shelf) -> None:
    one = on.publish()
    assert refusal(on, one.arn, one.arn) == (
        "Two different versions of the same layer are not allowed to be referenced in the same "
        f"function. {one.arn} and {one.arn} are versions of the same layer."
    )


def test_a_version_that_is_not_there_is_named(on: Shelf) -> None:
    missing = f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:shared:9"
    assert refusal(on, missing) == f"Layer version {missing} does not exist."
    assert refusal(on, missing, missing) == f"Layer version {missing} does not exist."


@pytest.mark.parametrize("text", ["arn:aws:lambda:::awslayer:AmazonLinux1803", "shared"])
def test_what_names_no_version_does_not_exist(on: Shelf, text: str) -> None:
    assert refusal(on, text) == f"Layer version {text} does not exist."


def test_layers_come_from_the_function_s_region(on: Shelf) -> None:
    elsewhere = f"arn:aws:lambda:us-east-1:{ACCOUNT}:layer:shared:1"
    assert refusal(on, elsewhere) == (
        "Layers are not in the same region as the function. "
        f"Layers are expected to be in region {REGION}."
    )


class TestOfAnotherAccount:
    def denied(self, on: Shelf, text: str) -> str:
        with pytest.raises(AccessDenied) as raised:
            on.attaching.resolve(
                OTHER, REGION, [text], principal_arn=f"arn:aws:iam::{OTHER}:user/ann"
            )
        return raised.value.message

    def test_without_a_grant_it_is_refused(self, on: Shelf) -> None:
        version = on.publish()
        assert self.denied(on, version.arn) == (
            f"User: arn:aws:iam::{OTHER}:user/ann is not authorized to perform: "
            f"lambda:GetLayerVersion on resource: {version.arn} because no resource-based policy "
            "allows the lambda:GetLayerVersion action"
        )

    def test_whether_it_exists_is_not_told(self, on: Shelf) -> None:
        assert "not authorized" in self.denied(
            on, f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:shared:9"
        )

    @pytest.mark.parametrize(
        ("principal", "organization"), [(OTHER, None), ("*", None), ("*", ORGANIZATION)]
    )
    def test_with_a_grant_it_is_kept(
        self, on: Shelf, principal: str, organization: str | None
    ) -> None:
        version = on.publish()
        on.grant(version, principal, organization)
        assert on.attaching.resolve(OTHER, REGION, [version.arn]) == (to_ref(version),)

    def test_a_revoked_version_stays_until_the_list_changes(self, on: Shelf) -> None:
        version, own = on.publish(), on.publish("own", account=OTHER)
        on.grant(version, OTHER)
        had = on.attaching.resolve(OTHER, REGION, [version.arn])
        on.policies.remove(ACCOUNT, REGION, "shared", 1, "grant", None)
        assert on.attaching.resolve(OTHER, REGION, [version.arn], keep=had) == had
        with pytest.raises(AccessDenied):
            on.attaching.resolve(OTHER, REGION, [version.arn, own.arn], keep=had)
        assert on.attaching.resolve(OTHER, REGION, [own.arn], keep=had) == (to_ref(own),)


def test_a_deleted_version_stays_until_the_list_changes(on: Shelf) -> None:
    gone, other = on.publish("gone"), on.publish("other")
    had = resolve(on, gone.arn)
    on.publishing.delete(asker(), layer("gone"), 1)
    assert resolve(on, gone.arn, keep=had) == had
    assert refusal(on, gone.arn) == f"Layer version {gone.arn} does not exist."
    assert refusal(on, gone.arn, other.arn, keep=had).endswith("does not exist.")
    assert resolve(on, keep=had) == ()


def test_function_and_layers_share_250_megabytes() -> None:
    ref = LayerRef(arn="a", digest="d", code_size=1, unzipped_size=200_000_000)
    check_unzipped(62_144_000, (ref,))
    with pytest.raises(UnzippedTooLarge) as raised:
        check_unzipped(62_144_001, (ref,))
    assert raised.value.message == "Unzipped size must be smaller than 262144000 bytes"
