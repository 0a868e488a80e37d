"""Invocation: the operations that run on the event loop."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from contextlib import aclosing
from functools import partial
from typing import Any

from lamella.api import names
from lamella.api.caller import Caller
from lamella.api.eventstream import Events
from lamella.api.services import Services
from lamella.api.sharing import acting_on_loop
from lamella.errors import InvalidParameterValue, RequestTooLarge
from lamella.invoke.dispatch import check_payload
from lamella.invoke.stream import Streaming
from lamella.model import limits
from lamella.model.event import QueuedEvent
from lamella.model.invocation import Outcome, Sink

UNNAMED_ERROR = "Function.Unknown"
"""The type of an error whose runtime, like AWS's own for Python, names it in the body alone."""


async def invoke(
    services: Services, caller: Caller, request: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Invoke: wait for the answer, accept an event, or as a dry run.

    Source: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
    """
    caller = await acting_on_loop(services, caller, request, "InvokeFunction")
    _check_served(request)
    ref = names.function(
        caller, request["FunctionName"], request.get("Qualifier"), action="InvokeFunction"
    )
    where = (caller.account, caller.region, ref.name, ref.qualifier)
    kind = request.get("InvocationType", "RequestResponse")
    if kind == "Event":
        context = _client_context(request.get("ClientContext"))
        payload = request.get("Payload", b"")
        await _accept(services, caller, where, payload, context)
        return {"StatusCode": 202}
    if kind == "DryRun":
        await services.dispatcher.check(*where)
        return {"StatusCode": 204}
    outcome = await services.dispatcher.invoke(
        *where,
        request.get("Payload", b""),
        request_id=caller.request_id,
        client_context=_client_context(request.get("ClientContext")),
        trace_id=caller.trace_id,
        log_tail=request.get("LogType") == "Tail",
    )
    return {
        "StatusCode": 200,
        "Payload": outcome.payload,
        "FunctionError": outcome.function_error,
        "LogResult": outcome.log_tail and base64.b64encode(outcome.log_tail).decode(),
        "ExecutedVersion": outcome.executed_version,
        "TraceId": outcome.trace_id,
    }


async def invoke_async(
    services: Services, caller: Caller, request: Mapping[str, Any]
) -> Mapping[str, Any]:
    """The older way to invoke asynchronously, with a quarter of the payload.

    Source: https://docs.aws.amazon.com/lambda/latest/api/API_InvokeAsync.html
    """
    caller = await acting_on_loop(services, caller, request, "InvokeAsync")
    ref = names.function(caller, request["FunctionName"], action="InvokeAsync")
    where = (caller.account, caller.region, ref.name, ref.qualifier)
    payload = request.get("InvokeArgs", b"")
    await _accept(services, caller, where, payload, None, limit=limits.INVOKE_ASYNC_BYTES)
    return {"Status": 202}


async def invoke_with_response_stream(
    services: Services, caller: Caller, request: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Invoke, and answer with the response while the function writes it.

    Source: https://docs.aws.amazon.com/lambda/latest/api/API_InvokeWithResponseStream.html
    """
    caller = await acting_on_loop(services, caller, request, "InvokeFunction")
    _check_served(request)
    if request.get("InvocationType") == "DryRun":
        await services.dispatcher.check(*_where(caller, request))
        return {"StatusCode": 204}
    streaming = await services.streams.start(partial(_invoke, services, caller, request))
    return {"ExecutedVersion": streaming.version, "EventStream": _events(streaming)}


async def _accept(
    services: Services,
    caller: Caller,
    where: tuple[str, str, str, str | None],
    payload: bytes,
    client_context: str | None,
    *,
    limit: int = limits.EVENT_BYTES,
) -> None:
    """Keep an event for the function; it is durable when this returns."""
    if len(payload) > limit:
        raise RequestTooLarge(
            f"{len(payload)} byte payload is too large for the Event invocation type "
            f"(limit {limit} bytes)"
        )
    await check_payload(payload)
    await services.dispatcher.check(*where)
    account, region, name, qualifier = where
    now = time.time()
    await services.queue.accept(
        QueuedEvent(
            id=caller.request_id,
            account=account,
            region=region,
            name=name,
            qualifier=qualifier,
            payload=payload or b"{}",
            trace_id=caller.trace_id,
            client_context=client_context,
            accepted=now,
            due=now,
        )
    )


def _check_served(request: Mapping[str, Any]) -> None:
    """Refuse what only functions with a setting that is refused could be asked for."""
    if "TenantId" in request:
        raise InvalidParameterValue(
            "The invoked function is not enabled with tenancy configuration."
        )
    if "DurableExecutionName" in request:
        raise InvalidParameterValue("The invoked function is not a durable function.")


def _where(caller: Caller, request: Mapping[str, Any]) -> tuple[str, str, str, str | None]:
    ref = names.function(
        caller, request["FunctionName"], request.get("Qualifier"), action="InvokeFunction"
    )
    return caller.account, caller.region, ref.name, ref.qualifier


async def _invoke(
    services: Services, caller: Caller, request: Mapping[str, Any], sink: Sink
) -> Outcome:
    return await services.dispatcher.invoke(
        *_where(caller, request),
        request.get("Payload", b""),
        request_id=caller.request_id,
        client_context=_client_context(request.get("ClientContext")),
        trace_id=caller.trace_id,
        log_tail=request.get("LogType") == "Tail",
        sink=sink,
    )


async def _events(streaming: Streaming) -> Events:
    """The response in chunks, then how it ended."""
    async with aclosing(streaming.parts()) as parts:
        async for part in parts:
            yield {"PayloadChunk": {"Payload": part}}
    outcome = streaming.outcome
    failed = outcome.function_error is not None
    named = outcome.error_type != UNNAMED_ERROR
    complete = {
        "ErrorCode": outcome.error_type if named else outcome.function_error,
        "ErrorDetails": outcome.payload.decode("utf-8", "replace") if failed else None,
        "LogResult": outcome.log_tail and base64.b64encode(outcome.log_tail).decode(),
    }
    yield {"InvokeComplete": complete}


def _client_context(encoded: str | None) -> str | None:
    """The JSON that a runtime gets: the header brings it in base64; what is not is dropped."""
    if encoded is None:
        return None
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except ValueError:
        return None
