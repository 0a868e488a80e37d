"""STS: who a caller is, and credentials that last for a while. Its endpoint is every region's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamella.accounts import assume
from lamella.accounts.identity import session_role, user_id
from lamella.accounts.sessions import Credentials
from lamella.accounts.trust import Asker
from lamella.api.caller import Caller
from lamella.api.services import Services

Request = Mapping[str, Any]


def get_caller_identity(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    arn = caller.principal_arn
    name = session_role(arn)
    role = None if name is None else services.roles.find(caller.account, name)
    its_id = user_id(caller.account, arn, None if role is None else role.id)
    return {"UserId": its_id, "Account": caller.account, "Arn": arn}


def assume_role(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    asker = _asker(caller, request.get("ExternalId"))
    assumed = services.assuming.assume(asker, assume.Wanted.of(request))
    return {
        "Credentials": _shown(assumed.credentials),
        "AssumedRoleUser": {"AssumedRoleId": assumed.id, "Arn": assumed.arn},
        "SourceIdentity": request.get("SourceIdentity"),
    }


def get_session_token(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    seconds = assume.own_seconds(caller.principal_arn, request.get("DurationSeconds"))
    issued = services.sessions.issue_to(
        caller.account, caller.principal_arn, seconds, parent=caller.access_key
    )
    return {"Credentials": _shown(issued)}


def _asker(caller: Caller, external_id: str | None) -> Asker:
    account, arn, limits = caller.account, caller.principal_arn, caller.limits
    if limits is None:
        return Asker(account, arn, external_id)
    return Asker(account, arn, external_id, limits.role, limited=True)


def _shown(credentials: Credentials) -> dict[str, Any]:
    return {
        "AccessKeyId": credentials.access_key_id,
        "SecretAccessKey": credentials.secret,
        "SessionToken": credentials.session_token,
        "Expiration": credentials.expires,
    }
