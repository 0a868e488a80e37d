"""JSON 1.1, on CloudWatch Logs' model."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.api.protocols.json11 import Json11
from lamella.api.protocols.sent import Sent
from lamella.api.serialise import Response
from lamella.errors import (
    ApiError,
    NotBuilt,
    ResourceNotFound,
    SerializationFailed,
    UnknownTarget,
    ValidationFailed,
)
from tests.unit.api.models import model

LOGS = Json11(model("logs"))


def sent(value: Any, target: str = "Logs_20140328.CreateLogGroup") -> Sent:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Sent({}, {b"x-amz-target": target.encode()}, body)


def test_an_operation_is_named_by_its_target() -> None:
    assert LOGS.operation(sent({})) == "CreateLogGroup"


@pytest.mark.parametrize(
    "target", ["", "CreateLogGroup", "Logs_20140328.Fly", "Other.PutLogEvents"]
)
def test_a_target_that_is_no_operation_is_refused(target: str) -> None:
    with pytest.raises(UnknownTarget) as refused:
        LOGS.operation(sent({}, target))
    assert (refused.value.code, refused.value.status) == ("UnknownOperationException", 400)


def test_an_input_is_read_and_valid() -> None:
    wanted = {"logGroupName": "/aws/lambda/f", "tags": {"a": "b"}}
    assert LOGS.read("CreateLogGroup", sent({**wanted, "colour": 1, "kmsKeyId": None})) == wanted
    assert LOGS.read("DescribeLogGroups", sent(b"")) == {}


@pytest.mark.parametrize("body", [b"{", b"[]", b"1", b'{"logGroupName": {}}', b"\xff"])
def test_what_cannot_be_read_is_refused(body: bytes) -> None:
    with pytest.raises(SerializationFailed):
        LOGS.read("CreateLogGroup", sent(body))


def test_what_the_model_forbids_is_an_invalid_parameter_of_logs() -> None:
    with pytest.raises(ValidationFailed) as refused:
        LOGS.read("CreateLogGroup", sent({"logGroupName": "a b"}))
    answer = LOGS.error(refused.value, "i")
    assert answer.status == 400
    assert json.loads(answer.body) == {
        "__type": "InvalidParameterException",
        "message": "1 validation error detected: Value 'a b' at 'logGroupName' failed to satisfy "
        "constraint: Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+",
    }


def test_a_result_is_json_by_the_model() -> None:
    answer = LOGS.serialise("DescribeLogGroups", {"logGroups": [{"creationTime": 1}]}, "i")
    assert isinstance(answer, Response)
    assert answer.headers == [(b"content-type", b"application/x-amz-json-1.1")]
    assert json.loads(answer.body) == {"logGroups": [{"creationTime": 1}]}
    assert LOGS.serialise("CreateLogGroup", {}, "i") == Response(200, answer.headers, b"")


@pytest.mark.parametrize("name", ["CreateLogGroup", "DescribeLogGroups"])
def test_a_result_that_is_not_the_models_is_a_mistake(name: str) -> None:
    with pytest.raises(ValueError, match="colour"):
        LOGS.serialise(name, {"colour": "red"}, "i")


@pytest.mark.parametrize(
    "error", [ResourceNotFound("The specified log group does not exist."), NotBuilt("Later.")]
)
def test_an_error_has_its_type_in_header_and_body(error: ApiError) -> None:
    answer = LOGS.error(error, "i")
    assert answer.status == error.status
    assert (b"x-amzn-errortype", error.code.encode()) in answer.headers
    assert json.loads(answer.body) == {"__type": error.code, "message": error.message}


def test_every_operation_of_the_model_can_be_read_checked_and_written() -> None:
    for name, operation in LOGS.operations.items():
        assert operation.read is not None
        assert operation.validate is not None
        shape = model("logs").operation_model(name).output_shape
        assert (operation.write is None) == (shape is None)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
MEMBERS = st.sampled_from(["logGroupName", "logEvents", "tags", "limit", "timestamp", "message"])


@given(name=st.sampled_from(sorted(LOGS.operations)), value=JSON | st.dictionaries(MEMBERS, JSON))
def test_any_json_is_read_or_refused(name: str, value: Any) -> None:
    try:
        assert isinstance(LOGS.read(name, sent(value)), dict)
    except ApiError as error:
        assert error.status == 400
