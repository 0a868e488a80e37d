"""The constraints of the model, checked on a parsed input, and worded as AWS words them.

All faults of a request are reported together. Each operation's checks are made once from
botocore's model; where AWS's servers are known to differ from it, `BOUNDS` and the functions
beside it say how and why. Rules that need more than the request are the operations'.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from lamella.errors import InvalidParameterValue, ValidationFailed
from lamella.model import limits

Check = Callable[[Any, str, list[str]], None]
Rule = tuple[Callable[[Any], bool], str]

BOUNDS: Mapping[str, Mapping[str, int]] = {
    # The model's higher bounds are those of durable functions and of functions on managed
    # instances; an ordinary function has the quotas of the developer guide.
    "Timeout": {"max": 900},
    "MemorySize": {"max": 10_240},
    "EphemeralStorageSize": {"max": 10_240},
}
FUNCTION_NAMES = frozenset({"FunctionName", "NamespacedFunctionName", "UnqualifiedFunctionName"})
_BARE_NAME = f"Member must have length less than or equal to {limits.FUNCTION_NAME_CHARACTERS}"
_NOT_NULL = "Member must not be null"


def validator(operation: Any) -> Callable[[Mapping[str, Any]], None]:
    """The check of one operation's input (a botocore ``OperationModel``).

    It raises ValidationFailed with every fault.
    """
    shape = operation.input_shape
    if shape is None:
        return lambda request: None
    members, late = _members(shape, {}), _late(shape)

    def validate(request: Mapping[str, Any]) -> None:
        faults: list[str] = []
        for member, path, required, check in members:
            value = request.get(member)
            if value is not None:
                if check is not None:
                    check(value, path, faults)
            elif required:
                faults.append(_fault("Value null", path, _NOT_NULL))
        if faults:
            raise ValidationFailed(_worded(faults))
        if late is not None:
            late(request)

    return validate


def _worded(faults: list[str]) -> str:
    noun = "error" if len(faults) == 1 else "errors"
    return f"{len(faults)} validation {noun} detected: {'; '.join(faults)}"


def _fault(subject: str, path: str, constraint: str) -> str:
    return f"{subject} at '{path}' failed to satisfy constraint: {constraint}"


def name_too_long(name: str) -> ValidationFailed:
    """The answer to a function name of more than 64 characters."""
    return ValidationFailed(_worded([_fault(f"Value '{name}'", "functionName", _BARE_NAME)]))


def _late(shape: Any) -> Callable[[Mapping[str, Any]], None] | None:
    """A function's runtime is not checked with the rest: AWS's service behind its front does it."""
    if "Runtime" not in shape.members:
        return None
    runtimes = shape.members["Runtime"].enum
    listed, allowed = ", ".join(runtimes), frozenset(runtimes)

    def check(request: Mapping[str, Any]) -> None:
        runtime = request.get("Runtime")
        if runtime is not None and runtime not in allowed:
            raise InvalidParameterValue(
                f"Value {runtime} at 'runtime' failed to satisfy constraint: "
                f"Member must satisfy enum value set: [{listed}] or be a valid ARN"
            )

    return check


def _members(shape: Any, known: dict[str, Check]) -> list[tuple[str, str, bool, Check | None]]:
    """Name, name in messages, whether it is required, and the check of each member."""
    found = []
    for member, inner in shape.members.items():
        required = member in shape.required_members
        by_service = member == "Runtime" and inner.name == "Runtime"
        check = None if by_service else _check(inner, known)
        if inner.serialization.get("location") in ("uri", "header") and check is not None:
            check = _remembering(check)
        if required or check is not None:
            found.append((member, member[:1].lower() + member[1:], required, check))
    return found


def _remembering(check: Check) -> Check:
    """Names and headers recur in request after request: their verdicts are kept."""

    @lru_cache(maxsize=4096)
    def verdict(value: Any, path: str) -> tuple[str, ...]:
        faults: list[str] = []
        check(value, path, faults)
        return tuple(faults)

    def remembered(value: Any, path: str, faults: list[str]) -> None:
        faults.extend(verdict(value, path))

    return remembered


def _check(shape: Any, known: dict[str, Check]) -> Check | None:
    kind = shape.type_name
    if kind == "structure":
        return _structure_check(shape, known)
    if kind == "list":
        return _list_check(shape, known)
    if kind == "map":
        return _map_check(shape, known)
    rules = _rules(shape)
    return _scalar_check(rules, hidden=_hidden(shape)) if rules else None


def _hidden(shape: Any) -> bool:
    return bool(shape.metadata.get("sensitive")) or shape.type_name == "blob"


def _structure_check(shape: Any, known: dict[str, Check]) -> Check:
    if shape.name in known:
        return known[shape.name]
    known[shape.name] = lambda value, path, faults: known[shape.name](value, path, faults)
    members = _members(shape, known)

    def check(value: Any, path: str, faults: list[str]) -> None:
        for member, name, required, check_member in members:
            inner = value.get(member)
            if inner is not None:
                if check_member is not None:
                    check_member(inner, f"{path}.{name}", faults)
            elif required:
                faults.append(_fault("Value null", f"{path}.{name}", _NOT_NULL))

    known[shape.name] = check
    return check


def _list_check(shape: Any, known: dict[str, Check]) -> Check:
    """Scalars in a list are judged as a whole, as AWS does; structures each by its own path."""
    own, member = _rules(shape), shape.member
    hidden = _hidden(shape) or _hidden(member)
    if member.type_name in ("structure", "list", "map"):
        check_member = _check(member, known)

        def each(value: Any, path: str, faults: list[str]) -> None:
            _apply(own, value, path, hidden, faults)
            for number, item in enumerate(value, 1):
                if item is None:
                    faults.append(_fault("Value null", f"{path}.{number}.member", _NOT_NULL))
                elif check_member is not None:
                    check_member(item, f"{path}.{number}.member", faults)

        return each
    rules = _rules(member)
    constraint = f"Member must satisfy constraint: {_together(rules)}"

    def whole(value: Any, path: str, faults: list[str]) -> None:
        _apply(own, value, path, hidden, faults)
        if not all(_holds(rules, item) for item in value):
            faults.append(_fault(_subject(value, hidden), path, constraint))

    return whole


def _map_check(shape: Any, known: dict[str, Check]) -> Check:
    own, keys = _rules(shape), _rules(shape.key)
    values = (
        _rules(shape.value) if shape.value.type_name not in ("structure", "list", "map") else []
    )
    nested = None if values else _check(shape.value, known)
    hidden = _hidden(shape) or _hidden(shape.key) or _hidden(shape.value)
    key_constraint = f"Map keys must satisfy constraint: {_together(keys)}"
    value_constraint = f"Map value must satisfy constraint: {_together(values)}"

    def check(value: Any, path: str, faults: list[str]) -> None:
        _apply(own, value, path, hidden, faults)
        if not all(_holds(keys, key) for key in value):
            faults.append(_fault(_subject(value, hidden), path, key_constraint))
        if not all(_holds(values, item) for item in value.values()):
            faults.append(_fault(_subject(value, hidden), path, value_constraint))
        elif nested is not None:
            for key, item in value.items():
                nested(item, f"{path}.{key}.member", faults)

    return check


def _scalar_check(rules: list[Rule], *, hidden: bool) -> Check:
    def check(value: Any, path: str, faults: list[str]) -> None:
        _apply(rules, value, path, hidden, faults)

    return check


def _apply(rules: list[Rule], value: Any, path: str, hidden: bool, faults: list[str]) -> None:
    for holds, constraint in rules:
        if not holds(value):
            faults.append(_fault(_subject(value, hidden), path, constraint))


def _holds(rules: list[Rule], value: Any) -> bool:
    return value is not None and all(holds(value) for holds, _ in rules)


def _together(rules: list[Rule]) -> str:
    return f"[{', '.join([*(constraint for _, constraint in rules), _NOT_NULL])}]"


def _subject(value: Any, hidden: bool) -> str:
    return "Value" if hidden else f"Value '{_shown(value)}'"


def _shown(value: Any) -> str:
    """A value as Java prints it, which is how AWS's messages quote it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}={_shown(item)}' for key, item in value.items())}}}"
    return "null" if value is None else str(value)


