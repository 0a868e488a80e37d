"""The laws find what they are for: an answer that is wrong breaks one."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel

from tests.fuzz import laws
from tests.fuzz.faults import Fault
from tests.fuzz.wire import Answer

MODEL: Any = ServiceModel(Loader().load_service_model("lambda", "service-2"), "lambda")
FAULT = Fault(("MaxItems",), 0, "maxItems", "Member must have value greater than or equal to 1")


def error(status: int, code: str, message: str) -> Answer:
    headers = {"x-amzn-errortype": code, "x-amzn-requestid": "r"}
    return Answer(status, headers, b'{"message": "%s"}' % message.encode())


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200),
        error(404, "ResourceNotFoundException", "no"),
        error(502, "InvalidRuntimeException", "no such runtime"),
        Answer(
            400, {"content-type": "text/plain; charset=utf-8"}, b"Invalid HTTP request received."
        ),
    ],
)
def test_these_are_well(answer: Answer) -> None:
    assert laws.any_answer(answer) is None


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (error(500, "ServiceException", "oh"), "a fault of the server"),
        (error(503, "ServiceException", "oh"), "a fault of the server"),
        (error(502, "Other", "oh"), "a fault of the server"),
        (Answer(404, {}, b"{}"), "no request id"),
        (Answer(404, {"x-amzn-requestid": "r"}, b"{}"), "not a well-formed error"),
        (Answer(404, {"x-amzn-requestid": "r"}, b"<html>"), "not a well-formed error"),
        (error(404, "", "no code"), "not a well-formed error"),
        (error(404, "X", ""), "not a well-formed error"),
    ],
)
def test_these_are_not(answer: Answer, why: str) -> None:
    assert laws.any_answer(answer) == why


def test_only_what_is_refused_may_say_that_it_is_not_there() -> None:
    refused = error(501, "NotImplementedException", "GetCapacityProvider is not served")
    name = "GetCapacityProvider"
    assert laws.any_answer(refused, name, refused={name}) is None
    assert laws.any_answer(refused, name, refused=()) == "a fault of the server"
    assert laws.any_answer(refused, "Other", refused={"Other"}) == "a fault of the server"
    assert laws.any_answer(refused) is None


def test_errors_in_xml_are_read() -> None:
    body = b'<ErrorResponse xmlns="x"><Error><Code>C</Code><Message>m</Message></Error></ErrorResponse>'
    assert laws.told(Answer(400, {"x-amzn-requestid": "r"}, body)) == ("C", "m")


def test_a_fault_is_named_with_its_member() -> None:
    named = f"1 validation error detected: Value '0' at 'maxItems' failed: {FAULT.says}"
    assert laws.invalid(error(400, "ValidationException", named), FAULT) is None
    assert laws.invalid(error(404, "ResourceNotFoundException", named), FAULT) is not None
    assert laws.invalid(error(400, "ValidationException", "bad request"), FAULT) is not None
    elsewhere = named.replace("maxItems", "marker")
    assert laws.invalid(error(400, "ValidationException", elsewhere), FAULT) is not None


def test_a_wrong_type_is_called_that() -> None:
    fault = Fault(("MaxItems",), "many", "", "")
    assert laws.invalid(error(400, "SerializationException", "no"), fault) is None
    assert laws.invalid(error(400, "ValidationException", "no"), fault) is not None


def test_nothing_is_said_against_a_valid_request() -> None:
    assert laws.valid(error(400, "InvalidParameterValueException", "a rule")) is None
    assert laws.valid(error(400, "SerializationException", "x")) is not None
    said = "Value 'a' at 'name' failed to satisfy constraint: X"
    assert laws.valid(error(400, "ValidationException", said)) is not None


def test_results_have_the_members_of_the_model() -> None:
    operation = MODEL.operation_model("GetAccountSettings")
    assert laws.result(Answer(200, {}, b'{"AccountLimit": {}}'), operation) is None
    assert laws.result(Answer(200, {}, b'{"Colour": 1}'), operation) is not None
    assert laws.result(Answer(200, {}, b"not JSON"), operation) is not None
    assert laws.result(Answer(204, {}, b"x"), operation) is not None


@pytest.mark.parametrize(
    ("name", "body", "why"),
    [
        ("GetAccountSettings", '{"AccountLimit": []}', "is not a structure"),
        ("GetAccountSettings", '{"AccountUsage": {"FunctionCount": true}}', "is not a long"),
        ("GetAccountSettings", '{"AccountUsage": {"Colour": 1}}', "has no Colour"),
        ("GetFunctionRecursionConfig", '{"RecursiveLoop": "Perhaps"}', "is none of"),
        ("ListLayers", '{"Layers": [{"LayerName": "a b"}]}', "is not like"),
        ("ListTags", '{"Tags": {"a": 1}}', "is not a string"),
        ("GetRuntimeManagementConfig", '{"UpdateRuntimeOn": 1}', "is not a string"),
        ("PutRuntimeManagementConfig", '{"UpdateRuntimeOn": "Auto"}', "lacks FunctionArn"),
    ],
)
def test_results_are_what_the_model_says_all_the_way_down(name: str, body: str, why: str) -> None:
    found = laws.result(Answer(200, {}, body.encode()), MODEL.operation_model(name))
    assert why in (found or "")


def test_errors_are_those_that_the_model_has() -> None:
    operation = MODEL.operation_model("GetFunction")
    assert laws.documented(error(404, "ResourceNotFoundException", "no"), operation) is None
    assert laws.documented(error(400, "ValidationException", "no"), operation) is None
    assert laws.documented(error(412, "PreconditionFailedException", "no"), operation) is not None
    assert laws.documented(Answer(200), operation) is None


def test_urls_answer_what_their_function_does() -> None:
    mine = {"x-amzn-requestid": "r"}
    assert laws.of_url(Answer(502, mine, b"Internal Server Error")) is None
    assert laws.of_url(Answer(403, mine, b'{"Message":null}')) is None
    assert laws.of_url(Answer(500, mine)) == "a fault of the server"
    assert laws.of_url(Answer(200)) == "no request id"
