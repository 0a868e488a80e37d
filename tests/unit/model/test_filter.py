"""Filter patterns: AWS's documented examples, refusals, and any JSON at all."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.model.filter import PatternRefused, parse, selects

CASES: list[tuple[Any, Any, bool]] = [
    # null, empty, equals, and, or: the table of the Lambda guide
    ({"UserID": [None]}, {"UserID": None}, True),
    ({"UserID": [None]}, {}, False),
    ({"LastName": [""]}, {"LastName": ""}, True),
    ({"Name": ["Alice"]}, {"Name": "Alice"}, True),
    ({"Name": ["Alice"]}, {"Name": "alice"}, False),
    ({"Name": [{"equals-ignore-case": "alice"}]}, {"Name": "ALICE"}, True),
    ({"Location": ["New York"], "Day": ["Monday"]}, {"Location": "New York", "Day": "x"}, False),
    ({"PaymentType": ["Credit", "Debit"]}, {"PaymentType": "Debit"}, True),
    (
        {"$or": [{"Location": ["New York"]}, {"Day": ["Monday"]}]},
        {"Location": "Rome", "Day": "Monday"},
        True,
    ),
    (
        {"$or": [{"Location": ["New York"]}, {"Day": ["Monday"]}]},
        {"Location": "Rome", "Day": "x"},
        False,
    ),
    ({"Weather": [{"anything-but": ["Raining"]}]}, {"Weather": "Sunny"}, True),
    ({"Weather": [{"anything-but": ["Raining"]}]}, {"Weather": "Raining"}, False),
    ({"Weather": [{"anything-but": ["Raining"]}]}, {}, False),
    ({"Price": [{"numeric": ["=", 100]}]}, {"Price": 100.0}, True),
    ({"Price": [{"numeric": [">", 10, "<=", 20]}]}, {"Price": 20}, True),
    ({"Price": [{"numeric": [">", 10, "<=", 20]}]}, {"Price": 10}, False),
    ({"Price": [{"numeric": [">", 10]}]}, {"Price": "11"}, False),
    ({"Price": [{"numeric": ["=", 1]}]}, {"Price": True}, False),
    ({"ProductName": [{"exists": True}]}, {"ProductName": "x"}, True),
    ({"ProductName": [{"exists": True}]}, {}, False),
    ({"ProductName": [{"exists": False}]}, {}, True),
    ({"ProductName": [{"exists": False}]}, {"ProductName": None}, False),
    ({"Region": [{"prefix": "us-"}]}, {"Region": "us-east-1"}, True),
    ({"Region": [{"prefix": {"equals-ignore-case": "US-"}}]}, {"Region": "us-east-1"}, True),
    ({"FileName": [{"suffix": ".png"}]}, {"FileName": "a.png"}, True),
    ({"FileName": [{"suffix": ".png"}]}, {"FileName": "a.PNG"}, False),
    ({"FileName": [{"suffix": {"equals-ignore-case": ".png"}}]}, {"FileName": "a.PNG"}, True),
    ({"F": [{"anything-but": {"prefix": "a"}}]}, {"F": "ba"}, True),
    ({"F": [{"anything-but": {"prefix": ["a", "b"]}}]}, {"F": "ba"}, False),
    ({"F": [{"anything-but": {"wildcard": "*/x/*"}}]}, {"F": "a/x/b"}, False),
    ({"F": [{"wildcard": "a*c*e"}]}, {"F": "abcde"}, True),
    ({"F": [{"wildcard": "a*a"}]}, {"F": "a"}, False),
    ({"F": [{"wildcard": "*"}]}, {"F": ""}, True),
    # within objects and lists
    ({"a": {"b": [1]}}, {"a": {"b": 1}}, True),
    ({"a": {"b": [1]}}, {"a": {"b": [3, 1]}}, True),
    ({"a": {"b": [1]}}, {"a": [{"b": 2}, {"b": 1}]}, True),
    ({"a": {"b": [1]}}, {"a": "b"}, False),
    ({"a": [True]}, {"a": 1}, False),
    ({"a": [1]}, {"a": True}, False),
    ({"a": [{"exists": False}]}, {"a": []}, True),
]


@pytest.mark.parametrize(("pattern", "event", "wanted"), CASES)
def test_a_pattern_selects_what_the_documentation_says(
    pattern: Any, event: Any, wanted: bool
) -> None:
    assert parse(json.dumps(pattern))(event) is wanted


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "1",
        '{"a": 1}',
        '{"a": []}',
        '{"a": [[1]]}',
        '{"a": [{"unknown": 1}]}',
        '{"a": [{"prefix": 1}]}',
        '{"a": [{"prefix": "a", "suffix": "b"}]}',
        '{"a": [{"numeric": ["=", "1"]}]}',
        '{"a": [{"numeric": ["~", 1]}]}',
        '{"a": [{"numeric": [">", 1, "<"]}]}',
        '{"a": [{"exists": 1}]}',
        '{"a": [{"anything-but": []}]}',
        '{"a": [{"anything-but": {"numeric": 1}}]}',
        '{"a": [{"wildcard": "a**b"}]}',
        '{"$or": [{"a": [1]}]}',
        '{"$or": {"a": [1]}}',
        '{"a": ' * 100 + "[1]" + "}" * 100,
    ],
)
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(PatternRefused):
        parse(text)


@pytest.mark.parametrize(
    ("body", "pattern", "wanted"),
    [
        ('{"a": 1}', {"body": {"a": [1]}}, True),
        ('{"a": 2}', {"body": {"a": [1]}}, False),
        ("plain", {"body": {"a": [1]}}, False),
        ("plain", {"body": ["plain"]}, True),
        ("other", {"body": ["plain"]}, False),
        ('{"a": 1}', {"body": ['{"a": 1}']}, False),
        ("plain", {"messageAttributes": {"k": {"stringValue": ["v"]}}}, True),
    ],
)
def test_a_body_is_opened_only_for_patterns_that_look_into_it(
    body: str, pattern: Any, wanted: bool
) -> None:
    record = {"body": body, "messageAttributes": {"k": {"stringValue": "v"}}}
    assert selects((json.dumps(pattern),), record) is wanted
    assert selects((), record)
    assert selects(('{"x": [1]}', json.dumps(pattern)), record) is wanted


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
ANYTHING = st.recursive(
    LEAVES | st.sampled_from(["prefix", "exists", "$or", "numeric", "=", "anything-but"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=12,
)
OPERATORS = st.dictionaries(
    st.sampled_from(["$or", "a", "prefix", "suffix", "numeric", "exists", "anything-but"]),
    ANYTHING,
    max_size=3,
)


@given(OPERATORS, ANYTHING)
def test_any_json_is_a_pattern_or_refused_and_any_event_can_be_asked(
    pattern: Any, event: Any
) -> None:
    try:
        matcher = parse(json.dumps(pattern))
    except PatternRefused:
        return
    assert matcher(event) in (True, False)


@given(st.dictionaries(st.text(max_size=4), LEAVES, min_size=1, max_size=4))
def test_an_event_is_selected_by_its_own_values(event: dict[str, Any]) -> None:
    event.pop("$or", None)
    if event:
        assert parse(json.dumps({name: [value] for name, value in event.items()}))(event)


def test_lists_within_lists_do_not_exhaust_the_stack() -> None:
    matcher = parse('{"a": {"b": [1]}}')
    deep = '{"a": ' + "[" * 900 + '{"b": 1}' + "]" * 900 + "}"
    assert matcher(orjson.loads(deep))
    assert not matcher(orjson.loads(deep.replace('"b": 1', '"b": 2')))
