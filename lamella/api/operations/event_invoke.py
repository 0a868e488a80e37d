"""The five operations on how asynchronous invocations are retried and who is told of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lamella.api import names
from lamella.api.caller import Caller
from lamella.api.services import Services
from lamella.functions.event_invoke import PAGE, EventInvokeConfig
from lamella.model import arn

Request = Mapping[str, Any]
Where = tuple[str, str, str]


def put_function_event_invoke_config(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    where, qualifier = _where(caller, request, "PutFunctionEventInvokeConfig")
    return _shown(where, qualifier, services.event_invoke.put(where, qualifier, request))


def update_function_event_invoke_config(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    where, qualifier = _where(caller, request, "UpdateFunctionEventInvokeConfig")
    return _shown(where, qualifier, services.event_invoke.update(where, qualifier, request))


def get_function_event_invoke_config(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    where, qualifier = _where(caller, request, "GetFunctionEventInvokeConfig")
    return _shown(where, qualifier, services.event_invoke.get(where, qualifier))


def delete_function_event_invoke_config(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    where, qualifier = _where(caller, request, "DeleteFunctionEventInvokeConfig")
    services.event_invoke.delete(where, qualifier)
    return {}


def list_function_event_invoke_configs(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    where, _ = _where(caller, request, "ListFunctionEventInvokeConfigs")
    limit = min(request.get("MaxItems", PAGE), PAGE)
    page = services.event_invoke.list(where, after=request.get("Marker") or None, limit=limit)
    shown = [_shown(where, qualifier, config) for qualifier, config in page.rows]
    return {"FunctionEventInvokeConfigs": shown, "NextMarker": page.next}


def _where(caller: Caller, request: Request, action: str) -> tuple[Where, str | None]:
    ref = names.function(caller, request["FunctionName"], request.get("Qualifier"), action=action)
    return (caller.account, caller.region, ref.name), ref.qualifier


def _shown(where: Where, qualifier: str | None, config: EventInvokeConfig) -> dict[str, Any]:
    def destination(target: str | None) -> dict[str, str]:
        return {} if target is None else {"Destination": target}

    return {
        "LastModified": datetime.fromisoformat(config.modified),
        "FunctionArn": arn.function(*where, qualifier or arn.LATEST),
        "MaximumRetryAttempts": config.attempts,
        "MaximumEventAgeInSeconds": config.age_seconds,
        "DestinationConfig": {
            "OnSuccess": destination(config.on_success),
            "OnFailure": destination(config.on_failure),
        },
    }
