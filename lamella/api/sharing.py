"""Operations on functions of other accounts: whose function is meant, and whether its policy lets
the caller do that. The caller of a function of its own is not held up.

Source: https://docs.aws.amazon.com/lambda/latest/dg/permissions-function-cross-account.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lamella.api import names
from lamella.api.caller import Caller
from lamella.api.services import Services
from lamella.functions.access import Principal
from lamella.functions.permissions import Place
from lamella.layers.attach import denied


def acting(services: Services, caller: Caller, request: Mapping[str, Any], action: str) -> Caller:
    """The caller as one of the account whose function the request names; blocking.

    ``action`` is IAM's, without its service. Raises AccessDenied where no policy of the function
    allows it, and what `names.function` raises.
    """
    owner = names.owner(request["FunctionName"], caller.account)
    if owner == caller.account:
        return caller
    at, who = _asked(caller, owner, request, action)
    if not services.permissions.allows(at, who, f"lambda:{action}", {}):
        raise denied(caller.principal_arn, f"lambda:{action}", at.arn)
    return replace(caller, account=owner)


async def acting_on_loop(
    services: Services, caller: Caller, request: Mapping[str, Any], action: str
) -> Caller:
    """`acting` for the event loop; decisions are remembered for a moment."""
    owner = names.owner(request["FunctionName"], caller.account)
    if owner == caller.account:
        return caller
    at, who = _asked(caller, owner, request, action)
    if not await services.grants.allows(at, who, f"lambda:{action}"):
        raise denied(caller.principal_arn, f"lambda:{action}", at.arn)
    return replace(caller, account=owner)


def _asked(
    caller: Caller, owner: str, request: Mapping[str, Any], action: str
) -> tuple[Place, Principal]:
    as_owner = replace(caller, account=owner)
    ref = names.function(as_owner, request["FunctionName"], request.get("Qualifier"), action=action)
    place = Place(owner, caller.region, ref.name, ref.qualifier)
    return place, Principal(caller.account, caller.principal_arn)
