"""Whether recursive loops of a function are stopped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamella.api import names
from lamella.api.caller import Caller
from lamella.api.services import Services
from lamella.functions import recursion

Request = Mapping[str, Any]


def put_function_recursion_config(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    where = _function(caller, request, "PutFunctionRecursionConfig")
    recursion.put(services.workshop.records, *where, request["RecursiveLoop"])
    return {"RecursiveLoop": request["RecursiveLoop"]}


def get_function_recursion_config(
    services: Services, caller: Caller, request: Request
) -> dict[str, Any]:
    where = _function(caller, request, "GetFunctionRecursionConfig")
    return {"RecursiveLoop": recursion.get(services.workshop.records, *where)}


def _function(caller: Caller, request: Request, action: str) -> tuple[str, str, str]:
    ref = names.function(caller, request["FunctionName"], action=action)
    return caller.account, caller.region, ref.name
