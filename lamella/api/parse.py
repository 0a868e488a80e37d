"""Requests read as the input of an operation. Whether the values are allowed is `validate`'s.

Each operation's readers are made once from botocore's model. Members that came as null are
absent; members the model does not know are ignored. A value of the wrong JSON type is answered
with a SerializationException in the words of AWS's own parser.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import unquote_plus

import orjson

from lamella.errors import SerializationFailed

Reader = Callable[[Any], Any]
Headers = Mapping[bytes, bytes]
Query = Mapping[str, list[str]]
Parser = Callable[[Sequence[str], Query, Headers, bytes], dict[str, Any]]

# Java's: numbers beyond these are none of the kind.
_MOST = {"integer": 2**31 - 1, "long": 2**63 - 1}
_WHOLE = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)
_FRACTION = re.compile(r"[+-]?[0-9]{1,32}(\.[0-9]{1,32})?([eE][+-]?[0-9]{1,3})?", re.ASCII)
_ARTICLES = {"integer": "an Integer", "long": "a Long", "float": "a Float", "double": "a Double"}


def parse_query(query: bytes) -> dict[str, list[str]]:
    """A query string in its parts: decoded names to decoded values, in order."""
    parts: dict[str, list[str]] = {}
    for part in query.decode("latin-1").split("&"):
        if part:
            name, _, value = part.partition("=")
            if "%" in part or "+" in part:
                name, value = unquote_plus(name), unquote_plus(value)
            parts.setdefault(name, []).append(value)
    return parts


def parser(operation: Any, labels: Sequence[str]) -> Parser:
    """The parser of one operation (a botocore ``OperationModel``), its labels in path order.

    It is given label values, query, headers (lower-case names) and body, and returns the input by
    member name. It raises SerializationFailed.
    """
    shape = operation.input_shape
    if shape is None:
        return lambda labels, query, headers, body: {}
    uri, queries, headers_, rest = _by_location(shape, labels)
    read_body = _body_reader(shape, rest)

    def parse(values: Sequence[str], query: Query, headers: Headers, body: bytes) -> dict[str, Any]:
        request: dict[str, Any] = {}
        for member, index, read in uri:
            request[member] = read(values[index])
        if query:
            for member, name, read in queries:
                if name in query:
                    request[member] = read(query[name])
        for member, header, read in headers_:
            if header in headers:
                request[member] = read(headers[header].decode("latin-1"))
        if body:
            read_body(body, request)
        return request

    return parse


_Named = list[tuple[str, Any, Reader]]


def _by_location(shape: Any, labels: Sequence[str]) -> tuple[_Named, _Named, _Named, list[str]]:
    uri: _Named = []
    query: _Named = []
    headers: _Named = []
    rest: list[str] = []
    for member, inner in shape.members.items():
        location = inner.serialization.get("location")
        name = inner.serialization.get("name", member)
        if location == "uri":
            uri.append((member, labels.index(name), _text_reader(inner)))
        elif location == "querystring":
            query.append((member, name, _query_reader(inner)))
        elif location == "header":
            headers.append((member, name.lower().encode(), _text_reader(inner)))
        elif location is None:
            rest.append(member)
        else:
            raise ValueError(f"{shape.name}.{member}: location {location} is not known")
    return uri, query, headers, rest


def _body_reader(shape: Any, rest: Sequence[str]) -> Callable[[bytes, dict[str, Any]], None]:
    payload = shape.serialization.get("payload")
    if payload and shape.members[payload].type_name == "blob":

        def keep(body: bytes, request: dict[str, Any]) -> None:
            request[payload] = body

        return keep
    if payload:
        read_payload = reader(shape.members[payload])

        def nest(body: bytes, request: dict[str, Any]) -> None:
            request[payload] = read_payload(_load(body))

        return nest
    if not rest:
        return lambda body, request: None
    read = _structure_reader(shape, rest, {})

    def merge(body: bytes, request: dict[str, Any]) -> None:
        request.update(read(_load(body)))

    return merge


def _load(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise SerializationFailed(f"Could not parse request body into json: {error}") from error


def reader(shape: Any, known: dict[str, Reader] | None = None) -> Reader:
    """The reader of a JSON value of this shape; ``known`` holds readers made already."""
    known = {} if known is None else known
    kind = shape.type_name
    if kind == "structure":
        if shape.name not in known:
            # A shape may contain itself: what is inside finds this entry.
            known[shape.name] = lambda value: known[shape.name](value)
            known[shape.name] = _structure_reader(shape, list(shape.members), known)
        return known[shape.name]
    if kind == "list":
        return _list_reader(reader(shape.member, known))
    if kind == "map":
        return _map_reader(reader(shape.value, known))
    return _SCALARS[kind]


def _structure_reader(shape: Any, members: Sequence[str], known: dict[str, Reader]) -> Reader:
    table: dict[str, tuple[str, Reader]] = {}
    for member in members:
        inner = shape.members[member]
        table[inner.serialization.get("name", member)] = (member, reader(inner, known))

    def read(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise _unexpected(value, "Expected null")
        found: dict[str, Any] = {}
        for key, inner in value.items():
            if inner is not None and key in table:
                member, read_member = table[key]
                found[member] = read_member(inner)
        return found

    return read


def _list_reader(read_member: Reader) -> Reader:
    def read(value: Any) -> list[Any]:
        if type(value) is not list:
            raise _unexpected(value, "Expected list or null")
        return [None if item is None else read_member(item) for item in value]

    return read


def _map_reader(read_value: Reader) -> Reader:
    def read(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise _unexpected(value, "Expected map or null")
        return {key: None if item is None else read_value(item) for key, item in value.items()}

    return read


def _unexpected(value: Any, expected: str) -> SerializationFailed:
    if isinstance(value, dict):
        return SerializationFailed("Start of structure or map found where not expected.")
    if isinstance(value, list):
        return SerializationFailed("Start of list found where not expected")
    return SerializationFailed(expected)


def _cannot_convert(value: Any, target: str) -> SerializationFailed:
    if value is True or value is False:
        token = f"{value!s}_VALUE".upper()
    else:
        token = "STRING_VALUE" if isinstance(value, str) else "NUMBER_VALUE"
    return _unexpected(value, f"{token} can not be converted to {target}")


def _read_string(value: Any) -> str:
    if type(value) is str:
        return value
    raise _cannot_convert(value, "a String")


def _read_whole(kind: str) -> Reader:
    most = _MOST[kind]

    def read(value: Any) -> int:
        if type(value) is int and -most - 1 <= value <= most:
            return value
        if type(value) is float and -most - 1 <= value <= most:
            return int(value)  # AWS's parser cuts the fraction off
        raise _cannot_convert(value, _ARTICLES[kind])

    return read


def _read_fraction(kind: str) -> Reader:
    def read(value: Any) -> float:
        if type(value) is int or (type(value) is float and math.isfinite(value)):
            return float(value)
        raise _cannot_convert(value, _ARTICLES[kind])

    return read


def _read_boolean(value: Any) -> bool:
    if value is True or value is False:
        return bool(value)
    if value == "true" or value == "false":
        return bool(value == "true")
    raise _cannot_convert(value, "a Boolean")


def _read_blob(value: Any) -> bytes:
    text = _read_string(value)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise SerializationFailed(f"Invalid base64 in a blob: {error}") from error


def _read_timestamp(value: Any) -> datetime:
    """A point in time as seconds since the epoch, ISO 8601 or an HTTP date."""
    try:
        if type(value) is int or type(value) is float:
            return datetime.fromtimestamp(value, UTC)
        return _read_time_text(_read_string(value))
    except (ValueError, TypeError, OverflowError, OSError) as error:
        raise _cannot_convert(value, "a Date") from error


def _read_time_text(text: str) -> datetime:
    if text[:1].isalpha():
        return parsedate_to_datetime(text)
    try:
        return datetime.fromtimestamp(float(text), UTC)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


_SCALARS: Mapping[str, Reader] = {
    "string": _read_string,
    "blob": _read_blob,
    "boolean": _read_boolean,
    "timestamp": _read_timestamp,
    **{kind: _read_whole(kind) for kind in ("integer", "long")},
    **{kind: _read_fraction(kind) for kind in ("float", "double")},
}


def _query_reader(shape: Any) -> Reader:
    if shape.type_name == "list":
        read = _text_reader(shape.member)
        return lambda values: [read(value) for value in values]
    if shape.type_name == "map":
        raise ValueError(f"{shape.name}: maps in a query are not known")
    read_one = _text_reader(shape)
    return lambda values: read_one(values[-1])


def _text_reader(shape: Any) -> Reader:
    """The reader of a value outside the body: text that stands for a scalar."""
    kind = shape.type_name
    if kind == "string":
        if shape.serialization.get("jsonvalue"):
            raise ValueError(f"{shape.name}: JSON in a header is not known")
        return str
    if kind in ("integer", "long", "float", "double"):
        form, convert = (_WHOLE, int) if kind in ("integer", "long") else (_FRACTION, float)
        read_number = _SCALARS[kind]

        def read(text: str) -> Any:
            if not form.fullmatch(text):
                raise _cannot_convert(text, _ARTICLES[kind])
            return read_number(convert(text))

        return read
    return _SCALARS[kind]
