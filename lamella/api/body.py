"""The body of a request, read within its operation's limit.

A body over the limit is read to its end and thrown away, because a client that is still sending
would meet a closed connection instead of the answer; one that waits for ``100 Continue`` is
answered before it sends anything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from lamella.errors import ApiError, RequestEntityTooLarge, RequestTooLarge
from lamella.model import limits

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

# Bytes. The three that carry a zip have AWS's bound of CreateFunction; payloads have the
# invocation's; anything else is a small document.
_ZIP = limits.CREATE_FUNCTION_REQUEST_BYTES
_PAYLOAD = limits.SYNC_REQUEST_BYTES
DEFAULT = 1_048_576
NEIGHBOUR = "POST /"  # any operation of a service beside Lambda
_BATCH = 4_194_304  # PutLogEvents takes 1,048,576 bytes of messages, which JSON's escapes lengthen
BY_OPERATION: Mapping[str, int] = {
    "CreateFunction": _ZIP,
    "UpdateFunctionCode": _ZIP,
    "PublishLayerVersion": _ZIP,
    "Invoke": _PAYLOAD,
    "InvokeWithResponseStream": _PAYLOAD,
    "InvokeAsync": _PAYLOAD,
    "CheckpointDurableExecution": _PAYLOAD,
    NEIGHBOUR: _BATCH,
}
DRAINED_AT_MOST = 268_435_456


class Disconnected(Exception):
    """The client went away before its request was whole."""


async def read(receive: Receive, headers: Mapping[bytes, bytes], operation: str) -> bytes:
    """The whole body. Raises Disconnected, or the 413 that AWS answers for this operation."""
    limit = BY_OPERATION.get(operation, DEFAULT)
    if _declared(headers) > limit and _waits(headers):
        raise too_large(operation, limit)
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Disconnected
    body: bytes = message.get("body", b"")
    if message.get("more_body", False):
        body = await _rest(receive, body, operation, limit)
    if len(body) > limit:
        raise too_large(operation, limit)
    return body


def is_large(headers: Mapping[bytes, bytes]) -> bool:
    """Whether the body is, or may be, more than one takes in from just anybody."""
    return _declared(headers) > DEFAULT or b"transfer-encoding" in headers


async def discard(receive: Receive, headers: Mapping[bytes, bytes]) -> None:
    """Read a body to its end and keep nothing of it, so that its sender meets the answer."""
    if _waits(headers):
        return
    size, more = 0, True
    while more and size <= DRAINED_AT_MOST:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        size += len(message.get("body", b""))
        more = message.get("more_body", False)


async def _rest(receive: Receive, first: bytes, operation: str, limit: int) -> bytes:
    chunks, size, more = [first], len(first), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= limit:
            chunks.append(chunk)
        elif size > DRAINED_AT_MOST:
            break
        else:
            chunks.clear()
        more = message.get("more_body", False)
    if size > limit:
        raise too_large(operation, limit)
    return b"".join(chunks)


def _waits(headers: Mapping[bytes, bytes]) -> bool:
    """Whether the sender waits for ``100 Continue`` before it sends its body."""
    return headers.get(b"expect", b"").lower() == b"100-continue"


def _declared(headers: Mapping[bytes, bytes]) -> int:
    value = headers.get(b"content-length", b"0")
    return int(value) if value.isdigit() else 0


def too_large(operation: str, limit: int) -> ApiError:
    """AWS has one error for a request that carries a zip and another for the rest."""
    named = "InvokeFunction" if operation == "Invoke" else operation
    message = f"Request must be smaller than {limit} bytes for the {named} operation"
    return RequestEntityTooLarge(message) if limit == _ZIP else RequestTooLarge(message)
