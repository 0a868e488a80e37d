"""The unique ids by which AWS knows who asks, beside the ARN.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#principaltable
"""

from __future__ import annotations

import base64
import hashlib


def user_id(account: str, arn: str, role_id: str | None = None) -> str:
    """``UserId``: the account for its root, ``AIDA…`` for a user, the role's id and the session's
    name for a session. ``role_id`` is the id of the session's role where that is kept."""
    kind, _, rest = arn.rpartition(":")[2].partition("/")
    if kind == "user":
        return _derived("AIDA", arn)
    if kind == "assumed-role":
        role, _, session = rest.partition("/")
        return f"{role_id or unkept_role_id(account, role)}:{session}"
    return account


def unkept_role_id(account: str, role: str) -> str:
    """The id of a role that nobody made: always the same."""
    return _derived("AROA", f"{account}/{role}")


def session_role(arn: str) -> str | None:
    """The name of the role whose session an ARN is, or None."""
    kind, _, rest = arn.rpartition(":")[2].partition("/")
    return rest.partition("/")[0] if kind == "assumed-role" else None


def _derived(prefix: str, of: str) -> str:
    digest = base64.b32encode(hashlib.sha256(of.encode()).digest()).decode("ascii")
    return prefix + digest[:17]
