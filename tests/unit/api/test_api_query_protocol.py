"""Forms read as inputs and results written as XML: held against botocore's own other half."""

from __future__ import annotations

import string
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.parsers import QueryParser
from botocore.serialize import QuerySerializer
from hypothesis import given
from hypothesis import strategies as st

from lamella.api.protocols.query import QueryProtocol
from lamella.api.protocols.sent import Sent
from lamella.errors import (
    AccessDenied,
    ApiError,
    MalformedInput,
    MissingAction,
    ServiceError,
    UnknownAction,
    ValidationFailed,
)
from tests.unit.api.models import model

IAM = QueryProtocol(model("iam"))
ROLE = {"RoleName": "r", "AssumeRolePolicyDocument": '{"a": "&+%"}'}


def sent(form: dict[str, str]) -> Sent:
    return Sent({}, {}, urlencode(form).encode())


def serialised(name: str, given: dict[str, Any]) -> Sent:
    """What botocore sends for an input."""
    request = QuerySerializer().serialize_to_request(given, model("iam").operation_model(name))
    return sent(request["body"])


def parsed(name: str, body: bytes, status: int = 200) -> Any:
    """What botocore makes of a response."""
    shape = model("iam").operation_model(name).output_shape
    response = {"body": body, "headers": {}, "status_code": status}
    return QueryParser().parse(response, shape)


def test_an_input_is_what_botocore_was_given() -> None:
    wanted = {
        **ROLE,
        "MaxSessionDuration": 3600,
        "Tags": [{"Key": f"k{number}", "Value": "é = ü"} for number in range(12)],
    }
    came = serialised("CreateRole", wanted)
    assert IAM.operation(came) == "CreateRole"
    assert IAM.read("CreateRole", came) == wanted


def test_parameters_may_stand_in_the_url() -> None:
    came = Sent({"Action": ["GetUser"], "Version": ["2010-05-08"], "UserName": ["u"]}, {}, b"")
    assert IAM.read(IAM.operation(came), came) == {"UserName": "u"}


def test_items_are_in_the_order_of_their_numbers() -> None:
    form = {f"Tags.member.{n}.{part}": f"{n}" for n in (11, 2, 1) for part in ("Key", "Value")}
    read = IAM.read("TagRole", sent({"RoleName": "r", **form}))
    assert [tag["Key"] for tag in read["Tags"]] == ["1", "2", "11"]


def test_a_list_without_items_is_empty() -> None:
    assert IAM.read("TagRole", sent({"RoleName": "r", "Tags": ""}))["Tags"] == []


def test_what_the_model_does_not_know_is_ignored() -> None:
    assert IAM.read("GetRole", sent({"RoleName": "r", "Colour": "red", "A.b.c": "d"})) == {
        "RoleName": "r"
    }


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"MaxItems": "ten"}, "The value of MaxItems can not be converted to a integer."),
        ({"MaxItems": "1_0"}, "The value of MaxItems can not be converted to a integer."),
        ({"MaxItems": ""}, "The value of MaxItems can not be converted to a integer."),
        ({".".join("x" * 40): ""}, "A parameter's name has more than 32 parts."),
    ],
)
def test_a_form_that_cannot_be_read_is_refused(form: dict[str, str], message: str) -> None:
    with pytest.raises(MalformedInput) as refused:
        IAM.read("ListRoles", sent(form))
    assert refused.value.message == message


@pytest.mark.parametrize("number", ["0", "x", "-1", "1e3", "9999999", "٣"])
def test_what_is_no_number_of_an_item_is_refused(number: str) -> None:
    with pytest.raises(MalformedInput, match="is not the number of an item of Tags"):
        IAM.read("TagRole", sent({"RoleName": "r", f"Tags.member.{number}.Key": "k"}))


def test_a_form_has_a_thousand_parameters_at_most() -> None:
    form = {f"p{number}": "" for number in range(998)}
    assert IAM.read("GetRole", sent({"RoleName": "r", "x": "", **form})) == {"RoleName": "r"}
    with pytest.raises(MalformedInput, match="A form may have 1000 parameters"):
        IAM.read("GetRole", sent({"RoleName": "r", "x": "", "y": "", **form}))


def test_an_input_is_validated() -> None:
    with pytest.raises(ValidationFailed) as refused:
        IAM.read("CreateRole", sent({"RoleName": "r" * 65}))
    assert refused.value.message == (
        f"2 validation errors detected: Value '{'r' * 65}' at 'roleName' failed to satisfy "
        "constraint: Member must have length less than or equal to 64; Value null at "
        "'assumeRolePolicyDocument' failed to satisfy constraint: Member must not be null"
    )


def test_an_operation_is_named_by_action_and_version() -> None:
    with pytest.raises(MissingAction):
        IAM.operation(sent({}))
    with pytest.raises(UnknownAction) as refused:
        IAM.operation(sent({"Action": "Fly", "Version": "2010-05-08"}))
    assert refused.value.message == "Could not find operation Fly for version 2010-05-08"
    with pytest.raises(UnknownAction):
        IAM.operation(sent({"Action": "GetRole", "Version": "2011-06-15"}))


