"""Errors have the body their shape has; results that are not the model's are mistakes."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel

from lamella import errors
from lamella.api.contract import Contract

CONTRACT = Contract.of_lambda()


def answered(error: errors.ApiError) -> tuple[int, dict[bytes, bytes], Any]:
    response = CONTRACT.error(error)
    return response.status, dict(response.headers), orjson.loads(response.body)


def test_an_error_of_the_model_has_the_members_of_its_shape() -> None:
    assert answered(errors.ResourceNotFound("gone")) == (
        404,
        {b"content-type": b"application/json", b"x-amzn-errortype": b"ResourceNotFoundException"},
        {"Type": "User", "Message": "gone"},
    )
    assert answered(errors.InvalidParameterValue("no"))[2] == {"Type": "User", "message": "no"}
    assert answered(errors.ServiceError("oh"))[2] == {"Type": "Service", "Message": "oh"}


def test_an_error_of_the_front_has_a_message_alone() -> None:
    assert answered(errors.ValidationFailed("1 validation error"))[2] == {
        "message": "1 validation error"
    }


def test_a_throttle_says_why_and_when_to_come_back() -> None:
    error = errors.TooManyRequests(
        "Rate Exceeded.", Reason="ReservedFunctionConcurrentInvocationLimitExceeded",
        retryAfterSeconds="1",
    )  # fmt: skip
    status, headers, body = answered(error)
    assert (status, headers[b"retry-after"]) == (429, b"1")
    assert body == {
        "Type": "User",
        "message": "Rate Exceeded.",
        "Reason": "ReservedFunctionConcurrentInvocationLimitExceeded",
    }


def test_each_error_has_the_status_and_side_of_its_shape() -> None:
    model = ServiceModel(Loader().load_service_model("lambda", "service-2"), "lambda")
    shapes = {shape.name: shape.metadata["error"] for shape in model.error_shapes}
    seen = set()
    for _, error in inspect.getmembers(errors, inspect.isclass):
        if not issubclass(error, errors.ApiError) or issubclass(error, errors.LogsError):
            continue
        if error.code in shapes:
            assert error.status == shapes[error.code]["httpStatusCode"], error.code
            by_sender = shapes[error.code].get("senderFault", False)
            assert (error.side == "User") == by_sender or error is errors.ApiError, error.code
            seen.add(error.code)
    assert len(seen) > 10


def test_a_result_goes_to_status_headers_and_payload() -> None:
    response = CONTRACT.operations["Invoke"].serialise(
        {"StatusCode": 200, "FunctionError": "Unhandled", "LogResult": None, "Payload": b"{}"}
    )
    assert response.status == 200
    assert (b"x-amz-function-error", b"Unhandled") in response.headers
    assert not any(name == b"x-amz-log-result" for name, _ in response.headers)
    assert response.body == b"{}"


def test_members_that_are_none_are_left_out() -> None:
    response = CONTRACT.operations["PublishLayerVersion"].serialise(
        {"Version": 1, "LicenseInfo": None, "CompatibleRuntimes": [], "Content": {"CodeSize": None}}
    )
    assert response.status == 201
    assert orjson.loads(response.body) == {"Version": 1, "CompatibleRuntimes": [], "Content": {}}


def test_times_and_bytes_have_the_form_of_the_protocol() -> None:
    response = CONTRACT.operations["GetEventSourceMapping"].serialise(
        {"LastModified": datetime.fromtimestamp(1_700_000_000, UTC)}
    )
    assert orjson.loads(response.body) == {"LastModified": 1_700_000_000}


def test_an_operation_without_a_result_answers_without_a_body() -> None:
    response = CONTRACT.operations["DeleteLayerVersion"].serialise({})
    assert (response.status, response.body) == (204, b"")
    assert CONTRACT.operations["DeleteFunction"].serialise({"StatusCode": 204}).status == 204


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("DeleteLayerVersion", {"Version": 1}),
        ("PublishLayerVersion", {"version": 1}),
        ("PublishLayerVersion", {"Content": {"Size": 1}}),
        ("PublishLayerVersion", {"Version": "1"}),
        ("PublishLayerVersion", {"Version": True}),
        ("PublishLayerVersion", {"Description": b"x"}),
        ("PublishLayerVersion", {"CompatibleRuntimes": "python3.11"}),
    ],
)
def test_a_result_that_is_not_the_models_is_a_mistake(name: str, result: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        CONTRACT.operations[name].serialise(result)
