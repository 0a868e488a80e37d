"""Functions and layers may be named bare, with a qualifier, by partial and by full ARN."""

from __future__ import annotations

import pytest

from lamella.api import names
from lamella.api.caller import Caller
from lamella.errors import AccessDenied, InvalidParameterValue, ResourceNotFound, ValidationFailed

CALLER = Caller(
    "000000000000", "eu-west-1", "http://localhost:4566", "id", "arn:aws:iam::000000000000:root"
)
ARN = "arn:aws:lambda:eu-west-1:000000000000:function:f"


@pytest.mark.parametrize(
    ("text", "qualifier", "expected"),
    [
        ("f", None, None),
        ("f", "", None),
        ("f", "live", "live"),
        ("f:live", None, "live"),
        ("f:live", "live", "live"),
        ("f:$LATEST", None, "$LATEST"),
        ("function:f:7", None, "7"),
        ("000000000000:function:f", None, None),
        ("000000000000:function:f:7", None, "7"),
        ("eu-west-1:000000000000:function:f", None, None),
        (ARN, "7", "7"),
        (f"{ARN}:live", None, "live"),
    ],
)
def test_every_form_of_a_name_is_the_same_function(
    text: str, qualifier: str | None, expected: str | None
) -> None:
    found = names.function(CALLER, text, qualifier, action="GetFunction")
    assert found == names.FunctionRef("f", expected)


def test_two_qualifiers_that_differ_are_refused() -> None:
    with pytest.raises(InvalidParameterValue) as refused:
        names.function(CALLER, "f:live", "7", action="GetFunction")
    assert refused.value.message == (
        "The derived qualifier from the function name does not match the specified qualifier."
    )


def test_another_region_is_out_of_reach() -> None:
    with pytest.raises(ResourceNotFound) as refused:
        names.function(CALLER, ARN.replace("eu-west-1", "us-east-2"), action="GetFunction")
    assert refused.value.message == (
        "Functions from 'us-east-2' are not reachable in this region ('eu-west-1')"
    )


def test_another_account_is_denied_with_principal_action_and_resource() -> None:
    theirs = ARN.replace("000000000000", "111111111111")
    with pytest.raises(AccessDenied) as refused:
        names.function(CALLER, theirs, action="InvokeFunction")
    assert refused.value.message == (
        "User: arn:aws:iam::000000000000:root is not authorized to perform: "
        f"lambda:InvokeFunction on resource: {theirs} because no resource-based policy allows "
        "the lambda:InvokeFunction action"
    )


@pytest.mark.parametrize(
    ("text", "owner"),
    [
        ("f", "000000000000"),
        (ARN, "000000000000"),
        (ARN.replace("000000000000", "111111111111"), "111111111111"),
        ("111111111111:function:f:live", "111111111111"),
        ("a.b", "000000000000"),
    ],
)
def test_whose_function_a_name_means(text: str, owner: str) -> None:
    assert names.owner(text, CALLER.account) == owner


def test_a_name_in_an_arn_is_no_longer_than_a_bare_one() -> None:
    with pytest.raises(ValidationFailed, match="less than or equal to 64"):
        names.function(CALLER, ARN + "f" * 64, action="GetFunction")


def test_a_name_that_no_function_can_have_is_not_found() -> None:
    with pytest.raises(ResourceNotFound, match=r"Function not found: arn:.*:function:a\.b"):
        names.function(CALLER, "a.b", action="GetFunction")


def test_a_layer_is_named_bare_or_by_arn() -> None:
    arn = "arn:aws:lambda:eu-west-1:111111111111:layer:shared"
    mine = names.layer(CALLER, "shared")
    assert (mine.account, mine.region, mine.name, mine.version) == (
        "000000000000",
        "eu-west-1",
        "shared",
        None,
    )
    assert names.layer(CALLER, arn).account == "111111111111"
    assert names.layer(CALLER, arn.replace("arn:aws:", "arn::")).account == "111111111111"
    with pytest.raises(ResourceNotFound, match="The resource you requested does not exist"):
        names.layer(CALLER, "arn:aws:lambda:::awslayer:AmazonLinux1803")
    with pytest.raises(ResourceNotFound):
        names.layer(CALLER, arn.replace("eu-west-1", "us-east-2"))