def test_a_result_is_what_botocore_reads() -> None:
    made = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
    role = {
        "Path": "/",
        "RoleName": "r<&>\r\n",
        "RoleId": "AROA",
        "Arn": "arn",
        "CreateDate": made,
        "MaxSessionDuration": 3600,
        "Description": None,
        "Tags": [{"Key": "a", "Value": ""}, {"Key": "b", "Value": "é"}],
    }
    answer = IAM.serialise("GetRole", {"Role": role}, "the-id")
    assert answer.status == 200
    assert answer.headers == [(b"content-type", b"text/xml")]
    read = parsed("GetRole", answer.body)
    assert read["ResponseMetadata"]["RequestId"] == "the-id"
    assert read["Role"] == {key: value for key, value in role.items() if value is not None}


def test_flags_and_maps_are_written() -> None:
    listed = IAM.serialise("ListRoles", {"Roles": [], "IsTruncated": True}, "i")
    assert parsed("ListRoles", listed.body)["IsTruncated"] is True
    summary = IAM.serialise("GetAccountSummary", {"SummaryMap": {"Roles": 2}}, "i")
    assert parsed("GetAccountSummary", summary.body)["SummaryMap"] == {"Roles": 2}


def test_an_operation_without_a_result_has_an_answer() -> None:
    answer = IAM.serialise("DeleteRole", {}, "the-id")
    assert answer.body == (
        b'<DeleteRoleResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ResponseMetadata>'
        b"<RequestId>the-id</RequestId></ResponseMetadata></DeleteRoleResponse>\n"
    )


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("DeleteRole", {"Colour": "red"}),
        ("GetRole", {"Colour": "red"}),
        ("GetRole", {"Role": {"Colour": "red"}}),
        ("GetRole", {"Role": {"MaxSessionDuration": "3600"}}),
        ("GetRole", {"Role": {"RoleName": 1}}),
        ("ListRoles", {"IsTruncated": 1}),
    ],
)
def test_a_result_that_is_not_the_models_is_a_mistake(name: str, result: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"red|Colour|is not a"):
        IAM.serialise(name, result, "i")


@pytest.mark.parametrize(
    ("error", "code", "side"),
    [
        (AccessDenied("no\x00 <b>"), "AccessDenied", "Sender"),
        (ValidationFailed("no\x00 <b>"), "ValidationError", "Sender"),
        (MalformedInput("no\x00 <b>"), "MalformedInput", "Sender"),
        (ServiceError("no\x00 <b>"), "InternalFailure", "Receiver"),
    ],
)
def test_an_error_is_what_botocore_reads(error: ApiError, code: str, side: str) -> None:
    answer = IAM.error(error, "the-id")
    assert answer.status == error.status
    read = parsed("GetRole", answer.body, answer.status)
    assert read["Error"] == {"Type": side, "Code": code, "Message": "no\ufffd <b>"}
    assert read["ResponseMetadata"]["RequestId"] == "the-id"


@pytest.mark.parametrize("name", ["iam", "sts"])
def test_the_models_give_no_names_of_their_own(name: str) -> None:
    shapes = [model(name).shape_for(each) for each in model(name).shape_names]
    for shape in shapes:
        inner = list(shape.members.values()) if shape.type_name == "structure" else []
        inner += [shape.member] if shape.type_name == "list" else []
        inner += [shape.key, shape.value] if shape.type_name == "map" else []
        assert [each.serialization for each in (shape, *inner) if each.serialization] == []


@pytest.mark.parametrize("name", ["iam", "sts"])
def test_every_input_of_the_models_can_be_checked(name: str) -> None:
    protocol = QueryProtocol(model(name))
    for operation in protocol.operations.values():
        assert operation.validate is not None


WORDS = st.sampled_from(
    ["Tags", "member", "1", "2", "Key", "Value", "RoleName", "MaxSessionDuration", "entry", "", "0"]
)
NAMES = st.lists(WORDS | st.text(max_size=3), min_size=1, max_size=6).map(".".join)
VALUES = st.text(max_size=8) | st.sampled_from(["1", "true", "2026-01-01", "r", "{}"])


@given(
    name=st.sampled_from(sorted(IAM.operations)),
    form=st.dictionaries(NAMES, VALUES, max_size=8),
)
def test_any_form_is_read_or_refused(name: str, form: dict[str, str]) -> None:
    try:
        assert isinstance(IAM.read(name, sent(form)), dict)
    except ApiError as error:
        assert error.status == 400
        parsed("GetRole", IAM.error(error, "i").body, 400)


@given(body=st.binary(max_size=60) | st.text(string.printable, max_size=60).map(str.encode))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    try:
        IAM.read("CreateRole", Sent({}, {}, body))
    except ApiError as error:
        assert error.status == 400


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_written_as_xml(text: str) -> None:
    answer = IAM.serialise("GetRole", {"Role": {"Description": text}}, "i")
    read = parsed("GetRole", answer.body)["Role"]["Description"]
    assert len(read) == len(text)
    assert all(a == b or b == "\ufffd" for a, b in zip(text, read, strict=True))