def _rules(shape: Any) -> list[Rule]:
    """The constraints of one value, in the order in which AWS lists them."""
    bounds = {**shape.metadata, **BOUNDS.get(shape.name, {})}
    low, high = bounds.get("min"), bounds.get("max")
    rules: list[Rule] = []
    if shape.type_name in ("integer", "long", "float", "double"):
        if high is not None:
            rules.append(
                (
                    lambda value: value <= high,
                    f"Member must have value less than or equal to {high}",
                )
            )
        if low is not None:
            rules.append(
                (
                    lambda value: value >= low,
                    f"Member must have value greater than or equal to {low}",
                )
            )
        return rules
    length = _characters if shape.type_name == "string" else len
    if shape.name in FUNCTION_NAMES:
        rules.append((_bare_name_fits, _BARE_NAME))
    if high is not None:
        rules.append(
            (
                lambda value: length(value) <= high,
                f"Member must have length less than or equal to {high}",
            )
        )
    if low is not None:
        rules.append(
            (
                lambda value: length(value) >= low,
                f"Member must have length greater than or equal to {low}",
            )
        )
    if shape.metadata.get("pattern"):
        rules.append(_pattern_rule(shape.metadata["pattern"]))
    if shape.metadata.get("enum"):
        rules.append(_enum_rule(shape.metadata["enum"]))
    return rules


def _bare_name_fits(value: str) -> bool:
    """A name without its ARN has 64 characters at most; the model's bound is the ARN's."""
    return ":" in value or len(value) <= limits.FUNCTION_NAME_CHARACTERS


def _characters(value: str) -> int:
    """Length as Java counts it: in UTF-16 units."""
    return len(value) if value.isascii() else len(value.encode("utf-16-le", "surrogatepass")) // 2


def _enum_rule(values: list[str]) -> Rule:
    allowed = frozenset(values)
    constraint = f"Member must satisfy enum value set: [{', '.join(values)}]"
    return (lambda value: value in allowed, constraint)


def _pattern_rule(pattern: str) -> Rule:
    matches = java_pattern(pattern).fullmatch
    constraint = f"Member must satisfy regular expression pattern: {pattern}"
    return (lambda value: matches(value) is not None, constraint)


_CLASSES = {
    # The model uses letters and numbers only together and beside "_": Python's \w is those three.
    r"\p{L}": r"\w",
    r"\p{N}": r"\w",
    r"\p{Z}": " \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000",
}
_DASH = re.compile(r"(\\[dsw])-(?!\])")


def java_pattern(pattern: str) -> re.Pattern[str]:
    """A pattern of the model for `re`. ValueError for a character class that is not known."""
    translated = pattern
    for java, python in _CLASSES.items():
        translated = translated.replace(java, python)
    if r"\p" in translated:
        raise ValueError(f"a character class of this pattern is not known: {pattern}")
    # Java's \d, \s and \w are ASCII unless asked otherwise, and a "-" behind one is itself.
    flags = 0 if translated != pattern else re.ASCII
    return re.compile(_DASH.sub(r"\1\-", translated), flags)
