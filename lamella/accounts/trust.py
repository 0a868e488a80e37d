"""Whether a role's trust policy lets a principal of another account, or Lambda, assume it.

Pure. Of conditions, ``sts:ExternalId`` in StringEquals is understood; under any other an Allow does
not apply and a Deny does, so that what is not understood lets nobody in.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from lamella.accounts.documents import statements, texts

_ACTION = "sts:assumerole"
_LAMBDA = "lambda.amazonaws.com"


@dataclass(frozen=True, slots=True)
class Asker:
    """Who wants to assume a role.

    ``external_id`` is what the request gave as one; ``role`` the ARN of the role whose session it
    is, as far as that is known; ``limited`` whether policies say what the asker may do.
    """

    account: str
    arn: str
    external_id: str | None = None
    role: str = ""
    limited: bool = False


def trusts(document: str, asker: Asker) -> bool:
    """Whether the trust policy (one that was accepted) allows ``sts:AssumeRole``; Deny wins."""
    allowed = False
    for statement in statements(document):
        if not _about_assuming(statement):
            continue
        names, understood = _names(statement, asker), _holds(statement, asker)
        if statement["Effect"] == "Deny":
            if names is not False and understood is not False:
                return False
        elif names is True and understood is True:
            allowed = True
    return allowed


def trusts_lambda(document: str) -> bool:
    """Whether the trust policy (one that was accepted) lets functions have the role.

    Conditions say for which functions, which is not looked at.
    """
    effects = {
        statement["Effect"]
        for statement in statements(document)
        if _about_assuming(statement) and _names_lambda(statement)
    }
    return effects == {"Allow"}


def _names_lambda(statement: dict[str, Any]) -> bool:
    principal = statement.get("Principal")
    if not isinstance(principal, dict):
        return principal == "*"
    return not {_LAMBDA, "*"}.isdisjoint(texts(principal.get("Service", [])))


def _about_assuming(statement: dict[str, Any]) -> bool:
    if "NotAction" in statement:
        return not _matches(statement["NotAction"])
    return _matches(statement.get("Action", []))


def _matches(actions: Any) -> bool:
    return any(fnmatchcase(_ACTION, _plain(each.lower())) for each in texts(actions))


def _plain(pattern: str) -> str:
    """IAM knows ``*`` and ``?``; a bracket is itself."""
    return pattern.replace("[", "[[]")


def _names(statement: dict[str, Any], asker: Asker) -> bool | None:
    """Whether the statement is about the asker; None for NotPrincipal, which is not understood."""
    if "NotPrincipal" in statement:
        return None
    principal = statement.get("Principal")
    if principal == "*":
        return True
    named = texts(principal.get("AWS", [])) if isinstance(principal, dict) else []
    return any(_is(each, asker) for each in named)


def _is(named: str, asker: Asker) -> bool:
    root = f"arn:aws:iam::{asker.account}:root"
    return named in ("*", asker.account, root, asker.arn, _role_of(asker))


def _role_of(asker: Asker) -> str | None:
    """The role of a session, by whose ARN a policy may name all of its sessions."""
    before, _, session = asker.arn.partition(":assumed-role/")
    name = session.partition("/")[0]
    if asker.role:
        return asker.role
    return f"arn:aws:iam::{asker.account}:role/{name}" if before and name else None


def _holds(statement: dict[str, Any], asker: Asker) -> bool | None:
    """Whether the statement's condition holds; None if it is not understood."""
    condition = statement.get("Condition")
    if not condition:
        return True
    tests = condition.get("StringEquals")
    if len(condition) > 1 or not isinstance(tests, dict) or set(tests) != {"sts:ExternalId"}:
        return None
    wanted = tests["sts:ExternalId"]
    return asker.external_id in (wanted if isinstance(wanted, list) else [wanted])
