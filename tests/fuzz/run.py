"""Requests made up from the model of every operation, sent to a server, and the law of its answers.

Three kinds take turns: *valid* ones hold every constraint, *invalid* ones break exactly one, and
*noise* is a real request with parts of it replaced by anything. One seed gives one series.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel

from lamella.api.reach import REFUSED
from lamella.api.registry import modules, registry
from tests.e2e.server import Cloud
from tests.fuzz import laws
from tests.fuzz.faults import Breaker, Fault, sendable
from tests.fuzz.noise import disturbed
from tests.fuzz.values import Maker
from tests.fuzz.wire import Answer, Client, Sent, rest
from tests.fuzz.world import REGION, World

CREDENTIAL = (
    "Authorization",
    f"AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/lambda/aws4_request, SignedHeaders=host, "
    "Signature=0",
)
KINDS = ("valid", "invalid", "noise")
RENEWED_EVERY = 60
SHOWN = 1_500


@dataclass(frozen=True, slots=True)
class Broken:
    """An answer against the law."""

    number: int
    kind: str
    operation: str
    why: str
    sent: Sent
    answer: Answer | None
    fault: Fault | None = None

    def __str__(self) -> str:
        asked = f"{self.sent.method} {self.sent.target[:SHOWN]}"
        lines = [f"request {self.number} ({self.kind}, {self.operation}): {self.why}", asked]
        lines += [f"{name}: {value[:200]}" for name, value in self.sent.headers]
        lines.append(f"{self.sent.body[:SHOWN]!r}")
        if self.fault is not None:
            lines.append(
                f"broken: {self.fault.at} {self.fault.says} {str(self.fault.value)[:200]!r}"
            )
        if self.answer is not None:
            lines.append(f"answer: {self.answer.status} {self.answer.body[:SHOWN]!r}")
        return "\n  ".join(lines)


@dataclass
class Series:
    """A series of requests, and what came of it."""

    endpoint: str
    seed: int
    counts: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    broken: list[Broken] = field(default_factory=list)

    def run(self, requests: int) -> Iterator[int]:
        """Send ``requests``; yields how many were sent, now and then."""
        model = ServiceModel(Loader().load_service_model("lambda", "service-2"), "lambda")
        random, client = Random(self.seed), Client(self.endpoint)
        maker = Maker(random, {})
        world = World(Cloud(self.endpoint, region=REGION))
        built = registry(model.operation_names, modules())
        names = [name for name in model.operation_names if name in built or name in REFUSED]
        for number in range(requests):
            if number % RENEWED_EVERY == 0:
                maker.samples = world.renew()
                yield number
            if number % len(names) == 0:
                random.shuffle(names)
            operation = model.operation_model(names[number % len(names)])
            self._one(number, operation, maker, client)
        client.close()
        yield requests

    def _one(self, number: int, operation: Any, maker: Maker, client: Client) -> None:
        kind = maker.random.choice(KINDS)
        sent, fault = made(kind, operation, maker)
        if kind == "invalid" and fault is None:
            kind = "valid"
        self.counts[kind] += 1
        answer, why = None, None
        try:
            answer = client.ask(sent)
        except (OSError, ValueError) as error:
            client.close()
            why = f"no answer: {error!r}"
        if answer is not None:
            self.statuses[answer.status] += 1
            why = judged(kind, operation, sent, answer, fault)
        if why is not None:
            self.broken.append(Broken(number, kind, operation.name, why, sent, answer, fault))


def made(kind: str, operation: Any, maker: Maker) -> tuple[Sent, Fault | None]:
    """A request of a kind; the fault of an invalid one, if the operation can have any."""
    shape = operation.input_shape
    params = maker.members(shape) if shape is not None else {}
    params = {name: value for name, value in params.items() if _can_be_sent(shape, name, value)}
    fault = Breaker(maker).fault(shape, params) if kind == "invalid" and shape else None
    if fault is not None:
        params = fault.applied(params)
    sent = rest(operation, params, CREDENTIAL)
    return (disturbed(sent, maker.random) if kind == "noise" else sent), fault


def _can_be_sent(shape: Any, name: str, value: Any) -> bool:
    location = shape.members[name].serialization.get("location")
    return location == "uri" or sendable(value, location)


def judged(
    kind: str, operation: Any, sent: Sent, answer: Answer, fault: Fault | None
) -> str | None:
    """What is wrong with an answer, or None."""
    if kind == "noise":
        return laws.any_answer(answer, head=sent.method == "HEAD")
    why = laws.any_answer(answer, operation.name)
    if why is not None or operation.name in REFUSED:
        return why
    if kind == "valid":
        return laws.valid(answer) or laws.result(answer, operation)
    return None if fault is None else laws.invalid(answer, fault)
