"""Event filter patterns: EventBridge's rules, over parsed JSON. Pure.

Sources: https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html#filtering-syntax,
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import orjson

Matcher = Callable[[Any], bool]
"""Whether one value of an event, or `ABSENT`, is what a pattern asks for."""

ABSENT = object()
NESTING = 64


class PatternRefused(ValueError):
    """A pattern that is not one; the message says where."""


def parse(text: str) -> Matcher:
    """The matcher of a pattern's text. PatternRefused."""
    try:
        pattern = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise PatternRefused(f"not JSON: {error}") from None
    if not isinstance(pattern, dict):
        raise PatternRefused("a pattern is a JSON object")
    return _object(pattern, NESTING)


def _object(pattern: Mapping[str, Any], deeper: int) -> Matcher:
    if not deeper:
        raise PatternRefused("nested too deeply")
    if not pattern:
        raise PatternRefused("an object without fields matches nothing")
    fields = {
        name: _alternatives(each, deeper) if name == "$or" else _field(name, each, deeper)
        for name, each in pattern.items()
    }

    def matches(value: Any) -> bool:
        if isinstance(value, list):
            return any(matches(each) for each in _flat(value))
        held = value if isinstance(value, dict) else {}
        return all(
            matcher(held if name == "$or" else held.get(name, ABSENT))
            for name, matcher in fields.items()
        )

    return matches


def _flat(values: list[Any]) -> Iterator[Any]:
    """What lists within lists hold, however deep: a message is not to exhaust the stack."""
    left = [iter(values)]
    while left:
        for each in left[-1]:
            if isinstance(each, list):
                left.append(iter(each))
                break
            yield each
        else:
            left.pop()


def _alternatives(pattern: Any, deeper: int) -> Matcher:
    if not isinstance(pattern, list) or len(pattern) < 2:
        raise PatternRefused("$or needs a list of two patterns or more")
    if not all(isinstance(each, dict) for each in pattern):
        raise PatternRefused("$or is a list of objects")
    either = [_object(each, deeper - 1) for each in pattern]
    return lambda value: any(matcher(value) for matcher in either)


def _field(name: str, pattern: Any, deeper: int) -> Matcher:
    if isinstance(pattern, dict):
        return _object(pattern, deeper - 1)
    if not isinstance(pattern, list):
        raise PatternRefused(f"the values of {name} must be a list")
    if not pattern:
        raise PatternRefused(f"the list of {name} is empty")
    either = [_rule(each) for each in pattern]
    return lambda value: any(_on_any(rule, value) for rule in either)


def _on_any(rule: Matcher, value: Any) -> bool:
    """An event's list matches where one of its members does."""
    if isinstance(value, list):
        return any(rule(each) for each in value) if value else rule(ABSENT)
    return rule(value)


def _rule(rule: Any) -> Matcher:
    if not isinstance(rule, dict):
        if isinstance(rule, list):
            raise PatternRefused("a list within a list")
        return lambda value: same(value, rule)
    if len(rule) != 1:
        raise PatternRefused(f"an operator stands alone: {sorted(rule)}")
    [(name, given)] = rule.items()
    made = _OPERATORS.get(name)
    if made is None:
        raise PatternRefused(f"unknown operator {name}")
    return made(given)


def same(value: Any, wanted: Any) -> bool:
    """Equality of JSON: true is not 1, and 1 is 1.0."""
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    return value is not ABSENT and bool(value == wanted)


def _prefix(given: Any) -> Matcher:
    if isinstance(given, dict) and set(given) == {"equals-ignore-case"}:
        folded = _text("prefix", given["equals-ignore-case"]).casefold()
        return lambda value: isinstance(value, str) and value.casefold().startswith(folded)
    text = _text("prefix", given)
    return lambda value: isinstance(value, str) and value.startswith(text)


def _suffix(given: Any) -> Matcher:
    if isinstance(given, dict) and set(given) == {"equals-ignore-case"}:
        folded = _text("suffix", given["equals-ignore-case"]).casefold()
        return lambda value: isinstance(value, str) and value.casefold().endswith(folded)
    text = _text("suffix", given)
    return lambda value: isinstance(value, str) and value.endswith(text)


