"""Who else may use a layer version: the statements of its policy, added, removed, shown and asked.

Owns the rules of https://docs.aws.amazon.com/lambda/latest/dg/permissions-layer-cross-account.html;
patterns and lengths of single members are the contract's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from lamella.errors import (
    InvalidParameterValue,
    PolicyLengthExceeded,
    PreconditionFailed,
    ResourceConflict,
    ResourceNotFound,
    ValidationFailed,
)
from lamella.model import arn, limits
from lamella.model.layer import LayerPolicy, LayerStatement
from lamella.records.base import Records

ACTION = "lambda:GetLayerVersion"
_PRINCIPAL = r"\d{12}|\*|arn:(aws[a-zA-Z-]*):iam::\d{12}:root"
_STALE = (
    "The Revision Id provided does not match the latest Revision Id. "
    "Call the GetLayerPolicy API to retrieve the latest Revision Id"
)


@dataclass(frozen=True, slots=True)
class Shown:
    """Text of a policy or a statement as AWS answers it (JSON), and the policy's revision."""

    text: str
    revision_id: str


class Policies:
    """The policies of layer versions. Every method raises ResourceNotFound without the version."""

    def __init__(
        self, records: Records, *, new_id: Callable[[], str] = lambda: str(uuid4())
    ) -> None:
        self._records = records
        self._new_id = new_id

    def add(
        self,
        account: str,
        region: str,
        name: str,
        version: int,
        statement: LayerStatement,
        revision_id: str | None,
    ) -> Shown:
        """Add one statement; what is shown is that statement alone."""
        check_statement(statement)
        resource = arn.layer_version(account, region, name, version)
        new_revision = self._new_id()

        def change(policy: LayerPolicy | None) -> LayerPolicy:
            return with_statement(policy, statement, revision_id, resource, new_revision)

        try:
            self._records.change_layer_policy(account, region, name, version, change)
        except KeyError:
            raise ResourceNotFound(f"Layer version {resource} does not exist.") from None
        return Shown(to_text(statement_document(statement, resource)), new_revision)

    def remove(
        self,
        account: str,
        region: str,
        name: str,
        version: int,
        sid: str,
        revision_id: str | None,
    ) -> None:
        new_revision = self._new_id()

        def change(policy: LayerPolicy | None) -> LayerPolicy | None:
            return without_statement(policy, sid, revision_id, new_revision)

        try:
            self._records.change_layer_policy(account, region, name, version, change)
        except KeyError:
            resource = arn.layer_version(account, region, name, version)
            raise ResourceNotFound(f"Layer version {resource} does not exist.") from None

    def get(self, account: str, region: str, name: str, version: int) -> Shown:
        resource = arn.layer_version(account, region, name, version)
        if self._records.layer_version(account, region, name, version) is None:
            raise ResourceNotFound(f"Layer version {resource} does not exist.")
        policy = self._records.layer_policy(account, region, name, version)
        if policy is None:
            raise ResourceNotFound("No policy is associated with the given resource.")
        return Shown(to_text(document(policy, resource)), policy.revision_id)


def check_statement(statement: LayerStatement) -> None:
    """Refuse what the service refuses of a statement by itself, worded as the contract words it."""
    faults = []
    if statement.action != ACTION:
        faults.append(_pattern_fault(statement.action, "action", ACTION))
    if not re.fullmatch(_PRINCIPAL, statement.principal):
        faults.append(_pattern_fault(statement.principal, "principal", _PRINCIPAL))
    if faults:
        plural = "s" if len(faults) > 1 else ""
        raise ValidationFailed(
            f"{len(faults)} validation error{plural} detected: {'; '.join(faults)}"
        )
    if statement.organization_id is not None and statement.principal != "*":
        raise InvalidParameterValue("The principal must be * when an organization id is provided.")


def with_statement(
    policy: LayerPolicy | None,
    statement: LayerStatement,
    revision_id: str | None,
    resource: str,
    new_revision: str,
) -> LayerPolicy:
    """The policy with one more statement.

    Raises ResourceConflict for an id that is taken, PreconditionFailed for another revision,
    PolicyLengthExceeded where the JSON would be over 20,480 bytes.
    """
    before = policy.statements if policy else ()
    if any(each.sid == statement.sid for each in before):
        raise ResourceConflict(
            f"The statement id ({statement.sid}) provided already exists. "
            "Please provide a new statement id, or remove the existing statement."
        )
    _check_revision(policy, revision_id)
    after = LayerPolicy(revision_id=new_revision, statements=(*before, statement))
    if len(to_text(document(after, resource)).encode()) > limits.POLICY_BYTES:
        raise PolicyLengthExceeded(
            f"The final policy size is bigger than the limit ({limits.POLICY_BYTES})."
        )
    return after


def without_statement(
    policy: LayerPolicy | None, sid: str, revision_id: str | None, new_revision: str
) -> LayerPolicy | None:
    """The policy with one statement less, None when that was the last.

    Raises ResourceNotFound for an id that is not there, PreconditionFailed for another revision.
    """
    _check_revision(policy, revision_id)
    before = policy.statements if policy else ()
    after = tuple(each for each in before if each.sid != sid)
    if len(after) == len(before):
        raise ResourceNotFound(f"Statement {sid} is not found in resource policy.")
    return LayerPolicy(revision_id=new_revision, statements=after) if after else None


def allows(policy: LayerPolicy | None, account: str, organization: str | None) -> bool:
    """Whether ``account``, a member of ``organization`` (None if of none), may use the version."""
    return policy is not None and any(
        _covers(statement, account, organization) for statement in policy.statements
    )


def document(policy: LayerPolicy, resource: str) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Id": "default",
        "Statement": [statement_document(each, resource) for each in policy.statements],
    }


def statement_document(statement: LayerStatement, resource: str) -> dict[str, Any]:
    """A statement as AWS shows it: an account becomes its root, an organization a condition."""
    shown: dict[str, Any] = {
        "Sid": statement.sid,
        "Effect": "Allow",
        "Principal": _principal_document(statement.principal),
        "Action": statement.action,
        "Resource": resource,
    }
    if statement.organization_id is not None:
        shown["Condition"] = {"StringEquals": {"aws:PrincipalOrgID": statement.organization_id}}
    return shown


def to_text(shown: Mapping[str, Any]) -> str:
    return json.dumps(shown, separators=(",", ":"))


def _principal_document(principal: str) -> str | dict[str, str]:
    if principal == "*":
        return principal
    root = principal if principal.startswith("arn:") else f"arn:aws:iam::{principal}:root"
    return {"AWS": root}


def _covers(statement: LayerStatement, account: str, organization: str | None) -> bool:
    if statement.organization_id is not None and statement.organization_id != organization:
        return False
    if statement.principal in ("*", account):
        return True
    return statement.principal.startswith("arn:") and statement.principal.split(":")[4] == account


def _check_revision(policy: LayerPolicy | None, revision_id: str | None) -> None:
    if revision_id and (policy is None or policy.revision_id != revision_id):
        raise PreconditionFailed(_STALE)


def _pattern_fault(value: str, member: str, pattern: str) -> str:
    return (
        f"Value '{value}' at '{member}' failed to satisfy constraint: "
        f"Member must satisfy regular expression pattern: {pattern}"
    )
