"""Reserved concurrency of functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamella.api import names
from lamella.api.caller import Caller
from lamella.api.services import Services
from lamella.api.sharing import acting
from lamella.errors import InvalidParameterValue

Request = Mapping[str, Any]

FUNCTIONS_ONLY = (
    "This operation is permitted on Lambda functions only. Aliases and versions do not support "
    "this operation. Please specify either a function name or an unqualified function ARN."
)


def put_function_concurrency(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    where = _function(services, caller, request, "PutFunctionConcurrency")
    reserved = request["ReservedConcurrentExecutions"]
    services.concurrency.put(where, reserved)
    return {"ReservedConcurrentExecutions": reserved}


def get_function_concurrency(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    where = _function(services, caller, request, "GetFunctionConcurrency")
    return {"ReservedConcurrentExecutions": services.concurrency.get(where)}


def delete_function_concurrency(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    services.concurrency.delete(_function(services, caller, request, "DeleteFunctionConcurrency"))
    return {}


def _function(
    services: Services, caller: Caller, request: Request, action: str
) -> tuple[str, str, str]:
    caller = acting(services, caller, request, action)
    ref = names.function(caller, request["FunctionName"], action=action)
    if ref.qualifier is not None:
        raise InvalidParameterValue(FUNCTIONS_ONLY)
    return caller.account, caller.region, ref.name
