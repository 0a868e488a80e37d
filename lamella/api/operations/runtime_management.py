"""Runtime management: when AWS would update the runtime of a version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamella.api import names
from lamella.api.caller import Caller
from lamella.api.services import Services
from lamella.errors import InvalidParameterValue
from lamella.functions import lookup, runtime_management
from lamella.functions.runtime_management import RuntimeManagement
from lamella.model.function import Function

Request = Mapping[str, Any]


def put_runtime_management_config(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    function = _version(services, caller, request, "PutRuntimeManagementConfig")
    wanted = RuntimeManagement(request["UpdateRuntimeOn"], request.get("RuntimeVersionArn"))
    runtime_management.put(services.workshop.records, function, wanted)
    return _described(function, wanted)


def get_runtime_management_config(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    function = _version(services, caller, request, "GetRuntimeManagementConfig")
    return _described(function, runtime_management.get(services.workshop.records, function))


def _version(services: Services, caller: Caller, request: Request, action: str) -> Function:
    ref = names.function(caller, request["FunctionName"], request.get("Qualifier"), action=action)
    if lookup.is_alias(ref.qualifier):
        raise InvalidParameterValue(
            "Runtime management is configured for $LATEST or a published version, not for an alias."
        )
    where = (caller.account, caller.region, ref.name, ref.qualifier)
    return lookup.resolve(services.workshop.records, *where)


def _described(function: Function, management: RuntimeManagement) -> dict[str, Any]:
    return {
        "UpdateRuntimeOn": management.update_on,
        "FunctionArn": function.arn,
        "RuntimeVersionArn": management.version_arn,
    }
