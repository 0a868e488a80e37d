"""What an IAM policy document allows: read once, with every fault named, and then asked. Pure.

What is not understood never widens: a condition or a variable that is not known here keeps an
Allow from applying and makes a Deny apply. Source:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from enum import Enum
from typing import Any

from lamella.accounts.conditions import KEYS, Condition, Context, like, read_conditions
from lamella.errors import Refused

VERSIONS = ("2012-10-17", "2008-10-17")
_ELEMENTS = {
    "Sid",
    "Effect",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
}
_ACTION = re.compile(r"\*|[a-zA-Z0-9-]+:[a-zA-Z0-9*?]+")
_RESOURCE = re.compile(r"\*|arn:.+", re.DOTALL)
_VARIABLE = "${"


class Decision(Enum):
    ALLOWED = "allowed"
    NOT_ALLOWED = "not allowed"
    DENIED = "denied"


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement; the patterns match an action in lower case and a resource whole."""

    allows: bool
    action: re.Pattern[str]
    not_action: bool
    resource: re.Pattern[str]
    not_resource: bool
    conditions: tuple[Condition, ...]

    def applies(self, action: str, resource: str, context: Context) -> bool:
        if (self.action.fullmatch(action.lower()) is not None) == self.not_action:
            return False
        if (self.resource.fullmatch(resource) is not None) == self.not_resource:
            return False
        otherwise = not self.allows  # of a condition that is not understood
        return all(each.holds(context, otherwise=otherwise) for each in self.conditions)


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy document, read. ``doubts`` says what of it is not understood, a sentence each."""

    statements: tuple[Statement, ...]
    doubts: tuple[str, ...] = ()

    def decide(self, action: str, resource: str, context: Context) -> Decision:
        """What it says of ``lambda:Action`` on an ARN: a Deny wins, and silence allows nothing."""
        applied = [each for each in self.statements if each.applies(action, resource, context)]
        if not applied:
            return Decision.NOT_ALLOWED
        return Decision.ALLOWED if all(each.allows for each in applied) else Decision.DENIED


def read(document: Any, keys: Set[str] = KEYS) -> Policy:
    """The policy that a document (parsed JSON) is; ``keys`` are those of conditions that its
    requests know. Raises Refused with all its faults."""
    faults: list[str] = []
    doubts: list[str] = []
    statements = [
        _statement(f"Statement {number}", stated, keys, faults, doubts)
        for number, stated in enumerate(_statements(document, faults), 1)
    ]
    if faults:
        raise Refused(*faults)
    return Policy(tuple(each for each in statements if each is not None), tuple(doubts))


def _statements(document: Any, faults: list[str]) -> list[Mapping[str, Any]]:
    if not isinstance(document, dict):
        faults.append("The policy must be a JSON object.")
        return []
    for name in sorted(document.keys() - {"Version", "Id", "Statement"}):
        faults.append(f"{name} is no element of a policy.")
    if document.get("Version", VERSIONS[0]) not in VERSIONS:
        faults.append(f"Version must be {VERSIONS[0]} or {VERSIONS[1]}.")
    stated = document.get("Statement")
    listed = [stated] if isinstance(stated, dict) else stated
    if not isinstance(listed, list) or not listed:
        faults.append("Statement must be there: an object, or a list of one or more.")
        return []
    for number, each in enumerate(listed, 1):
        if not isinstance(each, dict):
            faults.append(f"Statement {number} must be an object.")
    sids = [each["Sid"] for each in listed if isinstance(each, dict) and "Sid" in each]
    if len({str(sid) for sid in sids}) < len(sids):
        faults.append("Two statements have one Sid.")
    return [each for each in listed if isinstance(each, dict)]


def _statement(
    where: str,
    stated: Mapping[str, Any],
    keys: Set[str],
    faults: list[str],
    doubts: list[str],
) -> Statement | None:
    known = len(faults)
    for name in sorted(stated.keys() - _ELEMENTS):
        faults.append(f"{where}: {name} is no element of a statement of a key's policy.")
    if not isinstance(stated.get("Sid", ""), str):
        faults.append(f"{where}: Sid must be text.")
    if stated.get("Effect") not in ("Allow", "Deny"):
        faults.append(f"{where}: Effect must be Allow or Deny.")
    actions, not_action = _listed(where, stated, "Action", _ACTION, faults)
    resources, not_resource = _listed(where, stated, "Resource", _RESOURCE, faults)
    conditions = read_conditions(where, stated.get("Condition", {}), keys, faults, doubts)
    if len(faults) > known:
        return None
    allows = stated["Effect"] == "Allow"
    if any(_VARIABLE in each for each in resources):
        doubts.append(f"{where}: policy variables ({_VARIABLE}…}}) are not understood.")
    # a pattern that is not understood stands for everything where that narrows, else for nothing
    everything = allows == not_resource
    resources = [
        each if _VARIABLE not in each else "*"
        for each in resources
        if everything or _VARIABLE not in each
    ]
    return Statement(
        allows=allows,
        action=pattern(each.lower() for each in actions),
        not_action=not_action,
        resource=pattern(resources),
        not_resource=not_resource,
        conditions=conditions,
    )


def _listed(
    where: str,
    stated: Mapping[str, Any],
    name: str,
    form: re.Pattern[str],
    faults: list[str],
) -> tuple[list[str], bool]:
    """The values of ``Action`` or ``NotAction`` (``Resource`` alike), and whether it is the latter."""
    given = [each for each in (name, f"Not{name}") if each in stated]
    if len(given) != 1:
        faults.append(f"{where}: {name} or Not{name} must be there, and not both.")
        return [], False
    value = stated[given[0]]
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not values:
        faults.append(f"{where}: {given[0]} must be text, or a list of one or more.")
        return [], False
    for each in values:
        if not isinstance(each, str) or not form.fullmatch(each):
            faults.append(f"{where}: {given[0]} {each!r} is not {_FORMS[name]}.")
    return values, given[0] != name


_FORMS = {
    "Action": 'an action such as "lambda:InvokeFunction", nor "*"',
    "Resource": 'an ARN, nor "*"',
}


def pattern(wildcards: Iterable[str]) -> re.Pattern[str]:
    """One expression for texts with ``*`` (any characters) and ``?`` (one); of none, it never matches."""
    alternatives = [like(each) for each in wildcards]
    return re.compile("|".join(alternatives) if alternatives else r"(?!)", re.DOTALL)
