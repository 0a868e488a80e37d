"""Conditions of a policy's statements: the operators on texts and ARNs, for the keys known here.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

Context = Mapping[str, tuple[str, ...]]
"""What is known of a request: keys in lower case to values; a key that does not apply is absent."""

KEYS = frozenset(
    {
        "aws:principalaccount",
        "aws:principalarn",
        "aws:requestedregion",
        "aws:username",
        "iam:passedtoservice",
        "lambda:layer",
        "lambda:principal",
    }
)
"""Keys of which every request says whether they apply; any other is not understood."""

_OPERATORS: Mapping[str, tuple[str, bool]] = {
    "stringequals": ("equals", False),
    "stringnotequals": ("equals", True),
    "stringequalsignorecase": ("equals-ignoring-case", False),
    "stringnotequalsignorecase": ("equals-ignoring-case", True),
    "stringlike": ("like", False),
    "stringnotlike": ("like", True),
    "arnequals": ("like", False),
    "arnlike": ("like", False),
    "arnnotequals": ("like", True),
    "arnnotlike": ("like", True),
    "bool": ("equals-ignoring-case", False),
    "null": ("null", False),
}
_FORM = re.compile(r"(?:(forallvalues|foranyvalue):)?([a-z]+?)(ifexists)?")


@dataclass(frozen=True, slots=True)
class Condition:
    """One operator on one key. ``match`` None: not understood. ``over`` is the set operator's name."""

    key: str
    match: re.Pattern[str] | None
    negated: bool = False
    null: bool | None = None
    over: str = ""
    if_exists: bool = False

    def holds(self, context: Context, *, otherwise: bool) -> bool:
        """Whether it is met; ``otherwise`` if that cannot be told."""
        values = context.get(self.key)
        if self.null is not None:
            return (values is None) == self.null
        if self.match is None:
            return otherwise
        if values is None:
            return self.if_exists or self.over == "forallvalues" or (self.negated and not self.over)
        met = [(self.match.fullmatch(each) is not None) != self.negated for each in values]
        every = self.over == "forallvalues" or (self.negated and not self.over)
        return all(met) if every else any(met)


def like(wildcards: str) -> str:
    """An expression for texts with ``*`` (any characters) and ``?`` (one).

    What stands between two stars is found where it comes first and never sought anew, so that no
    text takes longer than its length times the expression's.
    """
    first, *others = (
        "".join("." if letter == "?" else re.escape(letter) for letter in part)
        for part in wildcards.split("*")
    )
    if not others:
        return first
    *between, last = others
    return first + "".join(f"(?>.*?{part})" for part in between if part) + ".*" + last


def read_conditions(
    where: str, stated: Any, known: Set[str], faults: list[str], doubts: list[str]
) -> tuple[Condition, ...]:
    """The conditions of a statement; what is no condition at all goes to ``faults``, what is not
    understood to ``doubts``."""
    if not isinstance(stated, dict):
        faults.append(f"{where}: Condition must be an object.")
        return ()
    found = []
    for operator, keys in stated.items():
        if not isinstance(keys, dict) or not keys:
            faults.append(f"{where}: Condition {operator} must be an object with keys and values.")
            continue
        for key, value in keys.items():
            values = _values(value)
            if values is None:
                faults.append(
                    f"{where}: Condition {operator} {key} must be text or a list of texts."
                )
                continue
            condition = _condition(operator, key, values, known)
            if condition.match is None and condition.null is None:
                doubts.append(f"{where}: the condition {operator} on {key} is not understood.")
            found.append(condition)
    return tuple(found)


def _values(value: Any) -> list[str] | None:
    listed = value if isinstance(value, list) else [value]
    if not all(isinstance(each, str | bool | int | float) for each in listed):
        return None
    return [str(each).lower() if isinstance(each, bool) else str(each) for each in listed]


def _condition(operator: str, key: str, values: list[str], keys: Set[str]) -> Condition:
    form = _FORM.fullmatch(operator.lower())
    known = _OPERATORS.get(form[2]) if form else None
    key = key.lower()
    if form is None or known is None or key not in keys or any("${" in each for each in values):
        return Condition(key, None)
    how, negated = known
    if how == "null":
        if form[1] or form[3] or values not in (["true"], ["false"]):
            return Condition(key, None)
        return Condition(key, None, null=values == ["true"])
    flags = re.DOTALL | (re.IGNORECASE if how == "equals-ignoring-case" else 0)
    text = "|".join(like(each) if how == "like" else re.escape(each) for each in values)
    match = re.compile(text if values else r"(?!)", flags)
    return Condition(key, match, negated, None, form[1] or "", form[3] is not None)
