"""The six operations on the policies of functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamella.api import names
from lamella.api.caller import Caller
from lamella.api.services import Services
from lamella.errors import InvalidParameterValue
from lamella.functions.permissions import Place

Request = Mapping[str, Any]


def add_permission(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    at = _place(caller, request, "AddPermission")
    return {"Statement": services.permissions.add(at, request)}


def remove_permission(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    at = _place(caller, request, "RemovePermission")
    services.permissions.remove(at, request["StatementId"], request.get("RevisionId"))
    return {}


def get_policy(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    shown = services.permissions.get(_place(caller, request, "GetPolicy"))
    return {"Policy": shown.text, "RevisionId": shown.revision_id}


def put_resource_policy(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    at = _resource(caller, request, "PutResourcePolicy")
    shown = services.permissions.put(at, request["Policy"], request.get("RevisionId"))
    return {"Policy": shown.text, "RevisionId": shown.revision_id}


def get_resource_policy(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    shown = services.permissions.get(_resource(caller, request, "GetResourcePolicy"))
    return {"Policy": shown.text, "RevisionId": shown.revision_id}


def delete_resource_policy(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    at = _resource(caller, request, "DeleteResourcePolicy")
    services.permissions.delete(at, request.get("RevisionId"))
    return {}


def _place(caller: Caller, request: Request, action: str) -> Place:
    ref = names.function(caller, request["FunctionName"], request.get("Qualifier"), action=action)
    return Place(caller.account, caller.region, ref.name, ref.qualifier)


def _resource(caller: Caller, request: Request, action: str) -> Place:
    resource = request["ResourceArn"]
    if ":function:" not in resource:
        raise InvalidParameterValue(
            "Only functions, their versions and their aliases have policies here."
        )
    ref = names.function(caller, resource, action=action)
    return Place(caller.account, caller.region, ref.name, ref.qualifier)
