"""The filter patterns of CloudWatch Logs: terms, JSON, and columns separated by blanks. Pure.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

Matcher = Callable[[str], bool]
"""Whether a message is what a pattern asks for."""
Test = Callable[[Any], bool]

MOST_CHARACTERS = 1_024
DEPTH = 32
SEARCHED = 65_536
"""How much of a message a regular expression looks at."""
ABSENT = object()

_TERM = re.compile(r'([?-]?)("(?:[^"\\]|\\.)*"|%[^%]+%|[^\s"]+)\s*')
_TOKEN = re.compile(
    r'\s*(?:(?P<selector>\$(?:\.[\w-]+|\[(?:\d+|"[^"]+"|\'[^\']+\')\])+)|(?P<text>"(?:[^"\\]|\\.)*")'
    r"|(?P<regex>%[^%]+%)|(?P<sign>&&|\|\||!=|<=|>=|=|<|>|\(|\)|!)|(?P<word>[^\s()&|=<>!\"%]+))"
)
_STEP = re.compile(r"\.([\w-]+)|\[(\d+)\]|\[[\"']([^\"']+)[\"']\]")
_REPEATED = re.compile(r"[*+?}]")


class PatternRefused(ValueError):
    """A pattern that is not one; the message says why."""


def parse(text: str) -> Matcher:
    """The matcher of a pattern; the empty one matches everything. PatternRefused."""
    text = text.strip()
    if len(text) > MOST_CHARACTERS:
        raise PatternRefused(f"longer than {MOST_CHARACTERS} characters")
    if not text:
        return lambda message: True
    if text.startswith("{"):
        return _of_json(text)
    if text.startswith("["):
        return _of_columns(text)
    return _of_terms(text)


# terms


def _of_terms(text: str) -> Matcher:
    """All of the plain ones, none of the excluded, and one of the optional if there are any."""
    wanted: list[Matcher] = []
    unwanted: list[Matcher] = []
    optional: list[Matcher] = []
    at = 0
    while at < len(text):
        match = _TERM.match(text, at)
        if match is None:
            raise PatternRefused(f"cannot be read at character {at + 1}")
        kind = {"": wanted, "?": optional, "-": unwanted}[match[1]]
        kind.append(_contains(match[2]))
        at = match.end()

    def matches(message: str) -> bool:
        return (
            all(term(message) for term in wanted)
            and not any(term(message) for term in unwanted)
            and (not optional or bool(wanted) or any(term(message) for term in optional))
        )

    return matches


def _contains(term: str) -> Matcher:
    if len(term) > 2 and term.startswith("%") and term.endswith("%"):
        expression = regex(term[1:-1])
        return lambda message: expression.search(message[:SEARCHED]) is not None
    text = _unquoted(term)
    return lambda message: text in message


def _unquoted(text: str) -> str:
    if len(text) >= 2 and text.startswith('"') and text.endswith('"'):
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return text


def regex(text: str) -> re.Pattern[str]:
    """A regular expression of AWS's subset: without groups, and so without what takes for ever."""
    if "(" in text.replace(r"\(", "") or len(_REPEATED.findall(text)) > 4:
        raise PatternRefused("regular expressions may have no groups, and four repetitions")
    if re.search(r"\\[1-9]", text):
        raise PatternRefused("regular expressions may not refer back")
    try:
        return re.compile(text)
    except re.error as error:
        raise PatternRefused(f"not a regular expression: {error}") from None


# values, for JSON and columns


def _test(sign: str, wanted: str, *, quoted: bool) -> Test:
    """The comparison of a value with what stands behind a sign."""
    if wanted.startswith("%") and not quoted:
        expression = regex(wanted[1:-1])

        def found(value: Any) -> bool:
            return isinstance(value, str) and expression.search(value[:SEARCHED]) is not None

        return _either(sign, found)
    number = None if quoted else _number(wanted)
    if sign in ("<", "<=", ">", ">="):
        if number is None:
            raise PatternRefused(f"{sign} compares with a number, not {wanted}")
        return _ordered(sign, number)
    if number is not None:
        return _either(sign, lambda value: _number(value) == number)
    parts = wanted.split("*")
    return _either(sign, lambda value: isinstance(value, str) and _wild(value, parts))


def _either(sign: str, equals: Test) -> Test:
    return equals if sign == "=" else lambda value: value is not ABSENT and not equals(value)


def _ordered(sign: str, bound: float) -> Test:
    def compare(value: Any) -> bool:
        number = _number(value)
        if number is None:
            return False
        less, equal = number < bound, number == bound
        return {"<": less, "<=": less or equal, ">": not less and not equal, ">=": not less}[sign]

    return compare


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or value is ABSENT:
        return None
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", value.strip()):
        return float(value)
    return None


def _wild(value: str, parts: list[str]) -> bool:
    """Whether the parts follow each other in ``value``; linear, unlike a regular expression."""
    if len(parts) == 1:
        return value == parts[0]
    first, *middle, last = parts
    if len(value) < len(first) + len(last) or not value.startswith(first):
        return False
    if not value.endswith(last):
        return False
    at, end = len(first), len(value) - len(last)
    for part in middle:
        at = value.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True


# JSON


def _of_json(text: str) -> Matcher:
    if not text.endswith("}"):
        raise PatternRefused("a JSON pattern ends with }")
    condition = _Reader(text[1:-1]).whole()

    def matches(message: str) -> bool:
        try:
            event = orjson.loads(message)
        except orjson.JSONDecodeError:
            return False
        return isinstance(event, dict | list) and condition(event)

    return matches


