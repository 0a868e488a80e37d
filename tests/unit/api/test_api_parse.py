"""Bodies and headers of the wrong form are answered in the words of AWS's parser."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from lamella.api.contract import Contract
from lamella.api.parse import parse_query
from lamella.errors import SerializationFailed

CONTRACT = Contract.of_lambda()


def parsed(name: str, body: Any, labels: tuple[str, ...] = (), query: str = "") -> dict[str, Any]:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    parts = parse_query(query.encode())
    return CONTRACT.operations[name].parse(labels, parts, {}, content)


def test_members_that_are_not_known_are_passed_over() -> None:
    assert parsed("CreateFunction", {"FunctionName": "f", "Colour": {"a": [1]}}) == {
        "FunctionName": "f"
    }


def test_a_member_that_is_null_is_absent() -> None:
    assert parsed("CreateFunction", {"FunctionName": None, "VpcConfig": {"SubnetIds": None}}) == {
        "VpcConfig": {}
    }


def test_no_body_is_an_empty_input() -> None:
    assert parsed("CreateFunction", b"") == {}


def test_a_payload_passes_through_as_it_came() -> None:
    body = b'{"a" :  1}'
    payload = CONTRACT.operations["Invoke"].parse(["f"], {}, {}, body)["Payload"]
    assert payload is body


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"Timeout": "3"}, "STRING_VALUE can not be converted to an Integer"),
        ({"Timeout": True}, "TRUE_VALUE can not be converted to an Integer"),
        ({"Publish": 1}, "NUMBER_VALUE can not be converted to a Boolean"),
        ({"FunctionName": 1}, "NUMBER_VALUE can not be converted to a String"),
        ({"FunctionName": False}, "FALSE_VALUE can not be converted to a String"),
        ({"FunctionName": {}}, "Start of structure or map found where not expected."),
        ({"FunctionName": []}, "Start of list found where not expected"),
        ({"Code": "x"}, "Expected null"),
        ({"Layers": "x"}, "Expected list or null"),
        ({"Layers": {}}, "Start of structure or map found where not expected."),
        ({"Tags": 1}, "Expected map or null"),
        ([], "Start of list found where not expected"),
        ("x", "Expected null"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(body: Any, message: str) -> None:
    with pytest.raises(SerializationFailed) as refused:
        parsed("CreateFunction", body)
    assert refused.value.message == message


@pytest.mark.parametrize("zipped", ["a", "a===", "é", "!!!!", "QUJD\nQUJD"])
def test_base64_that_does_not_decode_is_refused(zipped: str) -> None:
    with pytest.raises(SerializationFailed, match="base64"):
        parsed("CreateFunction", {"Code": {"ZipFile": zipped}})


def test_a_body_that_is_not_json_is_refused() -> None:
    with pytest.raises(SerializationFailed, match="Could not parse request body into json: "):
        parsed("CreateFunction", b"{")


def test_a_number_with_a_fraction_loses_it() -> None:
    assert parsed("CreateFunction", {"Timeout": 3.9}) == {"Timeout": 3}


@pytest.mark.parametrize("number", [2**31, -(2**31) - 1, 1e30, 1e300])
def test_a_number_has_as_many_bits_as_its_kind(number: float) -> None:
    with pytest.raises(
        SerializationFailed, match="NUMBER_VALUE can not be converted to an Integer"
    ):
        parsed("CreateFunction", {"Timeout": number})
    assert parsed("CreateFunction", {"Timeout": 2**31 - 1}) == {"Timeout": 2**31 - 1}


@pytest.mark.parametrize("text", ["9" * 25, "1_0", " 1", "%D9%A1", "1.0", "nan", ""])
def test_a_number_in_a_path_or_query_is_written_plainly(text: str) -> None:
    with pytest.raises(SerializationFailed):
        parsed("ListLayers", b"", (), f"MaxItems={text}")
    with pytest.raises(SerializationFailed):
        parsed("GetLayerVersion", b"", ("l", text))


def test_a_boolean_may_come_as_text() -> None:
    assert parsed("CreateFunction", {"Publish": "true"}) == {"Publish": True}


def test_query_values_are_converted() -> None:
    read = parsed("UntagResource", b"", ("arn",), "tagKeys=a&tagKeys=b+c%2F")
    assert read == {"Resource": "arn", "TagKeys": ["a", "b c/"]}
    assert parsed("ListLayers", b"", (), "MaxItems=5") == {"MaxItems": 5}
    with pytest.raises(SerializationFailed, match="can not be converted to an Integer"):
        parsed("ListLayers", b"", (), "MaxItems=five")


def test_times_in_a_query_come_in_any_of_the_formats() -> None:
    name = "ListDurableExecutionsByFunction"
    for written in ("1700000000", "2023-11-14T22:13:20Z", "2023-11-14T22:13:20%2B00:00"):
        read = parsed(name, b"", ("f",), f"StartedAfter={written}")
        assert read["StartedAfter"].timestamp() == 1_700_000_000
    with pytest.raises(SerializationFailed, match="a Date"):
        parsed(name, b"", ("f",), "StartedAfter=soon")


def test_a_label_that_is_no_number_is_refused() -> None:
    with pytest.raises(SerializationFailed, match="can not be converted to a Long"):
        parsed("GetLayerVersion", b"", ("l", "one"))
