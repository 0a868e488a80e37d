"""Functions: created, read, changed, published as versions, deleted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamella.api import names
from lamella.api.caller import Caller
from lamella.api.describe import configuration, summary
from lamella.api.services import Services
from lamella.functions import lookup
from lamella.functions.create import create
from lamella.functions.delete import delete
from lamella.functions.update import update_code, update_configuration
from lamella.functions.versions import publish
from lamella.model.function import Function

MOST_FUNCTIONS = 50


def _where(caller: Caller, request: Mapping[str, Any], action: str) -> tuple[str, str, str]:
    ref = names.function(caller, request["FunctionName"], action=action)
    return caller.account, caller.region, ref.name


def create_function(
    services: Services, caller: Caller, request: Mapping[str, Any]
) -> dict[str, Any]:
    where = _where(caller, request, "CreateFunction")
    return configuration(create(services.workshop, *where, request))


def update_function_configuration(
    services: Services, caller: Caller, request: Mapping[str, Any]
) -> dict[str, Any]:
    where = _where(caller, request, "UpdateFunctionConfiguration")
    return configuration(update_configuration(services.workshop, *where, request))


def update_function_code(
    services: Services, caller: Caller, request: Mapping[str, Any]
) -> dict[str, Any]:
    where = _where(caller, request, "UpdateFunctionCode")
    return configuration(update_code(services.workshop, *where, request))


def publish_version(
    services: Services, caller: Caller, request: Mapping[str, Any]
) -> dict[str, Any]:
    where = _where(caller, request, "PublishVersion")
    return configuration(publish(services.workshop, *where, request))


def delete_function(
    services: Services, caller: Caller, request: Mapping[str, Any]
) -> dict[str, Any]:
    ref = names.function(
        caller, request["FunctionName"], request.get("Qualifier"), action="DeleteFunction"
    )
    delete(services.workshop, caller.account, caller.region, ref.name, ref.qualifier)
    return {"StatusCode": 204}


def get_function_configuration(
    services: Services, caller: Caller, request: Mapping[str, Any]
) -> dict[str, Any]:
    function, qualified = _find(services, caller, request, "GetFunctionConfiguration")
    return configuration(function, qualified=qualified)


def get_function(services: Services, caller: Caller, request: Mapping[str, Any]) -> dict[str, Any]:
    function, qualified = _find(services, caller, request, "GetFunction")
    location = services.links.url(caller.endpoint, function.code.digest)
    tags = services.workshop.records.function_tags(caller.account, caller.region, function.name)
    return {
        "Configuration": configuration(function, qualified=qualified),
        "Code": {"RepositoryType": "S3", "Location": location},
        "Tags": dict(tags) or None,
    }


def _find(
    services: Services, caller: Caller, request: Mapping[str, Any], action: str
) -> tuple[Function, bool]:
    """The version that is asked for, and whether it was asked for by a qualifier."""
    ref = names.function(caller, request["FunctionName"], request.get("Qualifier"), action=action)
    function = lookup.resolve(
        services.workshop.records, caller.account, caller.region, ref.name, ref.qualifier
    )
    return function, ref.qualifier is not None


def list_functions(
    services: Services, caller: Caller, request: Mapping[str, Any]
) -> dict[str, Any]:
    everything = request.get("FunctionVersion") == "ALL"
    page = services.workshop.records.functions(
        caller.account,
        caller.region,
        all_versions=everything,
        after=request.get("Marker"),
        limit=min(request.get("MaxItems", MOST_FUNCTIONS), MOST_FUNCTIONS),
    )
    functions = [summary(each, qualified=everything) for each in page.rows]
    return {"Functions": functions, "NextMarker": page.next}


def list_versions_by_function(
    services: Services, caller: Caller, request: Mapping[str, Any]
) -> dict[str, Any]:
    where = _where(caller, request, "ListVersionsByFunction")
    lookup.latest(services.workshop.records, *where)
    page = services.workshop.records.function_versions(
        *where,
        after=request.get("Marker"),
        limit=min(request.get("MaxItems", MOST_FUNCTIONS), MOST_FUNCTIONS),
    )
    versions = [summary(each, qualified=True) for each in page.rows]
    return {"Versions": versions, "NextMarker": page.next}
