"""Requests made up from the model of every operation, sent to a server, and the law of its answers.

Three kinds take turns: *valid* ones hold every constraint, *invalid* ones break exactly one, and
*noise* is a real request with parts of it replaced by anything; now and then one goes to the URL
of a function. One seed gives one series.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.fuzz import laws
from tests.fuzz.faults import Breaker, Fault, sendable
from tests.fuzz.noise import disturbed, to_url
from tests.fuzz.services import Service, operations, services
from tests.fuzz.values import Maker
from tests.fuzz.wire import Answer, Client, Sent
from tests.fuzz.world import BASES, World

URLS = "/lambda-url/"
URL_SHARE = 0.04
KINDS = ("valid", "invalid", "noise")
RENEWED_EVERY = 40
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
        random, client = Random(self.seed), Client(self.endpoint)
        maker = Maker(random, {})
        world = World(self.endpoint)
        asked = operations(list(services()), random)
        for number in range(requests):
            if number % RENEWED_EVERY == 0:
                maker.samples = world.renew()
                yield number
            if number % len(asked) == 0:
                random.shuffle(asked)
            service, name = asked[number % len(asked)]
            self._one(number, service, name, maker, client)
        client.close()
        yield requests

    def _one(self, number: int, service: Service, name: str, maker: Maker, client: Client) -> None:
        kind = "url" if maker.random.random() < URL_SHARE else maker.random.choice(KINDS)
        sent, fault = made(kind, service, name, maker)
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
            why = judged(kind, service, name, sent, answer, fault)
        if why is not None:
            self.broken.append(
                Broken(number, kind, f"{service.name}:{name}", why, sent, answer, fault)
            )


def made(kind: str, service: Service, name: str, maker: Maker) -> tuple[Sent, Fault | None]:
    """A request of a kind; the fault of an invalid one, if the operation can have any."""
    if kind == "url":
        return to_url(str(maker.samples["FunctionUrl"][0]), maker.random), None
    operation = service.model.operation_model(name)
    shape = operation.input_shape
    params = maker.members(shape) if shape is not None else {}
    if maker.random.random() < 0.7:
        params |= copy.deepcopy(dict(BASES.get(name, {})))
    params = {name: value for name, value in params.items() if _can_be_sent(shape, name, value)}
    payload = str(shape.serialization.get("payload")) if shape is not None else ""
    if params.get(payload) == b"":
        params[payload] = b"{}"  # an empty body is none at all
    fault = (
        Breaker(maker, service.typed).fault(shape, params) if kind == "invalid" and shape else None
    )
    if fault is not None:
        params = fault.applied(params)
    sent = service.send(operation, params, service.credential)
    return (disturbed(sent, maker.random) if kind == "noise" else sent), fault


def _can_be_sent(shape: Any, name: str, value: Any) -> bool:
    location = shape.members[name].serialization.get("location")
    return location == "uri" or sendable(value, location)


def is_for_url(sent: Sent) -> bool:
    named = any(name.lower() == "host" and ".lambda-url." in value for name, value in sent.headers)
    return named or sent.target.startswith(URLS)


def judged(
    kind: str, service: Service, name: str, sent: Sent, answer: Answer, fault: Fault | None
) -> str | None:
    """What is wrong with an answer, or None."""
    if kind == "url" or is_for_url(sent):
        return laws.of_url(answer)
    if kind == "noise":
        return laws.any_answer(answer, head=sent.method == "HEAD")
    why = laws.any_answer(answer, name, refused=service.refused)
    if why is not None or name in service.refused:
        return why
    if kind == "invalid" and fault is not None:
        return laws.invalid(answer, fault)
    operation = service.model.operation_model(name)
    if service.name == "lambda" and (why := laws.documented(answer, operation)) is not None:
        return why
    result = laws.result_in_xml if service.protocol == "query" else laws.result
    return laws.valid(answer) or result(answer, operation)
