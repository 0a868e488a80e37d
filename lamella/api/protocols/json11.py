"""JSON 1.1: the operation stands in ``X-Amz-Target``, input and result are JSON objects.

https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import orjson
from botocore.model import ServiceModel

from lamella.api import eventstream
from lamella.api.parse import Reader, reader
from lamella.api.protocols.sent import Sent
from lamella.api.serialise import Header, Response, Writer, writer
from lamella.api.streamed import Streamed
from lamella.api.validate import validator
from lamella.errors import ApiError, SerializationFailed, UnknownTarget

TYPE: Header = (b"content-type", b"application/x-amz-json-1.1")

# CloudWatch Logs has an error of its own for what its model forbids.
_CODES: Mapping[str, Mapping[str, str]] = {
    "logs": {"ValidationException": "InvalidParameterException"}
}


class _Operation:
    def __init__(self, model: Any) -> None:
        self._model = model

    @cached_property
    def read(self) -> Reader:
        shape = self._model.input_shape
        return reader(shape) if shape is not None else lambda value: {}

    @cached_property
    def validate(self) -> Callable[[Mapping[str, Any]], None]:
        return validator(self._model)

    @cached_property
    def stream(self) -> tuple[str, Any] | None:
        return eventstream.of_operation(self._model)

    @cached_property
    def write(self) -> Writer | None:
        shape = self._model.output_shape
        return None if shape is None else writer(shape)


class Json11:
    """One service's operations in this protocol."""

    def __init__(self, model: ServiceModel) -> None:
        self.operations: Mapping[str, _Operation] = {
            name: _Operation(model.operation_model(name)) for name in model.operation_names
        }
        self._prefix = model.metadata["targetPrefix"]
        self._codes = _CODES.get(model.service_name, {})

    def operation(self, sent: Sent) -> str:
        """The operation a request names. UnknownTarget if there is none of the name."""
        prefix, _, name = sent.target.rpartition(".")
        if prefix != self._prefix or name not in self.operations:
            raise UnknownTarget(f"{sent.target or 'The request'} is not an operation.")
        return name

    def read(self, name: str, sent: Sent) -> dict[str, Any]:
        """The input, parsed and valid. SerializationFailed, ValidationFailed."""
        operation = self.operations[name]
        try:
            value = orjson.loads(sent.body) if sent.body else {}
        except orjson.JSONDecodeError as error:
            raise SerializationFailed(f"Could not parse request body into json: {error}") from error
        request: dict[str, Any] = operation.read(value)
        operation.validate(request)
        return request

    def serialise(
        self, name: str, result: Mapping[str, Any], request_id: str
    ) -> Response | Streamed:
        """The response; ValueError if the result is not the model's.

        An event stream is given as an async generator of ``{NAME: {MEMBER: value}}``.
        """
        operation = self.operations[name]
        write = operation.write
        if write is not None and operation.stream is not None:
            member, shape = operation.stream
            rest = {key: value for key, value in result.items() if key != member}
            first = Response(200, [TYPE], orjson.dumps(write(rest)))
            return eventstream.answer(first, shape, result[member], initial=True)
        if write is not None:
            return Response(200, [TYPE], orjson.dumps(write(result)))
        if result:
            raise ValueError(f"{name} has no result, but gave {sorted(result)}")
        return Response(200, [TYPE], b"")

    def error(self, error: ApiError, request_id: str) -> Response:
        code = self._codes.get(error.code, error.code)
        body = {"__type": code, "message": error.message, **error.members}
        headers = [TYPE, (b"x-amzn-errortype", code.encode())]
        return Response(error.status, headers, orjson.dumps(body))
