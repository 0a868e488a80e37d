"""The five operations on aliases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamella.api import names
from lamella.api.caller import Caller
from lamella.api.services import Services
from lamella.api.sharing import acting
from lamella.model.alias import Alias

Request = Mapping[str, Any]
PAGE = 50


def create_alias(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    where = _where(services, caller, request, "CreateAlias")
    return _shown(services.aliases.create(where, request))


def get_alias(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    where = _where(services, caller, request, "GetAlias")
    return _shown(services.aliases.get(where, request["Name"]))


def update_alias(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    where = _where(services, caller, request, "UpdateAlias")
    return _shown(services.aliases.update(where, request["Name"], request))


def delete_alias(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    where = _where(services, caller, request, "DeleteAlias")
    services.aliases.delete(where, request["Name"])
    return {}


def list_aliases(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    page = services.aliases.page(
        _where(services, caller, request, "ListAliases"),
        request.get("FunctionVersion"),
        after=request.get("Marker") or None,
        limit=request.get("MaxItems", PAGE),
    )
    return {"Aliases": [_shown(alias) for alias in page.rows], "NextMarker": page.next}


def _where(
    services: Services, caller: Caller, request: Request, action: str
) -> tuple[str, str, str]:
    asked = {"FunctionName": request["FunctionName"]}
    caller = acting(services, caller, asked, action)
    ref = names.function(caller, request["FunctionName"], action=action)
    return caller.account, caller.region, ref.name


def _shown(alias: Alias) -> dict[str, Any]:
    """AliasConfiguration; RoutingConfig is left out where there is one version."""
    shown: dict[str, Any] = {
        "AliasArn": alias.arn,
        "Name": alias.name,
        "FunctionVersion": alias.version,
        "Description": alias.description,
        "RevisionId": alias.revision_id,
    }
    if alias.additional is not None:
        weights = {alias.additional: alias.weight}
        shown["RoutingConfig"] = {"AdditionalVersionWeights": weights}
    return shown
