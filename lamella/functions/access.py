"""What the policy of a function lets somebody do with it. Pure.

Adds to the language of `lamella.accounts.policy` what policies of resources have and those of
identities have not: the element Principal. Sources:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html,
https://docs.aws.amazon.com/lambda/latest/dg/permissions-function-cross-account.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from lamella.accounts import policy
from lamella.accounts.conditions import Context
from lamella.accounts.policy import Decision, Policy
from lamella.errors import InvalidParameterValue, Refused

KEYS = frozenset(
    {
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principalorgid",
        "aws:requestedregion",
        "aws:sourceaccount",
        "aws:sourcearn",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "aws:username",
        "lambda:eventsourcetoken",
        "lambda:functionurlauthtype",
        "lambda:invokedviafunctionurl",
    }
)
"""Condition keys that are understood; one that a request does not bring does not apply to it."""

_ACCOUNT = re.compile(r"(?:arn:aws[a-zA-Z-]*:iam::)?(\d{12})(?::root)?", re.ASCII)
_SESSION = re.compile(r"arn:aws[a-zA-Z-]*:sts::(\d{12}):assumed-role/([^/]+)/.+", re.ASCII)
_ROLE = re.compile(r"arn:aws[a-zA-Z-]*:iam::(\d{12}):role/(?:.+/)?([^/]+)", re.ASCII)
_KINDS = ("AWS", "Service", "Federated", "CanonicalUser")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: a caller by account and ARN, a service by its name, or nobody who is known."""

    account: str | None = None
    arn: str | None = None
    service: str | None = None


ANYBODY = Principal()


@dataclass(frozen=True, slots=True)
class Grant:
    """One statement: whom it is about, and what it says of them."""

    names: tuple[tuple[str, str], ...]
    everybody_else: bool
    says: Policy

    def concerns(self, who: Principal) -> bool:
        named = any(_is_named(kind, name, who) for kind, name in self.names)
        return named != self.everybody_else


def allows(
    texts: Iterable[str], who: Principal, action: str, resource: str, context: Context
) -> bool:
    """Whether policies (JSON) together let ``who`` do ``lambda:Action`` on the ARN ``resource``.

    A Deny wins; what is not understood allows nothing. Keys of ``context`` are in lower case.
    """
    decisions = {
        grant.says.decide(action, resource, context)
        for text in texts
        for grant in read(text)
        if grant.concerns(who)
    }
    return Decision.ALLOWED in decisions and Decision.DENIED not in decisions


@lru_cache(maxsize=1024)
def read(text: str) -> tuple[Grant, ...]:
    """The statements of a policy. Raises InvalidParameterValue that names every fault."""
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidParameterValue(f"The policy is not valid JSON: {error}") from None
    faults: list[str] = []
    try:
        policy.read(_without_principals(document), KEYS)
    except Refused as refused:
        faults += refused.faults
    listed = _statements(document)
    named = [
        _principals(f"Statement {number}", each, faults) for number, each in enumerate(listed, 1)
    ]
    if faults:
        raise InvalidParameterValue(f"The policy is not valid. {' '.join(faults)}")
    return tuple(
        Grant(names, negated, policy.read(_without_principals({"Statement": each}), KEYS))
        for each, (names, negated) in zip(listed, named, strict=True)
    )


def asks_for_organization(texts: Iterable[str]) -> bool:
    return any("principalorgid" in text.lower() for text in texts)


def _statements(document: Any) -> list[Mapping[str, Any]]:
    stated = document.get("Statement") if isinstance(document, dict) else None
    listed = stated if isinstance(stated, list) else [stated]
    return [each for each in listed if isinstance(each, dict)]


def _without_principals(document: Any) -> Any:
    """The document as a policy of an identity has it."""
    if not isinstance(document, dict):
        return document

    def bare(stated: Any) -> Any:
        if not isinstance(stated, dict):
            return stated
        return {name: stated[name] for name in stated if name not in ("Principal", "NotPrincipal")}

    stated = document.get("Statement")
    listed = [bare(each) for each in stated] if isinstance(stated, list) else bare(stated)
    return {**document, "Statement": listed}


def _principals(
    where: str, stated: Mapping[str, Any], faults: list[str]
) -> tuple[tuple[tuple[str, str], ...], bool]:
    """Kinds and names of whom a statement is about, and whether it is about all but them."""
    given = [name for name in ("Principal", "NotPrincipal") if name in stated]
    if len(given) != 1:
        faults.append(f"{where}: Principal or NotPrincipal must be there, and not both.")
        return (), False
    value = stated[given[0]]
    kinds = {"AWS": value} if value == "*" else value
    if not isinstance(kinds, dict) or not kinds:
        faults.append(f'{where}: {given[0]} must be "*" or an object.')
        return (), False
    found = []
    for kind, names in kinds.items():
        listed = [names] if isinstance(names, str) else names
        if kind not in _KINDS or not isinstance(listed, list) or not listed:
            faults.append(f"{where}: {given[0]} {kind} must be one of {', '.join(_KINDS)}.")
            continue
        for name in listed:
            if not isinstance(name, str) or (kind == "AWS" and not _is_identity(name)):
                faults.append(f"{where}: {given[0]} {name!r} is no account and no ARN of one.")
            else:
                found.append((kind, name))
    return tuple(found), given[0] == "NotPrincipal"


def _is_identity(name: str) -> bool:
    form = r"\*|\d{12}|arn:aws[a-zA-Z-]*:(iam|sts)::\d{12}:(root|[a-z-]+/[^\s*]+)"
    return re.fullmatch(form, name, re.ASCII) is not None


def _is_named(kind: str, name: str, who: Principal) -> bool:
    if kind == "Service":
        return name == who.service
    if kind != "AWS":
        return False
    if name in ("*", who.arn):
        return True
    account = _ACCOUNT.fullmatch(name)
    if account is not None:
        return account[1] == who.account
    return _role_of(name, _ROLE) is not None and _role_of(name, _ROLE) == _role_of(
        who.arn or "", _SESSION
    )


def _role_of(text: str, form: re.Pattern[str]) -> tuple[str, str] | None:
    """Account and name of the role that an ARN names, or under which a session runs."""
    found = form.fullmatch(text)
    return (found[1], found[2]) if found else None
