"""Strings that a regular expression of a service's model matches, made at random."""

from __future__ import annotations

import importlib
import string
from collections.abc import Callable, Iterable
from functools import lru_cache
from random import Random
from typing import Any

from lamella.api.validate import java_pattern

_regex: Any = importlib.import_module("re._parser")
ANY = string.ascii_letters + string.digits + "-_./:=+@ é"
CLASSES: dict[str, str] = {
    "CATEGORY_DIGIT": string.digits,
    "CATEGORY_WORD": string.ascii_letters + string.digits + "_",
    "CATEGORY_SPACE": " \t\n",
    "CATEGORY_NOT_DIGIT": string.ascii_letters,
    "CATEGORY_NOT_WORD": "-./:",
    "CATEGORY_NOT_SPACE": string.ascii_letters + string.digits + "-_./:é",
}
TRIES = 200


def matching(pattern: str, random: Random, low: int, high: int) -> str | None:
    """A string of ``low`` to ``high`` characters that all of ``pattern`` matches, or None."""
    whole, tokens = _parsed(pattern)
    for number in range(TRIES):
        more = random.choice((1, 3, 8)) if number < TRIES // 2 else max(low, 1)
        found = "".join(_write(tokens, random, more))
        if low <= len(found) <= high and whole(found):
            return found
    return None


def matches(pattern: str, text: str) -> bool:
    return _parsed(pattern)[0](text)


@lru_cache(maxsize=1024)
def _parsed(pattern: str) -> tuple[Callable[[str], bool], Any]:
    compiled = java_pattern(pattern)
    return lambda text: compiled.fullmatch(text) is not None, _regex.parse(compiled.pattern)


def _write(tokens: Iterable[Any], random: Random, more: int) -> Iterable[str]:
    """``more`` is by how many an open repetition may go beyond its least; looks ahead are left
    to the check of the whole."""
    for kind, argument in tokens:
        name = str(kind)
        if name == "LITERAL":
            yield chr(argument)
        elif name in ("IN", "NOT_LITERAL"):
            yield _one_of(
                argument if name == "IN" else [("NEGATE", None), (kind, argument)], random
            )
        elif name == "ANY":
            yield random.choice(ANY)
        elif name == "BRANCH":
            yield from _write(random.choice(argument[1]), random, more)
        elif name == "SUBPATTERN":
            yield from _write(argument[-1], random, more)
        elif name in ("MAX_REPEAT", "MIN_REPEAT"):
            least, most, inner = argument
            most = min(int(most), least + more)
            wanted = random.choice((least, max(least, more), most, random.randint(least, most)))
            for _ in range(min(wanted, most)):
                yield from _write(inner, random, more)
        elif name not in ("AT", "ASSERT", "ASSERT_NOT"):
            raise ValueError(f"{name} is not known")


def _one_of(members: Any, random: Random) -> str:
    """A character of a class; of one that is negated, a character of `ANY`."""
    if str(members[0][0]) == "NEGATE":
        return random.choice([each for each in ANY if not _is_in(each, members[1:])])
    kind, argument = random.choice(members)
    name = str(kind)
    if name == "RANGE":
        return chr(random.randint(*argument))
    return random.choice(CLASSES[str(argument)]) if name == "CATEGORY" else chr(argument)


def _is_in(character: str, members: Any) -> bool:
    for kind, argument in members:
        name = str(kind)
        if name == "RANGE" and argument[0] <= ord(character) <= argument[1]:
            return True
        if name == "CATEGORY" and character in CLASSES[str(argument)]:
            return True
        if name in ("LITERAL", "NOT_LITERAL") and ord(character) == argument:
            return True
    return False
