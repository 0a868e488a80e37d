"""What a client's names stand for: functions and layers, named bare or by ARN.

The forms are those of https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from lamella.api.caller import Caller
from lamella.api.validate import name_too_long
from lamella.errors import AccessDenied, InvalidParameterValue, ResourceNotFound
from lamella.model import arn, limits


@dataclass(frozen=True, slots=True)
class FunctionRef:
    """A function of the caller's account and region; ``qualifier`` None if none was given."""

    name: str
    qualifier: str | None


def function(
    caller: Caller, text: str, qualifier: str | None = None, *, action: str
) -> FunctionRef:
    """Resolve a FunctionName and, where the operation has one, its Qualifier member.

    ``action`` is IAM's, for messages: ``InvokeFunction``. Raises InvalidParameterValue when both
    give a qualifier and they differ, ResourceNotFound for another region or no name at all,
    AccessDenied for another account, ValidationFailed for a name over 64 characters.
    """
    return _function(
        caller.account, caller.region, caller.principal_arn, text, qualifier or None, action
    )


@lru_cache(maxsize=4096)
def owner(text: str, account: str) -> str:
    """The account of the function that a FunctionName of a caller of ``account`` means."""
    named = arn.parse_function(text)
    return account if named is None else named.account or account


@lru_cache(maxsize=4096)
def _function(
    account: str, region: str, principal: str, text: str, qualifier: str | None, action: str
) -> FunctionRef:
    named = arn.parse_function(text)
    if named is None:
        raise ResourceNotFound(f"Function not found: {arn.function(account, region, text)}")
    if len(named.name) > limits.FUNCTION_NAME_CHARACTERS:
        raise name_too_long(named.name)
    if named.account not in (None, account):
        its_arn = arn.function(
            named.account or account, named.region or region, named.name, named.qualifier
        )
        raise AccessDenied(
            f"User: {principal} is not authorized to perform: lambda:{action} on resource: "
            f"{its_arn} because no resource-based policy allows the lambda:{action} action"
        )
    if named.region not in (None, region):
        raise ResourceNotFound(
            f"Functions from '{named.region}' are not reachable in this region ('{region}')"
        )
    if qualifier and named.qualifier and qualifier != named.qualifier:
        raise InvalidParameterValue(
            "The derived qualifier from the function name does not match the specified qualifier."
        )
    return FunctionRef(named.name, qualifier or named.qualifier)


def layer(caller: Caller, text: str) -> arn.LayerArn:
    """Resolve a LayerName: a bare name is one of the caller's account and region.

    The account of an ARN is left as it is: policies decide about it. Raises ResourceNotFound for
    another region, and for the ARN of what is no layer of an account.
    """
    named = arn.parse_layer(text)
    if named is None and ":" in text:
        raise ResourceNotFound("The resource you requested does not exist.")
    named = named or arn.LayerArn(caller.region, caller.account, text, None)
    if named.region != caller.region:
        raise ResourceNotFound(
            f"Layers from '{named.region}' are not reachable in this region ('{caller.region}')"
        )
    return named
