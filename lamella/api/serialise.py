"""Results and errors written as HTTP responses, by the shapes of the model.

A key in a result that the model does not know, or a value of the wrong type, is a mistake of ours
and raises ValueError; members that are None are left out.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import orjson

from lamella.errors import ApiError

Header = tuple[bytes, bytes]
Writer = Callable[[Any], Any]
Serialiser = Callable[[Mapping[str, Any]], "Response"]

_OUTSIDE_THE_MODEL = {"Invoke": (("TraceId", b"x-amzn-trace-id"),)}
"""Members of results that AWS sends as headers though no model has them: recorded from answers."""

JSON: Header = (b"content-type", b"application/json")


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: list[Header]
    body: bytes


def serialiser(operation: Any) -> Serialiser:
    """The serialiser of one operation's result (a botocore ``OperationModel``).

    An event stream is not written here, but by `lamella.api.eventstream`.
    """
    default = operation.http.get("responseCode", 200)
    shape = operation.output_shape
    if shape is None:
        return lambda result: Response(_nothing_in(result, default), [JSON], b"")
    status_member, headers, rest = _by_location(shape)
    write_body = _body_writer(shape, rest)
    for member, header in _OUTSIDE_THE_MODEL.get(operation.name, ()):
        headers.append((member, header, str.encode))
    known = frozenset((*shape.members, *(member for member, _, _ in headers)))

    def serialise(result: Mapping[str, Any]) -> Response:
        if not known.issuperset(result):
            raise ValueError(f"{operation.name} has no {sorted(set(result) - known)} in its result")
        status = default if status_member is None else result.get(status_member) or default
        sent = [JSON]
        for member, header, write in headers:
            value = result.get(member)
            if value is not None:
                sent.append((header, write(value)))
        return Response(status, sent, b"" if status == 204 else write_body(result))

    return serialise


def _nothing_in(result: Mapping[str, Any], status: int) -> int:
    if result:
        raise ValueError(f"an operation without a result gave {sorted(result)}")
    return status


def _by_location(shape: Any) -> tuple[str | None, list[tuple[str, bytes, Writer]], list[str]]:
    status: str | None = None
    headers: list[tuple[str, bytes, Writer]] = []
    rest: list[str] = []
    for member, inner in shape.members.items():
        location = inner.serialization.get("location")
        if location == "statusCode":
            status = member
        elif location == "header":
            name = inner.serialization.get("name", member)
            headers.append((member, name.lower().encode(), _header_writer(inner)))
        elif location is None:
            rest.append(member)
        else:
            raise ValueError(f"{shape.name}.{member}: location {location} is not known")
    return status, headers, rest


def _header_writer(shape: Any) -> Writer:
    if shape.type_name == "string":
        return lambda value: value.encode("latin-1")
    if shape.type_name in ("integer", "long"):
        return lambda value: b"%d" % value
    raise ValueError(f"{shape.name}: a header of type {shape.type_name} is not known")


def _body_writer(shape: Any, rest: list[str]) -> Callable[[Mapping[str, Any]], bytes]:
    payload = shape.serialization.get("payload")
    if payload:
        inner = shape.members[payload]
        if inner.type_name == "blob":
            return lambda result: result.get(payload) or b""
        if inner.serialization.get("eventstream"):
            return lambda result: b""
        write_payload = writer(inner)
        return lambda result: orjson.dumps(write_payload(result.get(payload) or {}))
    if not rest:
        return lambda result: b""
    members = {member: _entry(shape, member, {}) for member in rest}
    return lambda result: orjson.dumps(_structure(members, result, passed_over=True))


def writer(shape: Any, known: dict[str, Writer] | None = None) -> Writer:
    """What turns a value of this shape into what orjson writes."""
    known = {} if known is None else known
    kind = shape.type_name
    if kind == "structure":
        if shape.name not in known:
            members: dict[str, tuple[str, Writer]] = {}
            known[shape.name] = lambda value: _structure(members, value)
            for member in shape.members:
                members[member] = _entry(shape, member, known)
        return known[shape.name]
    if kind == "list":
        write_member = writer(shape.member, known)
        return lambda value: [write_member(item) for item in _of(value, list, tuple)]
    if kind == "map":
        write_value = writer(shape.value, known)
        return lambda value: {key: write_value(item) for key, item in value.items()}
    if kind == "timestamp":
        return _timestamp_writer(shape.serialization.get("timestampFormat", "unixTimestamp"))
    return _SCALARS[kind]


def _entry(shape: Any, member: str, known: dict[str, Writer]) -> tuple[str, Writer]:
    inner = shape.members[member]
    return inner.serialization.get("name", member), writer(inner, known)


def _structure(
    members: Mapping[str, tuple[str, Writer]],
    value: Mapping[str, Any],
    *,
    passed_over: bool = False,
) -> dict[str, Any]:
    """``passed_over``: keys without an entry stand elsewhere in the response."""
    written: dict[str, Any] = {}
    for key, inner in value.items():
        if inner is None:
            continue
        entry = members.get(key)
        if entry is not None:
            written[entry[0]] = entry[1](inner)
        elif not passed_over:
            raise ValueError(f"{key} is not one of {sorted(members)}")
    return written


def _of(value: Any, *types: type) -> Any:
    if not isinstance(value, types):
        raise ValueError(f"{value!r} is none of {[kind.__name__ for kind in types]}")
    return value


def _write_blob(value: Any) -> str:
    return base64.b64encode(_of(value, bytes)).decode("ascii")


def _write_whole(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"{value!r} is no number")
    return _of(value, int)


_SCALARS: Mapping[str, Writer] = {
    "string": lambda value: _of(value, str),
    "blob": _write_blob,
    "boolean": lambda value: _of(value, bool),
    "integer": _write_whole,
    "long": _write_whole,
    "float": lambda value: _of(value, int, float),
    "double": lambda value: _of(value, int, float),
}


def _timestamp_writer(form: str) -> Writer:
    if form == "iso8601":
        return lambda value: value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if form == "rfc822":
        return lambda value: format_datetime(value.astimezone(UTC), usegmt=True)

    def seconds(value: datetime) -> float:
        return _of(value, datetime).timestamp()  # type: ignore[no-any-return]

    return seconds


# Errors of AWS's front that stand in no model; recorded from its answers.
_OTHER_ERRORS = {
    "AccessDeniedException": ("Message", False),
    "RequestEntityTooLargeException": ("message", True),
}


class Errors:
    """Errors as responses: the body has the members that the error's own shape has."""

    def __init__(self, error_shapes: list[Any]) -> None:
        self._shapes = {shape.name: shape for shape in error_shapes}

    def response(self, error: ApiError) -> Response:
        """``x-amzn-ErrorType``, the shape's header members, and its body."""
        shape = self._shapes.get(error.code)
        message, typed = _OTHER_ERRORS.get(error.code, ("message", False))
        headers: list[Header] = [JSON, (b"x-amzn-errortype", error.code.encode())]
        body: dict[str, str] = {}
        if shape is not None:
            message = "message" if "message" in shape.members else "Message"
            typed = "Type" in shape.members
        if typed:
            body["Type"] = error.side
        body[message] = error.message
        for member, value in error.members.items():
            inner = None if shape is None else shape.members.get(member)
            if inner is not None and inner.serialization.get("location") == "header":
                headers.append((inner.serialization["name"].lower().encode(), value.encode()))
            else:
                body[member] = value
        return Response(error.status, headers, orjson.dumps(body))
