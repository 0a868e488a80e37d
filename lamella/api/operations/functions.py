"""Functions: created, read, changed, published as versions, deleted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamella.api import names
from lamella.api.caller import Caller
from lamella.api.describe import code, configuration, summary
from lamella.api.services import Services
from lamella.api.sharing import acting
from lamella.errors import InvalidParameterValue
from lamella.functions import account, lookup
from lamella.functions.create import create
from lamella.functions.delete import delete
from lamella.functions.update import update_code, update_configuration
from lamella.functions.versions import publish
from lamella.model import arn
from lamella.model.function import Function
from lamella.records.base import Page

Request = Mapping[str, Any]
MOST_FUNCTIONS = 50


def create_function(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    where = _latest(caller, request, "CreateFunction")
    services.assuming.check_passed(caller.account, caller.account, request["Role"])
    created = create(services.workshop, *where, request, principal_arn=caller.principal_arn)
    return configuration(created, qualified=False)


def update_function_configuration(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    asker, caller = caller, acting(services, caller, request, "UpdateFunctionConfiguration")
    services.assuming.check_passed(asker.account, caller.account, request.get("Role"))
    where = _latest(caller, request, "UpdateFunctionConfiguration")
    return configuration(
        update_configuration(services.workshop, *where, request, principal_arn=caller.principal_arn)
    )


def update_function_code(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    caller = acting(services, caller, request, "UpdateFunctionCode")
    where = _latest(caller, request, "UpdateFunctionCode")
    return configuration(update_code(services.workshop, *where, request))


def publish_version(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    caller = acting(services, caller, request, "PublishVersion")
    where = _latest(caller, request, "PublishVersion")
    return configuration(publish(services.workshop, *where, request))


def delete_function(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    caller = acting(services, caller, request, "DeleteFunction")
    ref = _ref(caller, request, "DeleteFunction")
    delete(services.workshop, caller.account, caller.region, ref.name, ref.qualifier)
    return {"StatusCode": 204}


def get_function_configuration(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    caller = acting(services, caller, request, "GetFunctionConfiguration")
    ref = _ref(caller, request, "GetFunctionConfiguration")
    return _as_asked(_find(services, caller, ref), ref)


def get_function(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    caller = acting(services, caller, request, "GetFunction")
    ref = _ref(caller, request, "GetFunction")
    function = _find(services, caller, ref)
    tags = services.workshop.records.function_tags(caller.account, caller.region, function.name)
    return {
        "Configuration": _as_asked(function, ref),
        "Code": code(function, services.links.url(caller.endpoint, function.code.digest)),
        "Tags": dict(tags) or None,
        "Concurrency": _concurrency(services, function),
    }


def list_functions(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    everything = request.get("FunctionVersion") == "ALL"
    page = _functions(services, caller, request, everything)
    functions = [summary(each, qualified=everything) for each in page.rows]
    return {"Functions": functions, "NextMarker": page.next}


def list_versions_by_function(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    caller = acting(services, caller, request, "ListVersionsByFunction")
    ref = _ref(caller, request, "ListVersionsByFunction")
    where = (caller.account, caller.region, ref.name)
    lookup.latest(services.workshop.records, *where)
    page = services.workshop.records.function_versions(*where, **_paging(request))
    versions = [summary(each, qualified=True) for each in page.rows]
    return {"Versions": versions, "NextMarker": page.next}


def _ref(caller: Caller, request: Request, action: str) -> names.FunctionRef:
    return names.function(caller, request["FunctionName"], request.get("Qualifier"), action=action)


def _latest(caller: Caller, request: Request, action: str) -> tuple[str, str, str]:
    """The function whose ``$LATEST`` is meant; no other version can be changed."""
    ref = _ref(caller, request, action)
    if ref.qualifier not in (None, arn.LATEST):
        raise InvalidParameterValue(
            "Current operation does not support versions other than $LATEST."
        )
    return caller.account, caller.region, ref.name


def _find(services: Services, caller: Caller, ref: names.FunctionRef) -> Function:
    records = services.workshop.records
    return lookup.resolve(records, caller.account, caller.region, ref.name, ref.qualifier)


def _as_asked(function: Function, ref: names.FunctionRef) -> dict[str, Any]:
    """The configuration under the ARN that was asked for, which may be an alias's."""
    asked = arn.function(function.account, function.region, function.name, ref.qualifier)
    return {**configuration(function), "FunctionArn": asked}


def _concurrency(services: Services, function: Function) -> dict[str, int] | None:
    """What is reserved for the function; None without."""
    reserved = account.reserved(
        services.workshop.records, function.account, function.region, function.name
    )
    return None if reserved is None else {"ReservedConcurrentExecutions": reserved}


def _functions(
    services: Services, caller: Caller, request: Request, everything: bool
) -> Page[Function]:
    region = request.get("MasterRegion", "ALL")
    if not everything and "MasterRegion" in request:
        raise InvalidParameterValue("FunctionVersion must be ALL when MasterRegion is given.")
    if region not in ("ALL", caller.region):
        return Page((), None)  # functions of this server are replicas of none
    return services.workshop.records.functions(
        caller.account, caller.region, all_versions=everything, **_paging(request)
    )


def _paging(request: Request) -> dict[str, Any]:
    return {
        "after": request.get("Marker") or None,
        "limit": min(request.get("MaxItems", MOST_FUNCTIONS), MOST_FUNCTIONS),
    }
