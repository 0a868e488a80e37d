"""The five operations on event source mappings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from lamella.api import names
from lamella.api.caller import Caller
from lamella.api.services import Services
from lamella.model import arn
from lamella.model.mapping import EventSourceMapping

Request = Mapping[str, Any]
PAGE = 100


def create_event_source_mapping(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    ref = names.function(caller, request["FunctionName"], action="CreateEventSourceMapping")
    where = (caller.account, caller.region, ref.name)
    return _shown(services, services.mappings.create(where, ref.qualifier, request))


def get_event_source_mapping(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    found = services.mappings.get(caller.account, caller.region, request["UUID"])
    return _shown(services, found)


def update_event_source_mapping(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    named = None
    if request.get("FunctionName"):
        ref = names.function(caller, request["FunctionName"], action="UpdateEventSourceMapping")
        named = (ref.name, ref.qualifier)
    where = (caller.account, caller.region, request["UUID"])
    return _shown(services, services.mappings.update(*where, named, request))


def delete_event_source_mapping(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    gone = services.mappings.delete(caller.account, caller.region, request["UUID"])
    return _shown(services, gone)


def list_event_source_mappings(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    wanted = {
        "after": request.get("Marker") or None,
        "limit": min(request.get("MaxItems", PAGE), PAGE),
    }
    page = services.mappings.list(caller.account, caller.region, _filter(caller, request), **wanted)
    shown = [_shown(services, each) for each in page.rows]
    return {"EventSourceMappings": shown, "NextMarker": page.next}


class _Wanted:
    """Whether a mapping is of the source and the function that a list asks for."""

    def __init__(self, source: str | None, function: str | None) -> None:
        self._source = source
        self._function = function

    def __call__(self, mapping: EventSourceMapping) -> bool:
        return self._source in (None, mapping.source_arn) and self._function in (
            None,
            mapping.function_arn,
        )


def _filter(caller: Caller, request: Request) -> _Wanted:
    function = None
    if request.get("FunctionName"):
        ref = names.function(caller, request["FunctionName"], action="ListEventSourceMappings")
        function = arn.function(caller.account, caller.region, ref.name, ref.qualifier)
    return _Wanted(request.get("EventSourceArn") or None, function)


def _shown(services: Services, mapping: EventSourceMapping) -> dict[str, Any]:
    shown = dict(mapping.settings)
    if "StartingPositionTimestamp" in shown:
        shown["StartingPositionTimestamp"] = datetime.fromtimestamp(
            shown["StartingPositionTimestamp"], UTC
        )
    return {
        **shown,
        "UUID": mapping.uuid,
        "EventSourceMappingArn": mapping.arn,
        "EventSourceArn": mapping.source_arn,
        "FunctionArn": mapping.function_arn,
        "LastModified": mapping.last_modified,
        "State": mapping.state,
        **services.sources.report(mapping),
    }
