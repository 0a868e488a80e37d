"""Filter patterns of CloudWatch Logs: the documentation's examples, refusals, and any text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.logs.pattern import PatternRefused, parse

EVENT = (
    '{"eventType": "UpdateTrail", "sourceIPAddress": "111.111.111.111", "errorCode": 400, "ok": true,'
    ' "none": null, "arrayKey": ["value", "another value"], "objectList": [{"name": "a", "id": 1},'
    ' {"name": "b", "id": 2}], "spaced key": 1}'
)
LINE = '127.0.0.1 - frank [10/Oct/2000:13:25:19 -0700] "GET /index.html HTTP/1.0" 404 1534'

CASES = [
    ("", "anything", True),
    ("ERROR", "[ERROR] it broke", True),
    ("ERROR", "[error] it broke", False),
    ("ERROR ARGUMENTS", "ERROR: INVALID ARGUMENTS", True),
    ("ERROR ARGUMENTS", "ERROR: nothing", False),
    ("?ERROR ?ARGUMENTS", "ARGUMENTS only", True),
    ("?ERROR ?ARGUMENTS", "none of them", False),
    ("ERROR -ARGUMENTS", "ERROR: nothing", True),
    ("ERROR -ARGUMENTS", "ERROR: ARGUMENTS", False),
    ('"INTERNAL SERVER ERROR"', "INTERNAL SERVER ERROR 500", True),
    ('"INTERNAL SERVER ERROR"', "INTERNAL ERROR SERVER", False),
    (r'"say \"hi\""', 'they say "hi"', True),
    ("%ERROR%", "an ERROR", True),
    (r"%\d{3}%", "status 404", True),
    (r"%^\d%", "status 404", False),
    ('{ $.eventType = "UpdateTrail" }', EVENT, True),
    ('{ $.eventType != "UpdateTrail" }', EVENT, False),
    ('{ $.eventType = "Update*" }', EVENT, True),
    ("{ $.eventType = UpdateTrail }", EVENT, True),
    ('{ $.sourceIPAddress != "123.123.*" }', EVENT, True),
    ('{ $.arrayKey[0] = "value" }', EVENT, True),
    ('{ $.objectList[1].id = 2 && $.objectList[0].name = "a" }', EVENT, True),
    ("{ $.errorCode >= 400 && $.errorCode < 500 }", EVENT, True),
    ("{ $.errorCode > 400 }", EVENT, False),
    ("{ $.errorCode = 400.0 }", EVENT, True),
    ("{ $.ok IS TRUE }", EVENT, True),
    ("{ $.ok IS FALSE }", EVENT, False),
    ("{ $.none IS NULL }", EVENT, True),
    ("{ $.ok EXISTS }", EVENT, True),
    ("{ $.missing NOT EXISTS }", EVENT, True),
    ("{ $.missing = 1 || ($.ok IS TRUE && $.errorCode = 400) }", EVENT, True),
    ("{ !($.ok IS TRUE) }", EVENT, False),
    ("{ $['spaced key'] = 1 }", EVENT, True),
    ("{ $.eventType = %Trail$% }", EVENT, True),
    ("{ $.missing != 1 }", EVENT, False),
    ("{ $.a = 1 }", "not JSON", False),
    ("[ip, id, user, timestamp, request, status_code, bytes]", LINE, True),
    ("[ip, id, user, timestamp, request, status_code=404, bytes]", LINE, True),
    ("[ip, id, user, timestamp, request, status_code=4*, bytes>1000]", LINE, True),
    ("[ip, id, user, timestamp, request=GET*, status_code!=404, bytes]", LINE, False),
    ("[..., status_code = 4*, bytes > 1000]", LINE, True),
    ("[ip=127*, ...]", LINE, True),
    ("[a, b]", LINE, False),
    ("[..., status = 404 || status = 410, bytes]", LINE, True),
]


@pytest.mark.parametrize(("pattern", "message", "wanted"), CASES)
def test_a_pattern_matches_what_the_documentation_says(
    pattern: str, message: str, wanted: bool
) -> None:
    assert parse(pattern)(message) is wanted


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "{ }",
        "{ $.a }",
        "{ a = 1 }",
        "{ $.a = }",
        "{ $.a > x }",
        "{ ($.a = 1 }",
        "{ $.a = 1 ) }",
        "{ $.a IS MAYBE }",
        "{ $.a NOT THERE }",
        "{ " + "!" * 60 + "$.a = 1 }",
        "[",
        "[a",
        "[..., ...]",
        "[a b]",
        "[a,]",
        "%(a+)+%",
        "%a*b*c*d*e*%",
        "%[%",
        r"%(?=a)\1%",
        '"open',
        "x" * 2000,
    ],
)
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(PatternRefused):
        parse(text)


PIECES = st.sampled_from(
    [
        "{",
        "}",
        "[",
        "]",
        "$.a",
        "=",
        "&&",
        "||",
        "!",
        "(",
        ")",
        "...",
        ",",
        "%a%",
        '"',
        "-",
        "?",
        "1",
    ]
)


@given(st.text(max_size=40) | st.lists(PIECES, max_size=12).map(" ".join), st.text(max_size=40))
def test_any_text_is_a_pattern_or_refused(pattern: str, message: str) -> None:
    try:
        matches = parse(pattern)
    except PatternRefused:
        return
    assert matches(message) in (True, False)
    assert matches(EVENT) in (True, False)
