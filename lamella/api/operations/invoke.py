"""Invocation: the one operation that runs on the event loop."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from lamella.api import names
from lamella.api.caller import Caller
from lamella.api.services import Services
from lamella.errors import NotBuilt

EVENT = (
    "Invoke with InvocationType Event is not built yet: docs/api-coverage.md lists what is. "
    "Use RequestResponse."
)


async def invoke(
    services: Services, caller: Caller, request: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Invoke, synchronously or as a dry run.

    Source: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
    """
    ref = names.function(
        caller, request["FunctionName"], request.get("Qualifier"), action="InvokeFunction"
    )
    where = (caller.account, caller.region, ref.name, ref.qualifier)
    kind = request.get("InvocationType", "RequestResponse")
    if kind == "Event":
        raise NotBuilt(EVENT)
    if kind == "DryRun":
        await services.dispatcher.check(*where)
        return {"StatusCode": 204}
    outcome = await services.dispatcher.invoke(
        *where,
        request.get("Payload", b""),
        request_id=caller.request_id,
        client_context=_client_context(request.get("ClientContext")),
        log_tail=request.get("LogType") == "Tail",
    )
    return {
        "StatusCode": 200,
        "Payload": outcome.payload,
        "FunctionError": outcome.function_error,
        "LogResult": outcome.log_tail and base64.b64encode(outcome.log_tail).decode(),
        "ExecutedVersion": outcome.executed_version,
    }


def _client_context(encoded: str | None) -> str | None:
    """The JSON that a runtime gets: the header brings it in base64; what is not is dropped."""
    if encoded is None:
        return None
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except ValueError:
        return None
