"""Lambda's contract, derived from botocore's service model: nothing of it is typed here again.

`Contract` finds the operation of a request; each `Operation` reads its input (`parse`), checks it
(`validate`) and writes its result (`serialise`). Those three are made when they are first used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel

from lamella.api import eventstream
from lamella.api.parse import Headers, Parser, Query, parser
from lamella.api.routes import Router, template
from lamella.api.serialise import Errors, Response, Serialiser, serialiser
from lamella.api.streamed import Streamed
from lamella.api.validate import validator
from lamella.errors import ApiError


class Operation:
    """One operation of the model: ``name`` as AWS writes it, ``labels`` in path order."""

    def __init__(self, model: Any, labels: Sequence[str]) -> None:
        self.name: str = model.name
        self.labels = tuple(labels)
        self.method: str = model.http["method"]
        self.request_uri: str = model.http["requestUri"]
        self._model = model

    @cached_property
    def parse(self) -> Parser:
        """Reads an input that is not checked yet. SerializationFailed."""
        return parser(self._model, self.labels)

    @cached_property
    def validate(self) -> Callable[[Mapping[str, Any]], None]:
        """Checks an input. ValidationFailed."""
        return validator(self._model)

    @cached_property
    def serialise(self) -> Serialiser:
        """Writes a result as a response. ValueError if the result is not the model's."""
        return serialiser(self._model)

    @cached_property
    def answer(self) -> Callable[[Mapping[str, Any]], Response | Streamed]:
        """`serialise`, and for an operation that has one an event stream.

        The result gives the stream as an async generator of events, each
        ``{NAME: {MEMBER: value}}`` as the model names them.
        """
        write = self.serialise
        found = eventstream.of_operation(self._model)
        if found is None:
            return write
        member, shape = found

        def begin(result: Mapping[str, Any]) -> Response | Streamed:
            response = write({name: inner for name, inner in result.items() if name != member})
            events = result.get(member)
            return response if events is None else eventstream.answer(response, shape, events)

        return begin

    def read(
        self,
        labels: Sequence[str],
        query: Query,
        headers: Headers,
        body: bytes,
    ) -> dict[str, Any]:
        """The request's input by member name, parsed and valid.

        Raises SerializationFailed and ValidationFailed.
        """
        request = self.parse(labels, query, headers, body)
        self.validate(request)
        return request


class Contract:
    """All operations of a service model (as botocore loads it), by name and by route."""

    def __init__(self, model: ServiceModel) -> None:
        templates = {
            name: template(model.operation_model(name).http["requestUri"])
            for name in model.operation_names
        }
        self.operations: Mapping[str, Operation] = {
            name: Operation(model.operation_model(name), path.labels)
            for name, path in templates.items()
        }
        self._router = Router(
            (self.operations[name].method, path, self.operations[name])
            for name, path in templates.items()
        )
        self._errors = Errors(model.error_shapes)

    @classmethod
    def of_lambda(cls) -> Contract:
        description = Loader().load_service_model("lambda", "service-2")
        return cls(ServiceModel(description, "lambda"))

    def match(
        self, method: str, raw_path: bytes, query: Query
    ) -> tuple[Operation, list[str]] | None:
        """The operation of a request and the values of its labels, or None."""
        return self._router.match(method, raw_path, query)

    def error(self, error: ApiError) -> Response:
        return self._errors.response(error)
