"""A valid input, broken in one place: every constraint of the model that it could break."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.fuzz.strings import matches, matching
from tests.fuzz.values import DEEPEST, TYPES, Maker, bounds

REMOVED = object()
LONGEST = 20_000
MOST_ITEMS = 500
UNLIKELY = ("\n", "", "!", "*", " ", "☃", "é", "%", "a b", "//", ".", "\t!\t", "$", "~~")
WRONG_TYPES: Mapping[str, Any] = {
    "structure": "text",
    "list": {"a": 1},
    "map": [1],
    "string": {"a": 1},
    "integer": "many",
    "long": "many",
    "float": "much",
    "double": "much",
    "boolean": "perhaps",
    "blob": "***",
    "timestamp": "then",
}
NULL = "Member must not be null"

Where = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """``value`` put at ``where`` breaks one constraint.

    ``at`` is the member's path in messages and ``says`` the constraint's words; of a value of the
    wrong type AWS does not say where it is.
    """

    where: Where
    value: Any
    at: str
    says: str

    def applied(self, params: Mapping[str, Any]) -> dict[str, Any]:
        broken: dict[str, Any] = copy.deepcopy(dict(params))
        place: Any = broken
        for step in self.where[:-1]:
            place = place[step]
        if self.value is REMOVED:
            del place[self.where[-1]]
        else:
            place[self.where[-1]] = self.value
        return broken


@dataclass(frozen=True, slots=True)
class Break:
    """A fault that can be made: ``make`` gives its value, None if there is none after all."""

    where: Where
    at: str
    says: str
    make: Callable[[], Any]
    location: str | None = None

    def fault(self) -> Fault | None:
        value = self.make()
        usable = value is not None and sendable(value, self.location)
        return Fault(self.where, value, self.at, self.says) if usable else None


Rule = tuple[str, Callable[[], Any]]
"""What is said of a value that breaks one constraint, and what makes such a value."""


class Breaker:
    """Finds everything that can be broken in a valid input."""

    def __init__(self, maker: Maker, typed: Collection[str] = TYPES) -> None:
        """``typed`` are the kinds of values of which the protocol knows wrong types."""
        self._maker = maker
        self._typed = typed

    def fault(self, shape: Any, params: Mapping[str, Any]) -> Fault | None:
        """A fault that can be put into ``params``, a valid input of ``shape``; None without any."""
        breaks = list(self._structure(shape, params, (), ""))
        self._maker.random.shuffle(breaks)
        return next((found for each in breaks if (found := each.fault()) is not None), None)

    def _structure(
        self, shape: Any, value: Mapping[str, Any], where: Where, at: str
    ) -> Iterator[Break]:
        for name, inner in shape.members.items():
            if name not in value:
                continue
            here, named = (*where, name), f"{at}{name[:1].lower()}{name[1:]}"
            location = inner.serialization.get("location")
            is_payload = name == shape.serialization.get("payload")
            if name in shape.required_members and location != "uri" and not is_payload:
                yield Break(here, named, NULL, lambda: REMOVED)
            if not is_payload:
                yield from self._value(inner, value[name], here, named, location)

    def _value(
        self, shape: Any, value: Any, where: Where, at: str, location: str | None
    ) -> Iterator[Break]:
        kind = shape.type_name
        if kind in self._typed and (location is None or kind in ("integer", "long", "boolean")):
            yield Break(where, "", "", lambda: WRONG_TYPES[kind], location)
        for says, make in self._rules(shape):
            yield Break(where, at, says, make, location)
        if kind == "structure":
            yield from self._structure(shape, value, where, f"{at}.")
        elif kind == "list":
            yield from self._items(shape, value, where, at)
        elif kind == "map":
            yield from self._entries(shape, value, where, at)

    def _items(self, shape: Any, value: list[Any], where: Where, at: str) -> Iterator[Break]:
        """Scalars in a list are judged together, under the list's own path."""
        for number, item in enumerate(value):
            here = (*where, number)
            if shape.member.type_name == "structure":
                inner = f"{at}.{number + 1}.member"
                yield from self._value(shape.member, item, here, inner, None)
            elif shape.member.type_name == "string":
                for _, make in self._rules(shape.member):
                    yield Break(here, at, "Member must satisfy constraint: [", make)

    def _entries(self, shape: Any, value: dict[str, Any], where: Where, at: str) -> Iterator[Break]:
        for key, item in value.items():
            here = (*where, key)
            for _, make in self._rules(shape.key):
                says = "Map keys must satisfy constraint: ["
                yield Break(where, at, says, _renamed(value, key, make))
            if shape.value.type_name not in ("structure", "list", "map"):
                if shape.value.type_name in self._typed:
                    yield Break(here, "", "", lambda: WRONG_TYPES[shape.value.type_name])
                for _, make in self._rules(shape.value):
                    yield Break(here, at, "Map value must satisfy constraint: [", make)
            else:
                yield from self._value(shape.value, item, here, f"{at}.{key}.member", None)

    def _rules(self, shape: Any) -> Iterator[Rule]:
        """The constraints of the shape itself."""
        limits, kind = bounds(shape), shape.type_name
        low, high = limits.get("min"), limits.get("max")
        if kind in ("integer", "long", "float", "double"):
            if high is not None:
                yield f"Member must have value less than or equal to {high}", lambda: high + 1
            if low is not None:
                yield f"Member must have value greater than or equal to {low}", lambda: low - 1
        elif kind == "string":
            yield from self._rules_of_strings(limits)
        elif kind == "list":
            if high is not None and high <= MOST_ITEMS:
                says = f"Member must have length less than or equal to {high}"
                yield says, lambda: self._items_of(shape.member, high + 1)
            if low:
                yield f"Member must have length greater than or equal to {low}", list

    def _rules_of_strings(self, limits: Mapping[str, Any]) -> Iterator[Rule]:
        low, high = limits.get("min", 0), limits.get("max", LONGEST)
        pattern = limits.get("pattern")
        if limits.get("enum"):
            yield "Member must satisfy enum value set: [", lambda: "NoSuchValue"
        if high < LONGEST:
            says = f"Member must have length less than or equal to {high}"
            yield says, lambda: self._too_long(pattern, high)
        if low:
            yield f"Member must have length greater than or equal to {low}", lambda: ""
        if pattern:
            says = f"Member must satisfy regular expression pattern: {pattern}"
            yield says, lambda: self._unlike(pattern, low, high)

    def _items_of(self, shape: Any, number: int) -> list[Any]:
        one = self._maker.value(shape, DEEPEST)
        return [one] * number

    def _too_long(self, pattern: str | None, high: int) -> str:
        """Too long by a little; where it can be, not wrong otherwise."""
        random = self._maker.random
        long = matching(pattern, random, high + 1, high + 64) if pattern and high < 300 else None
        return long or "a" * (high + random.choice((1, 1, 500)))

    def _unlike(self, pattern: str, low: int, high: int) -> str | None:
        stretched = (
            each * max(low, 1) for each in self._maker.random.sample(UNLIKELY, len(UNLIKELY))
        )
        fitting = (each for each in stretched if low <= len(each) <= high)
        return next((each for each in fitting if not matches(pattern, each)), None)


def _renamed(value: dict[str, Any], key: str, make: Callable[[], Any]) -> Callable[[], Any]:
    def renamed() -> dict[str, Any] | None:
        other = make()
        return None if other is None else {other: value[key]}

    return renamed


def sendable(value: Any, location: str | None) -> bool:
    """Whether a value can be sent there at all: an empty label is another path."""
    if not isinstance(value, str):
        return location != "header" or not isinstance(value, list)
    if location == "uri":
        return value not in ("", ".", "..")
    if location == "header":
        return value == value.strip() and value.isascii() and value.isprintable()
    return True
