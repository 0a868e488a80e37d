"""Tags: what may be added and removed, and what an ARN means."""

from __future__ import annotations

import pytest

from lamella.errors import InvalidParameterValue, ResourceNotFound
from lamella.functions import tags
from lamella.model.document import DocumentKey, Kind

ACCOUNT, REGION = "000000000000", "eu-west-1"
CSC = f"arn:aws:lambda:{REGION}:{ACCOUNT}:code-signing-config:csc-0123456789abcdefg"
RESERVED = "aws: prefixed tag key names are not allowed for external use."


def many(number: int) -> dict[str, str]:
    return {str(key): "" for key in range(number)}


def test_fifty_tags_pass_and_one_more_does_not() -> None:
    tags.check(many(50))
    with pytest.raises(
        InvalidParameterValue, match=r"^Number of tags exceeds resource tag limit.$"
    ):
        tags.check(many(51))


def test_tags_are_added_to_those_that_are_there() -> None:
    assert tags.adding({"a": "2", "b": ""})({"a": "1", "c": "3"}) == {"a": "2", "b": "", "c": "3"}


def test_the_limit_counts_what_is_there() -> None:
    assert len(tags.adding({"0": "changed"})(many(50))) == 50
    with pytest.raises(InvalidParameterValue):
        tags.adding({"one more": ""})(many(50))


def test_no_tags_are_not_added() -> None:
    with pytest.raises(InvalidParameterValue, match="the request cannot be processed"):
        tags.adding({})


@pytest.mark.parametrize("key", ["aws:", "aws:cloudformation:stack-name", "AWS:x"])
def test_keys_of_aws_are_refused(key: str) -> None:
    for refused in (
        lambda: tags.check({key: ""}),
        lambda: tags.adding({key: ""}),
        lambda: tags.removing([key]),
    ):
        with pytest.raises(InvalidParameterValue) as found:
            refused()
        assert str(found.value) == RESERVED


def test_keys_that_only_look_alike_pass() -> None:
    tags.check({"aws": "", "awsome:x": "", "x:aws:": ""})


def test_what_is_not_there_is_removed_already() -> None:
    assert tags.removing(["a", "z"])({"a": "1", "b": "2"}) == {"b": "2"}


def test_an_arn_means_a_resource() -> None:
    found = tags.resource(ACCOUNT, REGION, CSC)
    at = DocumentKey(Kind.CODE_SIGNING, ACCOUNT, REGION, "csc-0123456789abcdefg")
    assert (found.at, found.arn) == (at, CSC)
    assert found.tags_at == DocumentKey(Kind.TAGS, ACCOUNT, REGION, CSC)


def test_a_mapping_is_the_same_in_either_case_of_letters() -> None:
    upper = f"arn:aws:lambda:{REGION}:{ACCOUNT}:event-source-mapping:ABCDEF"
    assert tags.resource(ACCOUNT, REGION, upper).at.name == "abcdef"


@pytest.mark.parametrize(
    "arn",
    [
        CSC.replace(ACCOUNT, "111111111111"),
        CSC.replace(REGION, "us-east-1"),
        f"arn:aws:lambda:{REGION}:{ACCOUNT}:capacity-provider:one",
        f"arn:aws:lambda:{REGION}:{ACCOUNT}:network-connector:one",
        "not an ARN",
    ],
)
def test_other_resources_are_not_there(arn: str) -> None:
    with pytest.raises(ResourceNotFound, match=r"^The resource you requested does not exist.$"):
        tags.resource(ACCOUNT, REGION, arn)
