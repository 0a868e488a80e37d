"""Values of a model's shapes: valid ones, with the names of things that are really there."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any

from lamella.api.validate import BOUNDS
from tests.fuzz.strings import matches, matching

DEEPEST = 5
SCALARS = frozenset({"integer", "long", "float", "double", "boolean", "blob", "timestamp"})
TYPES = SCALARS | {"string", "structure", "list", "map"}
INTEGERS = (0, 1, 2, 5, 100, 2**31 - 1, -1, -(2**31))
TEXTS = (
    "",
    "a",
    "text with spaces",
    "$LATEST",
    "été ☃ 🂡",
    "{}",
    "null",
    "'\";--",
    "x" * 300,
    "\0",
    "1",
)
Samples = Mapping[str, Sequence[Any]]


def bounds(shape: Any) -> dict[str, Any]:
    """The constraints of one value: the model's, where the server has no tighter one."""
    return {**shape.metadata, **BOUNDS.get(shape.name, {})}


class Maker:
    """Makes values. ``samples`` are values that mean something, by the names of shapes."""

    def __init__(self, random: Random, samples: Samples) -> None:
        self.random = random
        self.samples = samples

    def value(self, shape: Any, depth: int = 0) -> Any:
        """A value that satisfies the shape and every shape in it."""
        known = [each for each in self.samples.get(shape.name, ()) if self.fits(shape, each)]
        if known and self.random.random() < 0.8:
            return self.random.choice(known)
        return getattr(self, f"_{shape.type_name}")(shape, depth)

    def fits(self, shape: Any, value: Any) -> bool:
        if shape.type_name != "string":
            return True
        limits = bounds(shape)
        low, high = limits.get("min", 0), limits.get("max", 10**9)
        pattern, enum = limits.get("pattern"), limits.get("enum")
        if not low <= len(value) <= high or (enum and value not in enum):
            return False
        return not pattern or matches(pattern, value)

    def members(self, shape: Any, depth: int = 0) -> dict[str, Any]:
        """What is required, and some of the rest: of most inputs little, so that they get far."""
        shares = (0.02, 0.1, 0.5) if depth == 0 else (0.5 / depth,)
        likely = self.random.choice(shares) if depth < DEEPEST else 0.0
        made = {
            name: self.value(inner, depth + 1)
            for name, inner in shape.members.items()
            if name in shape.required_members or self.random.random() < likely
        }
        for name, value in made.items():
            inner = shape.members[name]
            if inner.serialization.get("location") == "querystring" and value == []:
                value.append(self.value(inner.member, depth + 2))  # an empty one is not sent
        return made

    def _structure(self, shape: Any, depth: int) -> dict[str, Any]:
        return self.members(shape, depth)

    def _list(self, shape: Any, depth: int) -> list[Any]:
        limits = bounds(shape)
        low = limits.get("min", 0)
        number = self.random.randint(low, min(limits.get("max", 3), low + 2))
        return [self.value(shape.member, depth + 1) for _ in range(number)]

    def _map(self, shape: Any, depth: int) -> dict[str, Any]:
        limits = bounds(shape)
        low, high = limits.get("min", 0), limits.get("max", 2)
        made: dict[str, Any] = {}
        wanted = self.random.randint(low, min(high, low + 2))
        for _ in range(20):
            if len(made) >= wanted:
                break
            made[self.value(shape.key, depth + 1)] = self.value(shape.value, depth + 1)
        return made

    def _string(self, shape: Any, depth: int) -> str:
        limits = bounds(shape)
        if limits.get("enum"):
            return str(self.random.choice(limits["enum"]))
        low, high = limits.get("min", 0), limits.get("max", 400)
        if limits.get("pattern"):
            made = matching(limits["pattern"], self.random, low, high)
            if made is not None:
                return made
        fitting = [each for each in TEXTS if self.fits(shape, each)]
        return self.random.choice(fitting) if fitting else "a" * max(low, 1)

    def _integer(self, shape: Any, depth: int) -> int:
        limits = bounds(shape)
        low, high = limits.get("min", -(2**31)), limits.get("max", 2**31 - 1)
        fitting = [each for each in (low, high, *INTEGERS) if low <= each <= high]
        return int(self.random.choice(fitting))

    _long = _integer

    def _double(self, shape: Any, depth: int) -> float:
        limits = bounds(shape)
        return self.random.uniform(limits.get("min", 0.0), limits.get("max", 1e6))

    _float = _double

    def _boolean(self, shape: Any, depth: int) -> bool:
        return self.random.random() < 0.5

    def _blob(self, shape: Any, depth: int) -> bytes:
        made = self.random.choice((b"{}", b"null", b'{"a": [1, "b"]}', b"", b"not JSON", b"\xff\0"))
        return bytes(made)

    def _timestamp(self, shape: Any, depth: int) -> datetime:
        return datetime.fromtimestamp(self.random.randint(0, 2**31), UTC)


def plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value
