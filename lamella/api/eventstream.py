"""Event streams, ``application/vnd.amazon.eventstream``: how AWS sends events in one response.

A message has typed headers and a payload, framed by lengths and two CRC-32 checksums. Which
events a stream may have, and what stands in each, comes from the model's shapes.

Source: https://smithy.io/2.0/aws/amazon-eventstream.html
"""

from __future__ import annotations

import logging
import struct
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any
from zlib import crc32

import orjson

from lamella.api.serialise import Response, writer
from lamella.api.streamed import BrokenOff, Parts, Streamed
from lamella.errors import ApiError, ServiceError

CONTENT_TYPE = b"application/vnd.amazon.eventstream"
JSON = "application/json"
HEADER_BYTES = 32_767
INITIAL_RESPONSE = "initial-response"

_STRING = 7
_PRELUDE = struct.Struct("!II")
_CHECKSUM = struct.Struct("!I")

Event = Mapping[str, Mapping[str, Any]]
"""One event: its name in the model, and its members."""
Events = AsyncGenerator[Event, None]

log = logging.getLogger(__name__)


def encode(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message. Names of headers have up to 255 bytes, their values up to `HEADER_BYTES`."""
    head = b"".join(
        bytes((len(name),)) + name + struct.pack("!BH", _STRING, len(value)) + value
        for name, value in ((name.encode(), value.encode()) for name, value in headers.items())
    )
    prelude = _PRELUDE.pack(len(head) + len(payload) + 16, len(head))
    checked = b"".join((prelude, _CHECKSUM.pack(crc32(prelude)), head, payload))
    return checked + _CHECKSUM.pack(crc32(checked))


def event(name: str, payload: bytes, content_type: str = JSON) -> bytes:
    """An event of the stream."""
    return encode(
        {":event-type": name, ":content-type": content_type, ":message-type": "event"}, payload
    )


def failure(error: ApiError, shape: Any) -> bytes:
    """An error that ends a stream which has begun; clients raise it.

    One that the stream's shape names is an exception, which has a payload; any other is not.
    """
    if error.code not in shape.members:
        message = error.message.encode()[:HEADER_BYTES].decode(errors="ignore")
        return encode(
            {":error-code": error.code, ":error-message": message, ":message-type": "error"}, b""
        )
    headers = {":exception-type": error.code, ":content-type": JSON, ":message-type": "exception"}
    return encode(headers, orjson.dumps({"message": error.message, **error.members}))


def answer(response: Response, shape: Any, events: Events, *, initial: bool = False) -> Streamed:
    """``response``, whose body has the events; ``shape`` is the stream's in botocore's model.

    ``initial`` puts the message in front with which streams of the JSON protocol begin.
    """
    headers = [header for header in response.headers if header[0] != b"content-type"]
    write = event_writer(shape)
    first = event(INITIAL_RESPONSE, response.body or b"{}") if initial else b""
    parts = _parts(first, write, events, shape)
    return Streamed(response.status, [(b"content-type", CONTENT_TYPE), *headers], parts)


async def _parts(
    first: bytes, write: Callable[[Event], bytes], events: Events, shape: Any
) -> Parts:
    async with aclosing(events):
        yield first
        try:
            async for one in events:
                yield write(one)
        except ApiError as error:
            yield failure(error, shape)
        except BrokenOff:
            raise
        except Exception:  # the boundary: whatever happened, the client is told
            log.exception("an event stream broke off")
            yield failure(ServiceError("The stream could not be finished."), shape)


def of_operation(model: Any) -> tuple[str, Any] | None:
    """The member of an operation's result that is an event stream, and its shape, if it has one."""
    members = {} if model.output_shape is None else model.output_shape.members
    for member, shape in members.items():
        if shape.serialization.get("eventstream"):
            return member, shape
    return None


def event_writer(shape: Any) -> Callable[[Event], bytes]:
    """What writes the events of a stream (``shape``: botocore's of the stream).

    It raises ValueError for an event that the model does not have.
    """
    writers = {name: _one_event(name, inner) for name, inner in shape.members.items()}

    def write(one: Event) -> bytes:
        ((name, members),) = one.items()
        if name not in writers:
            raise ValueError(f"{name} is not one of {sorted(writers)}")
        return writers[name](members)

    return write


def _one_event(name: str, shape: Any) -> Callable[[Mapping[str, Any]], bytes]:
    for member, inner in shape.members.items():
        if inner.serialization.get("eventpayload") and inner.type_name == "blob":
            return lambda members: event(name, members[member], "application/octet-stream")
    write = writer(shape)
    return lambda members: event(name, orjson.dumps(write(members)))
