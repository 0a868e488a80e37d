"""The services that requests are made up for: Lambda and, beside it, those on the same port."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel

from lamella.api import neighbourhood
from lamella.api.reach import REFUSED
from lamella.api.registry import registry
from tests.fuzz import wire
from tests.fuzz.values import SCALARS, TYPES
from tests.fuzz.wire import Header, Sent
from tests.fuzz.world import REGION

UNSERVED = 6

Send = Callable[[Any, dict[str, Any], Header], Sent]
_PROTOCOLS: dict[str, tuple[Send, frozenset[str]]] = {
    "rest-json": (wire.rest, TYPES),
    "json": (wire.json11, TYPES),
    "query": (wire.form, SCALARS),
}


@dataclass(frozen=True, slots=True)
class Service:
    """A service; ``refused`` are operations that it answers with 501, by name.

    ``typed`` are the kinds of values that can have a wrong type in the service's protocol.
    """

    name: str
    model: Any
    refused: frozenset[str]
    send: Send
    typed: frozenset[str]

    @property
    def credential(self) -> Header:
        scope = f"test/20260101/{REGION}/{self.name}/aws4_request"
        said = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
        return "Authorization", said

    @property
    def protocol(self) -> str:
        return str(self.model.metadata["protocol"])


Asked = tuple[Service, str]


def services() -> Iterator[Service]:
    """Lambda first."""
    yield _service("lambda", frozenset(REFUSED))
    for module in neighbourhood.modules():
        name = module.__name__.rpartition(".")[2]
        operations = _model(name).operation_names
        yield _service(name, frozenset(operations) - registry(operations, [module]).keys())


def operations(found: list[Service], random: Random) -> list[Asked]:
    """Every operation that is served, and of each service a few that are not."""
    chosen: list[Asked] = []
    for service in found:
        served = set(service.model.operation_names) - service.refused
        some = random.sample(sorted(service.refused), min(UNSERVED, len(service.refused)))
        chosen += [(service, name) for name in (*sorted(served), *some)]
    return chosen


def _service(name: str, refused: frozenset[str]) -> Service:
    model = _model(name)
    send, typed = _PROTOCOLS[model.metadata["protocol"]]
    return Service(name, model, refused, send, typed)


def _model(name: str) -> Any:
    return ServiceModel(Loader().load_service_model(name, "service-2"), name)
