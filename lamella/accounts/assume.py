"""A role's session: who may have one, and for how long.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lamella.accounts import documents
from lamella.accounts.identity import session_role, unkept_role_id
from lamella.accounts.roles import Role, Roles
from lamella.accounts.sessions import Credentials, Sessions, role_named
from lamella.accounts.trust import Asker, trusts, trusts_lambda
from lamella.errors import (
    AccessDenied,
    InvalidParameterValue,
    PackedPolicyTooLarge,
    ValidationFailed,
)

SECONDS = 3600
CHAINED_SECONDS = 3600
OWN_SECONDS = 43_200
ROOT_SECONDS = 3600
POLICY_CHARACTERS = 2048
POLICIES = 10


@dataclass(frozen=True, slots=True)
class Wanted:
    """What AssumeRole was asked for; ``policy`` and ``policy_arns`` are for this session alone."""

    role_arn: str
    session_name: str
    seconds: int
    policy: str = ""
    policy_arns: tuple[str, ...] = ()

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> Wanted:
        return cls(
            request["RoleArn"],
            request["RoleSessionName"],
            request.get("DurationSeconds") or SECONDS,
            request.get("Policy") or "",
            tuple(each["arn"] for each in request.get("PolicyArns") or () if each.get("arn")),
        )


@dataclass(frozen=True, slots=True)
class Assumed:
    """A session: its ``id`` (``AROA…:session``), its ARN, and what it signs with."""

    id: str
    arn: str
    credentials: Credentials


class Assuming:
    """Gives sessions of roles.

    With ``checked`` callers are who they say they are, so a role must have been made before it can
    be assumed. Without, a role of any name will do, and for who has a session one
    of its own account. With ``enforced`` roles' policies decide what
    their sessions may do.
    """

    def __init__(self, roles: Roles, sessions: Sessions, *, checked: bool, enforced: bool) -> None:
        self._roles = roles
        self._sessions = sessions
        self._checked = checked
        self._enforced = enforced

    def assume(self, asker: Asker, wanted: Wanted) -> Assumed:
        """ValidationFailed, AccessDenied, MalformedPolicyDocument, PackedPolicyTooLarge."""
        named = role_named(wanted.role_arn)
        if named is None:
            raise ValidationFailed(f"{wanted.role_arn} is invalid")
        account, name = named
        role = self._roles.find(account, name)
        if role is not None and role.arn != wanted.role_arn:
            role = None
        if not self._may(asker, account, role):
            raise AccessDenied(
                f"User: {asker.arn} is not authorized to perform: sts:AssumeRole on resource: "
                f"{wanted.role_arn}"
            )
        check_seconds(wanted.seconds, role, asker)
        check_policies(wanted)
        credentials = self._sessions.issue(
            account,
            wanted.role_arn,
            wanted.session_name,
            wanted.seconds,
            policy=wanted.policy,
            policy_arns=wanted.policy_arns,
        )
        role_id = unkept_role_id(account, name) if role is None else role.id
        arn = f"arn:aws:sts::{account}:assumed-role/{name}/{wanted.session_name}"
        return Assumed(f"{role_id}:{wanted.session_name}", arn, credentials)

    def check_passed(self, account: str, owner: str, role_arn: str | None) -> None:
        """Whether a caller of ``account`` may give a function of ``owner`` a role, None: none.

        AccessDenied for another account's function; InvalidParameterValue for a role that is there
        and does not trust Lambda.
        Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html
        """
        if role_arn is None:
            return
        if self._checked and account != owner:
            raise AccessDenied("Cross-account pass role is not allowed.")
        named = role_named(role_arn)
        role = self._roles.find(*named) if named and self._enforced else None
        if role is not None and role.arn == role_arn and not trusts_lambda(role.trust):
            raise InvalidParameterValue(
                "The role defined for the function cannot be assumed by Lambda."
            )

    def _may(self, asker: Asker, account: str, role: Role | None) -> bool:
        """The role's trust decides; inside of an account for those alone whom policies limit.

        A role that is not there has no trust: no session, and so no function, gets into another
        account by it.
        """
        if role is None:
            own = asker.account == account or session_role(asker.arn) is None
            return own and not self._checked
        if asker.account == account and not asker.limited:
            return True
        return trusts(role.trust, asker)


def check_seconds(seconds: int, role: Role | None, asker: Asker) -> None:
    """ValidationFailed for a session that is longer than the role or the caller may have."""
    if role is not None and seconds > role.max_session:
        raise ValidationFailed(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        )
    if session_role(asker.arn) is not None and seconds > CHAINED_SECONDS:
        raise ValidationFailed(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by "
            "role chaining"
        )


def check_policies(wanted: Wanted) -> None:
    """ValidationFailed, MalformedPolicyDocument, PackedPolicyTooLarge for a session's policies."""
    if wanted.policy:
        documents.check_identity(wanted.policy)
    if len(wanted.policy_arns) > POLICIES:
        raise ValidationFailed(
            f"Member must have length less than or equal to {POLICIES}: policyArns"
        )
    if len(wanted.policy) + sum(map(len, wanted.policy_arns)) > POLICY_CHARACTERS:
        raise PackedPolicyTooLarge("Serialized token too large for session")


def own_seconds(principal_arn: str, seconds: int | None) -> int:
    """How long a session of the caller's own is; an account's root has an hour at most.

    AccessDenied for a caller who is a session already.
    """
    if session_role(principal_arn) is not None:
        raise AccessDenied("Cannot call GetSessionToken with session credentials")
    wanted = seconds or OWN_SECONDS
    return min(wanted, ROOT_SECONDS) if principal_arn.endswith(":root") else wanted
