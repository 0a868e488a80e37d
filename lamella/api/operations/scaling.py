"""Scaling of functions on managed instances: stored and returned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamella.api import names
from lamella.api.caller import Caller
from lamella.api.services import Services
from lamella.functions import lookup, scaling
from lamella.model.function import Function

Request = Mapping[str, Any]


def put_function_scaling_config(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    function = _version(services, caller, request, "PutFunctionScalingConfig")
    wanted = request.get("FunctionScalingConfig") or {}
    scaling.put(services.workshop.records, function, wanted)
    return {"FunctionState": function.state}


def get_function_scaling_config(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    function = _version(services, caller, request, "GetFunctionScalingConfig")
    found = scaling.get(services.workshop.records, function)
    return {
        "FunctionArn": function.qualified_arn,
        "AppliedFunctionScalingConfig": found,
        "RequestedFunctionScalingConfig": found,
    }


def _version(services: Services, caller: Caller, request: Request, action: str) -> Function:
    ref = names.function(caller, request["FunctionName"], request["Qualifier"], action=action)
    where = (caller.account, caller.region, ref.name, ref.qualifier)
    return lookup.resolve(services.workshop.records, *where)
