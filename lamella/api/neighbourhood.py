"""Which service beside Lambda a request is for, and what answers it there.

All of those services are asked at the path ``/``. The credential scope of a signature names the
service; a request without one is known by its ``X-Amz-Target``, or by the ``Version`` of its form.
A service's model is loaded when it is first asked, so that starting the server costs nothing.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from types import ModuleType
from typing import Any, cast

from botocore.loaders import Loader
from botocore.model import ServiceModel

from lamella.api import authorise, neighbours
from lamella.api.caller import Caller
from lamella.api.protocols.json11 import Json11
from lamella.api.protocols.query import QueryProtocol
from lamella.api.protocols.sent import Sent
from lamella.api.registry import OnLoop, Plain, Served, registry
from lamella.api.serialise import Response
from lamella.api.services import Services
from lamella.errors import ApiError, NotBuilt

PATH = b"/"
PAGE = "docs/neighbours.md"

# From the models, which a test compares: reading them to find a service would load them all.
BY_TARGET: Mapping[str, str] = {"Logs_20140328": "logs"}
BY_VERSION: Mapping[str, str] = {"2011-06-15": "sts", "2010-05-08": "iam"}
_PROTOCOLS: Mapping[str, Callable[[ServiceModel], Json11 | QueryProtocol]] = {
    "json": Json11,
    "query": QueryProtocol,
}

InThread = Callable[..., Any]


class Neighbour:
    """One service: its operations, and the protocol they are asked in."""

    def __init__(self, name: str, module: ModuleType) -> None:
        self.name = name
        self._module = module

    @cached_property
    def protocol(self) -> Json11 | QueryProtocol:
        description = Loader().load_service_model(self.name, "service-2")
        model = ServiceModel(description, self.name)
        return _PROTOCOLS[model.metadata["protocol"]](model)

    @cached_property
    def served(self) -> Mapping[str, Served]:
        return registry(self.protocol.operations, [self._module])

    def error(self, error: ApiError, request_id: str) -> Response:
        return self.protocol.error(error, request_id)

    def asked(self, sent: Sent) -> Asked:
        """The operation a request is for. UnknownTarget, UnknownAction, MissingAction."""
        return Asked(self, self.protocol.operation(sent), sent)


class Asked:
    """One request to a neighbour; ``name`` is IAM's for the action: ``sts:AssumeRole``."""

    def __init__(self, neighbour: Neighbour, operation: str, sent: Sent) -> None:
        self._neighbour = neighbour
        self._operation = operation
        self._sent = sent
        self.name = f"{neighbour.name}:{operation}"

    async def answer(self, services: Services, caller: Caller, in_thread: InThread) -> Any:
        """What the operation answers; ``in_thread(function, *arguments)`` runs plain ones.

        Raises the operation's errors, those of its input, and NotBuilt.
        """
        function = self._neighbour.served.get(self._operation)
        if function is None:
            raise NotBuilt(f"{self._operation} is not built: {PAGE} lists what is.")
        if not inspect.iscoroutinefunction(function):
            return await in_thread(self._work, cast("Plain", function), services, caller)
        on_loop = cast("OnLoop", function)
        request = self._request(services, caller)
        return self._written(await on_loop(services, caller, request), caller)

    def _work(self, function: Plain, services: Services, caller: Caller) -> Any:
        request = self._request(services, caller)
        return self._written(function(services, caller, request), caller)

    def _request(self, services: Services, caller: Caller) -> dict[str, Any]:
        request = self._neighbour.protocol.read(self._operation, self._sent)
        authorise.check(
            caller, self._neighbour.name, self._operation, request, services.roles.arn_of
        )
        return request

    def _written(self, result: Any, caller: Caller) -> Any:
        """A result as a response; an answer of another kind, a stream, is the operation's own."""
        if not isinstance(result, Mapping):
            return result
        return self._neighbour.protocol.serialise(self._operation, result, caller.request_id)


class Neighbourhood:
    """The services beside Lambda, by the names that botocore gives them."""

    def __init__(self, modules: Iterable[ModuleType]) -> None:
        self._neighbours = {
            name: Neighbour(name, module)
            for module in modules
            for name in [module.__name__.rpartition(".")[2]]
        }

    def find(self, scope: str, sent: Sent) -> Neighbour | None:
        """The service a request is for; ``scope`` is its credential's: ``KEY/DATE/REGION/sts/…``.

        Its model is loaded, which takes some 50 ms the first time.
        """
        parts = scope.split("/")
        if len(parts) > 2:
            name = parts[-2]
        elif sent.target:
            name = BY_TARGET.get(sent.target.partition(".")[0], "")
        else:
            name = BY_VERSION.get(sent.parameter("Version"), "")
        found = self._neighbours.get(name)
        if found is not None:
            _ = found.protocol, found.served
        return found


def modules() -> list[ModuleType]:
    """The services that are there: the modules of `lamella.api.neighbours`."""
    return [
        importlib.import_module(f"{neighbours.__name__}.{found.name}")
        for found in pkgutil.iter_modules(neighbours.__path__)
    ]
