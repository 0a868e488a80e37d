"""Provisioned concurrency of versions and aliases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamella.api import names
from lamella.api.caller import Caller
from lamella.api.services import Services
from lamella.api.sharing import acting
from lamella.model import arn
from lamella.model.concurrency import ProvisionedConfig, ProvisionedStatus

Request = Mapping[str, Any]
PAGE = 50


def put_provisioned_concurrency_config(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    where, qualifier = _qualified(services, caller, request, "PutProvisionedConcurrencyConfig")
    count = request["ProvisionedConcurrentExecutions"]
    shown = _shown(services.provisioned.put(where, qualifier, count))
    return {**shown, "Status": ProvisionedStatus.IN_PROGRESS, "StatusReason": None}


def get_provisioned_concurrency_config(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    where, qualifier = _qualified(services, caller, request, "GetProvisionedConcurrencyConfig")
    return _shown(services.provisioned.get(where, qualifier))


def delete_provisioned_concurrency_config(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    where, qualifier = _qualified(services, caller, request, "DeleteProvisionedConcurrencyConfig")
    services.provisioned.delete(where, qualifier)
    return {}


def list_provisioned_concurrency_configs(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    action = "ListProvisionedConcurrencyConfigs"
    caller = acting(services, caller, request, action)
    ref = names.function(caller, request["FunctionName"], action=action)
    where = (caller.account, caller.region, ref.name)
    marker, most = request.get("Marker") or None, request.get("MaxItems", PAGE)
    page = services.provisioned.page(where, after=marker, limit=most)
    listed = [
        {"FunctionArn": arn.function(*where, each.qualifier), **_shown(each)} for each in page.rows
    ]
    return {"ProvisionedConcurrencyConfigs": listed, "NextMarker": page.next}


def _qualified(
    services: Services, caller: Caller, request: Request, action: str
) -> tuple[tuple[str, str, str], str]:
    caller = acting(services, caller, request, action)
    ref = names.function(caller, request["FunctionName"], request["Qualifier"], action=action)
    return (caller.account, caller.region, ref.name), ref.qualifier or arn.LATEST


def _shown(config: ProvisionedConfig) -> dict[str, Any]:
    status = config.status
    failed = status is ProvisionedStatus.FAILED
    return {
        "RequestedProvisionedConcurrentExecutions": config.requested,
        "AvailableProvisionedConcurrentExecutions": config.standing.available,
        "AllocatedProvisionedConcurrentExecutions": config.standing.allocated,
        "Status": status,
        "StatusReason": config.standing.fault if failed else None,
        "LastModified": config.last_modified,
    }
