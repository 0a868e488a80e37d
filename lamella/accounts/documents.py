"""Policy documents of IAM as they are accepted: of JSON, of the right members, not too long.

Pure rules. What a document then allows is not looked at here.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

from __future__ import annotations

from typing import Any

import orjson

from lamella.errors import LimitExceeded, MalformedPolicyDocument

TRUST_CHARACTERS = 2048
INLINE_CHARACTERS = 10_240
MANAGED_CHARACTERS = 6_144
VERSIONS = ("2008-10-17", "2012-10-17")

_SYNTAX = "Syntax errors in policy."
_MEMBERS = frozenset({"Version", "Id", "Statement"})
_STATEMENT = frozenset(
    {
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    }
)


def length(text: str) -> int:
    """Characters that count against a quota: all but white space."""
    return sum(map(len, text.split()))


def check_trust(text: str) -> None:
    """Whether a document may say who assumes a role. MalformedPolicyDocument, LimitExceeded."""
    document = _parsed(text, "This policy contains invalid Json")
    for statement in _statements(document):
        for member in ("Resource", "NotResource"):
            if member in statement:
                raise MalformedPolicyDocument(f"Has prohibited field {member}")
        for member in ("Effect", "Principal", "Action"):
            if member not in statement and f"Not{member}" not in statement:
                raise MalformedPolicyDocument(f"Missing required field {member}")
        _check_shapes(statement)
        _check_principal(statement)
        for action in _texts(statement.get("Action", [])):
            if not action.lower().startswith("sts:") and action != "*":
                raise MalformedPolicyDocument(
                    "AssumeRole policy may only specify STS AssumeRole actions."
                )
    if length(text) > TRUST_CHARACTERS:
        raise LimitExceeded(f"Cannot exceed quota for ACLSizePerRole: {TRUST_CHARACTERS}")


def check_identity(text: str) -> None:
    """Whether a document may say what a role is allowed. MalformedPolicyDocument."""
    document = _parsed(text, _SYNTAX)
    seen: set[str] = set()
    for statement in _statements(document):
        if "Principal" in statement or "NotPrincipal" in statement:
            raise MalformedPolicyDocument("Policy document should not specify a principal.")
        if "Effect" not in statement:
            raise MalformedPolicyDocument(_SYNTAX)
        _check_shapes(statement)
        for member, missing in (("Action", "actions"), ("Resource", "resources")):
            if not _texts(statement.get(member) or statement.get(f"Not{member}") or []):
                raise MalformedPolicyDocument(f"Policy statement must contain {missing}.")
        for action in _texts(statement.get("Action", statement.get("NotAction", []))):
            if ":" not in action and action != "*":
                raise MalformedPolicyDocument(
                    "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
                )
        for resource in _texts(statement.get("Resource", statement.get("NotResource", []))):
            if not resource.startswith("arn:") and resource != "*":
                raise MalformedPolicyDocument(f'Resource {resource} must be in ARN format or "*".')
        sid = statement.get("Sid")
        if sid and sid in seen:
            raise MalformedPolicyDocument("Statement IDs (SID) in a single policy must be unique.")
        seen.add(sid or "")


def statements(text: str) -> list[dict[str, Any]]:
    """The statements of a document that was accepted."""
    return _statements(_parsed(text, _SYNTAX))


def texts(value: Any) -> list[str]:
    """One text or a list of them, as policies write it, as a list."""
    return _texts(value)


def _parsed(text: str, fault: str) -> dict[str, Any]:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise MalformedPolicyDocument(fault) from error
    if not isinstance(document, dict) or not _MEMBERS.issuperset(document):
        raise MalformedPolicyDocument(_SYNTAX)
    if document.get("Version", VERSIONS[0]) not in VERSIONS:
        raise MalformedPolicyDocument("Policy document must be version 2012-10-17 or greater.")
    return document


def _statements(document: dict[str, Any]) -> list[dict[str, Any]]:
    found = document.get("Statement")
    listed = [found] if isinstance(found, dict) else found
    if not isinstance(listed, list) or not listed:
        raise MalformedPolicyDocument(_SYNTAX)
    for statement in listed:
        if not isinstance(statement, dict) or not _STATEMENT.issuperset(statement):
            raise MalformedPolicyDocument(_SYNTAX)
    return listed


def _check_shapes(statement: dict[str, Any]) -> None:
    if statement["Effect"] not in ("Allow", "Deny"):
        raise MalformedPolicyDocument(_SYNTAX)
    if not isinstance(statement.get("Sid", ""), str):
        raise MalformedPolicyDocument(_SYNTAX)
    if not isinstance(statement.get("Condition", {}), dict):
        raise MalformedPolicyDocument(_SYNTAX)
    for member in ("Action", "Resource"):
        if member in statement and f"Not{member}" in statement:
            raise MalformedPolicyDocument(_SYNTAX)
        for each in (member, f"Not{member}"):
            _texts(statement.get(each, []))


def _check_principal(statement: dict[str, Any]) -> None:
    principal = statement.get("Principal", statement.get("NotPrincipal"))
    if principal == "*":
        return
    if not isinstance(principal, dict) or not principal:
        raise MalformedPolicyDocument(_SYNTAX)
    for kind, named in principal.items():
        if kind not in ("AWS", "Service", "Federated", "CanonicalUser"):
            raise MalformedPolicyDocument(f"Invalid principal in policy: {kind}")
        if not _texts(named):
            raise MalformedPolicyDocument(_SYNTAX)


def _texts(value: Any) -> list[str]:
    listed = value if isinstance(value, list) else [value]
    if not all(isinstance(each, str) for each in listed):
        raise MalformedPolicyDocument(_SYNTAX)
    return listed