def _equals_ignore_case(given: Any) -> Matcher:
    folded = _text("equals-ignore-case", given).casefold()
    return lambda value: isinstance(value, str) and value.casefold() == folded


def _wildcard(given: Any) -> Matcher:
    text = _text("wildcard", given)
    if "**" in text:
        raise PatternRefused("wildcard may not have two * side by side")
    parts = text.split("*")
    return lambda value: isinstance(value, str) and _wild(value, parts)


def _wild(value: str, parts: list[str]) -> bool:
    """Whether the parts follow each other in ``value``; linear, unlike a regular expression."""
    if len(parts) == 1:
        return value == parts[0]
    first, *middle, last = parts
    if len(value) < len(first) + len(last) or not value.startswith(first):
        return False
    at, end = len(first), len(value) - len(last)
    if not value.endswith(last):
        return False
    for part in middle:
        at = value.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True


def _exists(given: Any) -> Matcher:
    if not isinstance(given, bool):
        raise PatternRefused("exists is true or false")
    # an object is no leaf: `exists` is about values
    return lambda value: (value is not ABSENT and not isinstance(value, dict)) is given


_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "=": lambda value, bound: value == bound,
    "<": lambda value, bound: value < bound,
    "<=": lambda value, bound: value <= bound,
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
}


def _numeric(given: Any) -> Matcher:
    if not isinstance(given, list) or len(given) not in (2, 4):
        raise PatternRefused("numeric is a list of a comparison and a number, once or twice")
    pairs = list(zip(given[::2], given[1::2], strict=True))
    for sign, bound in pairs:
        if not isinstance(sign, str) or sign not in _COMPARISONS:
            raise PatternRefused(f"numeric has no comparison {sign!r}")
        if not _is_number(bound) or abs(bound) > 5e9:
            raise PatternRefused("numeric compares with a number from -5e9 to 5e9")
    return lambda value: (
        _is_number(value) and all(_COMPARISONS[sign](value, bound) for sign, bound in pairs)
    )


def _anything_but(given: Any) -> Matcher:
    if isinstance(given, dict):
        if len(given) != 1 or not set(given) <= {
            "prefix",
            "suffix",
            "equals-ignore-case",
            "wildcard",
        }:
            raise PatternRefused("anything-but takes values, prefix, suffix or wildcard")
        [(name, texts)] = given.items()
        listed = texts if isinstance(texts, list) else [texts]
        but = [_OPERATORS[name](each) for each in listed]
    else:
        values = given if isinstance(given, list) else [given]
        if not values or any(isinstance(each, dict | list) for each in values):
            raise PatternRefused("anything-but takes strings, numbers or a list of them")
        but = [_rule(each) for each in values]
    return lambda value: (
        value is not ABSENT
        and not isinstance(value, dict)
        and not any(matcher(value) for matcher in but)
    )


def _text(operator: str, given: Any) -> str:
    if not isinstance(given, str):
        raise PatternRefused(f"{operator} takes a string")
    return given


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_OPERATORS: Mapping[str, Callable[[Any], Matcher]] = {
    "prefix": _prefix,
    "suffix": _suffix,
    "equals-ignore-case": _equals_ignore_case,
    "wildcard": _wildcard,
    "exists": _exists,
    "numeric": _numeric,
    "anything-but": _anything_but,
}


@lru_cache(maxsize=256)
def _parsed(text: str) -> Matcher:
    return parse(text)


def selects(patterns: tuple[str, ...], record: Mapping[str, Any]) -> bool:
    """Whether a queue's record passes one of ``patterns``, or there are none.

    A body is taken apart only where the pattern looks into it: a pattern of plain strings is
    for bodies that are plain strings.
    Source: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs-filtering.html
    """
    if not patterns:
        return True
    opened = {**record, "body": _opened(record["body"])}
    return any(
        _parsed(text)(opened if _looks_into_body(text) else {**record, "body": _plain(record)})
        for text in patterns
    )


def _opened(body: str) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return ABSENT


def _plain(record: Mapping[str, Any]) -> Any:
    """A body for patterns of plain strings: one that is JSON (an object or a list) is none."""
    return ABSENT if isinstance(_opened(record["body"]), dict | list) else record["body"]


@lru_cache(maxsize=256)
def _looks_into_body(text: str) -> bool:
    return isinstance(orjson.loads(text).get("body"), dict)
