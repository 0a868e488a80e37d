"""STS: who a caller is. Its endpoint is every region's."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from lamella.api.caller import Caller
from lamella.api.services import Services

Request = Mapping[str, Any]


def get_caller_identity(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    arn = caller.principal_arn
    return {"UserId": _user_id(caller.account, arn), "Account": caller.account, "Arn": arn}


def _user_id(account: str, arn: str) -> str:
    """The account for its root, ``AIDA…`` for a user, the role's id and session for a role's.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#principaltable
    """
    kind, _, rest = arn.rpartition(":")[2].partition("/")
    if kind == "user":
        return _unique_id("AIDA", arn)
    if kind == "assumed-role":
        role, _, session = rest.partition("/")
        return f"{_unique_id('AROA', f'{account}/{role}')}:{session}"
    return account


def _unique_id(prefix: str, of: str) -> str:
    digest = base64.b32encode(hashlib.sha256(of.encode()).digest()).decode("ascii")
    return prefix + digest[:17]
