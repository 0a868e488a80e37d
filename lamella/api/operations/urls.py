"""The five operations on function URLs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lamella.api import names
from lamella.api.caller import Caller
from lamella.api.services import Services
from lamella.api.sharing import acting
from lamella.api.urls import address
from lamella.model.url import FunctionUrl

Request = Mapping[str, Any]
PAGE = 50


def create_function_url_config(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    where, qualifier = _where(services, caller, request, "CreateFunctionUrlConfig")
    shown = _changed(caller, services.urls.create(where, qualifier, request), request)
    return {name: value for name, value in shown.items() if name != "LastModifiedTime"}


def get_function_url_config(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    where, qualifier = _where(services, caller, request, "GetFunctionUrlConfig")
    return _shown(caller, services.urls.get(where, qualifier))


def update_function_url_config(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    where, qualifier = _where(services, caller, request, "UpdateFunctionUrlConfig")
    return _changed(caller, services.urls.update(where, qualifier, request), request)


def delete_function_url_config(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    services.urls.delete(*_where(services, caller, request, "DeleteFunctionUrlConfig"))
    return {}


def list_function_url_configs(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    where, _ = _where(services, caller, request, "ListFunctionUrlConfigs")
    after, limit = request.get("Marker") or None, request.get("MaxItems", PAGE)
    page = services.urls.page(where, after=after, limit=limit)
    return {
        "FunctionUrlConfigs": [_shown(caller, url) for url in page.rows],
        "NextMarker": page.next,
    }


def _where(
    services: Services, caller: Caller, request: Request, action: str
) -> tuple[tuple[str, str, str], str | None]:
    caller = acting(services, caller, request, action)
    ref = names.function(caller, request["FunctionName"], request.get("Qualifier"), action=action)
    return (caller.account, caller.region, ref.name), ref.qualifier


def _changed(caller: Caller, url: FunctionUrl, request: Request) -> dict[str, Any]:
    """The answer to a change, in which AWS tells the InvokeMode to those alone who gave one."""
    return {**_shown(caller, url), "InvokeMode": request.get("InvokeMode")}


def _shown(caller: Caller, url: FunctionUrl) -> dict[str, Any]:
    """FunctionUrlConfig; Cors is left out where there is none."""
    return {
        "FunctionUrl": address(caller.endpoint, url.id),
        "FunctionArn": url.function_arn,
        "AuthType": url.auth_type,
        "Cors": url.cors,
        "InvokeMode": url.invoke_mode,
        "CreationTime": _time(url.created),
        "LastModifiedTime": _time(url.modified),
    }


def _time(moment: datetime) -> str:
    return f"{moment.strftime('%Y-%m-%dT%H:%M:%S.%f')}Z"