@dataclass
class _Token:
    kind: str
    text: str


class _Reader:
    """Reads a condition: ``||`` binds less than ``&&``, ``!`` and brackets."""

    def __init__(self, text: str) -> None:
        self._tokens: list[_Token] = []
        at = 0
        while text[at:].strip():
            match = _TOKEN.match(text, at)
            if match is None or match.lastgroup is None:
                raise PatternRefused(f"cannot be read at {text[at:].strip()[:20]}")
            self._tokens.append(_Token(match.lastgroup, match[match.lastgroup]))
            at = match.end()
        self._at = 0

    def whole(self) -> Test:
        condition = self._either(DEPTH)
        if self._at < len(self._tokens):
            raise PatternRefused(f"nothing may follow before {self._tokens[self._at].text}")
        return condition

    def _peek(self) -> str:
        return self._tokens[self._at].text if self._at < len(self._tokens) else ""

    def _next(self) -> _Token:
        if self._at >= len(self._tokens):
            raise PatternRefused("it ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _either(self, deeper: int) -> Test:
        found = [self._all(deeper)]
        while self._peek() == "||":
            self._next()
            found.append(self._all(deeper))
        return found[0] if len(found) == 1 else lambda event: any(each(event) for each in found)

    def _all(self, deeper: int) -> Test:
        found = [self._one(deeper)]
        while self._peek() == "&&":
            self._next()
            found.append(self._one(deeper))
        return found[0] if len(found) == 1 else lambda event: all(each(event) for each in found)

    def _one(self, deeper: int) -> Test:
        if not deeper:
            raise PatternRefused("nested too deeply")
        token = self._next()
        if token.text == "!" and token.kind == "sign":
            inner = self._one(deeper - 1)
            return lambda event: not inner(event)
        if token.text == "(":
            inner = self._either(deeper - 1)
            if self._next().text != ")":
                raise PatternRefused("a bracket is not closed")
            return inner
        if token.kind != "selector":
            raise PatternRefused(f"a property such as $.name is missing before {token.text}")
        return self._about(token.text)

    def _about(self, selector: str) -> Test:
        steps = [
            int(index) if index else name or quoted
            for name, index, quoted in _STEP.findall(selector)
        ]
        test = self._comparison()
        return lambda event: test(_found(event, steps))

    def _comparison(self) -> Test:
        token = self._next()
        if token.kind == "sign":
            value = self._next()
            if value.kind not in ("text", "word", "regex"):
                raise PatternRefused(f"{token.text} compares with a value")
            return _test(token.text, _unquoted(value.text), quoted=value.kind == "text")
        word = token.text.upper()
        if word == "EXISTS":
            return lambda value: value is not ABSENT
        if word == "NOT" and self._next().text.upper() == "EXISTS":
            return lambda value: value is ABSENT
        if word == "IS":
            wanted = {"TRUE": True, "FALSE": False, "NULL": None}
            name = self._next().text.upper()
            if name in wanted:
                return lambda value: value is wanted[name]
        raise PatternRefused(f"{token.text} is no comparison")


def _found(event: Any, steps: list[int | str]) -> Any:
    for step in steps:
        event = _step(event, step)
    return event


def _step(event: Any, step: int | str) -> Any:
    if isinstance(event, dict):
        return event.get(step, ABSENT)
    if isinstance(event, list) and isinstance(step, int) and step < len(event):
        return event[step]
    return ABSENT


# columns


def _of_columns(text: str) -> Matcher:
    """``[ip, user, ..., status=4*, size>100]``: one condition a column, ``...`` for any number."""
    if not text.endswith("]"):
        raise PatternRefused("a pattern of columns ends with ]")
    columns = [_column(each.strip()) for each in text[1:-1].split(",")]
    if columns.count(None) > 1:
        raise PatternRefused("... may stand once")

    def matches(message: str) -> bool:
        fields = _fields(message)
        if None not in columns:
            tests = columns
        else:
            gap = columns.index(None)
            fill = len(fields) - len(columns) + 1
            if fill < 0:
                return False
            tests = [*columns[:gap], *([_anything] * fill), *columns[gap + 1 :]]
        return len(tests) == len(fields) and all(
            test is not None and test(field) for test, field in zip(tests, fields, strict=True)
        )

    return matches


def _anything(value: Any) -> bool:
    return True


_CONDITION = re.compile(r"[\w-]+\s*(!=|<=|>=|=|<|>)\s*(.+)")


def _column(text: str) -> Test | None:
    if text == "...":
        return None
    if re.fullmatch(r"[\w-]+", text):
        return _anything
    alternatives = [_CONDITION.fullmatch(each.strip()) for each in re.split(r"\|\||&&", text)]
    if not all(alternatives):
        raise PatternRefused(f"{text or 'an empty column'} is no column")
    tests = [
        _test(match[1], _unquoted(match[2].strip()), quoted=match[2].strip().startswith('"'))
        for match in alternatives
        if match is not None
    ]
    together = all if "&&" in text else any
    return lambda value: together(test(value) for test in tests)


_FIELD = re.compile(r'"([^"]*)"|\[([^\]]*)\]|(\S+)')


def _fields(message: str) -> list[str]:
    return [a or b or c for a, b, c in _FIELD.findall(message[:SEARCHED])]
