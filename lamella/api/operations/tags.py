"""Tags: listed, added and removed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lamella.api import names
from lamella.api.caller import Caller
from lamella.api.services import Services
from lamella.errors import InvalidParameterValue
from lamella.functions import tags

Request = Mapping[str, Any]
FOR_FUNCTIONS = (
    "Tags on function aliases and versions are not supported. Please specify a function ARN."
)


def list_tags(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    records, resource = services.workshop.records, request["Resource"]
    where = (caller.account, caller.region)
    if _is_function(resource):
        found = tags.of_function(records, *where, _function(caller, resource, "ListTags"))
    else:
        found = tags.of(records, tags.resource(*where, resource))
    return {"Tags": dict(found)}


def tag_resource(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    _change(services, caller, request["Resource"], tags.adding(request["Tags"]), "TagResource")
    return {}


def untag_resource(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    removed = tags.removing(request["TagKeys"])
    _change(services, caller, request["Resource"], removed, "UntagResource")
    return {}


def _change(
    services: Services,
    caller: Caller,
    resource: str,
    change: Callable[[tags.Tags], tags.Tags],
    action: str,
) -> None:
    shop, where = services.workshop, (caller.account, caller.region)
    if _is_function(resource):
        tags.change_function(shop, *where, _function(caller, resource, action), change)
    else:
        tags.change(shop.records, tags.resource(*where, resource), change)


def _is_function(resource: str) -> bool:
    return ":function:" in resource


def _function(caller: Caller, resource: str, action: str) -> str:
    ref = names.function(caller, resource, action=action)
    if ref.qualifier is not None:
        raise InvalidParameterValue(FOR_FUNCTIONS)
    return ref.name
