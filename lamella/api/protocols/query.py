"""The query protocol: parameters come as a form, results and errors go out as XML.

A parameter's name is its path in the input: ``Tags.member.1.Key``. The models of the services here
give no member or item another name, and flatten no list; a test holds them to that.
https://smithy.io/2.0/aws/protocols/aws-query-protocol.html
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from xml.sax.saxutils import escape

from botocore.model import ServiceModel

from lamella.api.protocols.sent import Query, Sent
from lamella.api.serialise import Header, Response
from lamella.api.validate import validator
from lamella.errors import ApiError, MalformedInput, MissingAction, UnknownAction

TYPE: Header = (b"content-type", b"text/xml")
DEEPEST = 32

# What errors that every protocol has are called in this one.
_CODES: Mapping[str, str] = {
    "AccessDeniedException": "AccessDenied",
    "ExpiredTokenException": "ExpiredToken",
    "IncompleteSignatureException": "IncompleteSignature",
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "MissingAuthenticationTokenException": "MissingAuthenticationToken",
    "ServiceException": "InternalFailure",
    "UnrecognizedClientException": "InvalidClientTokenId",
    "ValidationException": "ValidationError",
}
_INDEX = re.compile(r"[1-9][0-9]{0,5}", re.ASCII)
_WHOLE = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)
_FRACTION = re.compile(r"[+-]?[0-9]{1,32}(\.[0-9]{1,32})?", re.ASCII)
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(slots=True)
class _Node:
    """A parameter's value and what stands below its name."""

    value: str | None = None
    below: dict[str, _Node] = field(default_factory=dict)


class _Operation:
    def __init__(self, model: Any) -> None:
        self.shape = model.input_shape
        self.result = model.output_shape
        self._model = model

    @cached_property
    def validate(self) -> Callable[[Mapping[str, Any]], None]:
        return validator(self._model)


class QueryProtocol:
    """One service's operations in this protocol."""

    def __init__(self, model: ServiceModel) -> None:
        self.operations: Mapping[str, _Operation] = {
            name: _Operation(model.operation_model(name)) for name in model.operation_names
        }
        self._version = model.api_version
        self._namespace = escape(model.metadata["xmlNamespace"])

    def operation(self, sent: Sent) -> str:
        """The operation a request names. MissingAction, UnknownAction."""
        name = sent.parameter("Action")
        version = sent.parameter("Version") or self._version
        if not name:
            raise MissingAction("The request is missing an action or a required parameter.")
        if name not in self.operations or version != self._version:
            raise UnknownAction(f"Could not find operation {name} for version {version}")
        return name

    def read(self, name: str, sent: Sent) -> dict[str, Any]:
        """The input, parsed and valid. MalformedInput, ValidationFailed."""
        operation = self.operations[name]
        if operation.shape is None:
            return {}
        request = _structure(operation.shape, _tree(sent.form))
        operation.validate(request)
        return request

    def serialise(self, name: str, result: Mapping[str, Any], request_id: str) -> Response:
        """The response; ValueError if the result is not the model's."""
        shape = self.operations[name].result
        inner = ""
        if shape is not None:
            inner = _element(shape.serialization["resultWrapper"], _write(shape, result))
        elif result:
            raise ValueError(f"{name} has no result, but gave {sorted(result)}")
        metadata = _element("ResponseMetadata", _element("RequestId", request_id))
        return self._response(200, f"{name}Response", inner + metadata)

    def error(self, error: ApiError, request_id: str) -> Response:
        code = _CODES.get(error.code, error.code)
        told = {
            "Type": "Receiver" if error.status >= 500 else "Sender",
            "Code": code,
            "Message": error.message,
        }
        inner = _element("Error", "".join(_element(key, _text(told[key])) for key in told))
        return self._response(
            error.status, "ErrorResponse", inner + _element("RequestId", request_id)
        )

    def _response(self, status: int, root: str, inner: str) -> Response:
        text = f'<{root} xmlns="{self._namespace}">{inner}</{root}>\n'
        return Response(status, [TYPE], text.encode())


def _tree(form: Query) -> _Node:
    root = _Node()
    for name, values in form.items():
        steps = name.split(".", DEEPEST)
        if len(steps) > DEEPEST:
            raise MalformedInput(f"A parameter's name has more than {DEEPEST} parts.")
        node = root
        for step in steps:
            node = node.below.setdefault(step, _Node())
        node.value = values[-1]
    return root


def _read(shape: Any, node: _Node, path: str) -> Any:
    kind = shape.type_name
    if kind == "structure":
        return _structure(shape, node)
    if kind == "list":
        return [_read(shape.member, item, path) for item in _numbered(node, "member", path)]
    if kind == "map":
        return dict(_entry(shape, entry, path) for entry in _numbered(node, "entry", path))
    return _scalar(kind, node.value or "", path)


def _structure(shape: Any, node: _Node) -> dict[str, Any]:
    return {
        member: _read(inner, node.below[member], member)
        for member, inner in shape.members.items()
        if member in node.below
    }


def _numbered(node: _Node, step: str, path: str) -> list[_Node]:
    """The items in the order of their numbers, which may have gaps; ``Tags=`` is an empty list."""
    items = node.below.get(step, _Node()).below
    wrong = [name for name in items if not _INDEX.fullmatch(name)]
    if wrong:
        raise MalformedInput(f"{wrong[0]!r} is not the number of an item of {path}.")
    return [items[name] for name in sorted(items, key=int)]


def _entry(shape: Any, node: _Node, path: str) -> tuple[Any, Any]:
    key, value = node.below.get("key"), node.below.get("value")
    if key is None or value is None:
        raise MalformedInput(f"An entry of {path} lacks its key or its value.")
    return _read(shape.key, key, path), _read(shape.value, value, path)


def _scalar(kind: str, text: str, path: str) -> Any:
    if kind == "string":
        return text
    try:
        return _READERS[kind](text)
    except (ValueError, KeyError, OverflowError) as error:
        raise MalformedInput(f"The value of {path} can not be converted to a {kind}.") from error


def _whole(text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise ValueError(text)
    return int(text)


def _fraction(text: str) -> float:
    if not _FRACTION.fullmatch(text):
        raise ValueError(text)
    return float(text)


def _boolean(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


_READERS: Mapping[str, Callable[[str], Any]] = {
    "integer": _whole,
    "long": _whole,
    "float": _fraction,
    "double": _fraction,
    "boolean": _boolean,
    "timestamp": _moment,
    "blob": lambda text: base64.b64decode(text, validate=True),
}


def _write(shape: Any, value: Any) -> str:
    """A value as the inside of its element."""
    kind = shape.type_name
    if kind == "structure":
        return _members(shape, value)
    if kind == "list":
        return "".join(_element("member", _write(shape.member, item)) for item in value)
    if kind == "map":
        pairs = [
            _element("key", _text(key)) + _element("value", _write(shape.value, item))
            for key, item in value.items()
        ]
        return "".join(_element("entry", pair) for pair in pairs)
    return _WRITERS[kind](value)


def _members(shape: Any, value: Mapping[str, Any]) -> str:
    unknown = set(value) - set(shape.members)
    if unknown:
        raise ValueError(f"{sorted(unknown)} are not members of {shape.name}")
    return "".join(
        _element(member, _write(inner, value[member]))
        for member, inner in shape.members.items()
        if value.get(member) is not None
    )


def _element(name: str, inside: str) -> str:
    return f"<{name}>{inside}</{name}>"


def _text(value: str) -> str:
    """Text for XML: what XML cannot hold becomes U+FFFD; a carriage return would become a line feed."""
    return escape(_NOT_XML.sub("\ufffd", value), {"\r": "&#xD;"})


def _of(kind: type, write: Callable[[Any], str]) -> Callable[[Any], str]:
    def checked(value: Any) -> str:
        if type(value) is not kind and not (kind is str and isinstance(value, str)):
            raise ValueError(f"{value!r} is not a {kind.__name__}")
        return write(value)

    return checked


_WRITERS: Mapping[str, Callable[[Any], str]] = {
    "string": _of(str, _text),
    "integer": _of(int, str),
    "long": _of(int, str),
    "float": _of(float, str),
    "double": _of(float, str),
    "boolean": _of(bool, lambda value: "true" if value else "false"),
    "blob": _of(bytes, lambda value: base64.b64encode(value).decode("ascii")),
    "timestamp": _of(datetime, lambda value: value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")),
}
