"""Events while the server is killed again and again: every accepted one comes to one end."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.queues import Queues
from tests.e2e.server import Cloud, Server
from tests.e2e.test_events import metrics

SLOW = "import time\n\ndef handler(event, context):\n    time.sleep(0.02)\n    return event\n"
GOOD = "def handler(event, context):\n    return event\n"
BAD = "def handler(event, context):\n    raise ValueError(event)\n"

FUNCTIONS = {"good": GOOD, "slow": SLOW, "bad": BAD, "throttled": SLOW, "dead": BAD}
RESERVED = {"slow": 4, "bad": 4, "throttled": 1, "dead": 4}
"""Fewer boxes than the queue would have run at once: each server that follows a killed one begins
all of them anew, so that sixteen of each function would take the time that is for the events."""


class Trial:
    """A server that is killed now and then, and callers that go on regardless."""

    def __init__(self, data: Path, sqs: Queues, options: tuple[str, ...]) -> None:
        self._data = data
        self._options = options
        self._sqs = sqs
        self._random = random.Random(7)
        self.accepted: dict[str, str] = {}
        self.kills = 0
        self.server = self._start()
        self.told = self._make_functions()

    def _start(self) -> Server:
        return Server(self._data, *self._options)

    def _make_functions(self) -> dict[str, str]:
        """Functions, each with queues that are told of its ends; the URLs by function."""
        cloud = Cloud(self.server.endpoint)
        urls = {}
        fifo = {"FifoQueue": "true"}
        for name, code in FUNCTIONS.items():
            if name == "dead":
                urls[name], arn = self._sqs.make(f"of-dead-{id(self)}.fifo", **fifo)
                cloud.function(code, name=name, DeadLetterConfig={"TargetArn": arn})
                continue
            urls[name], arn = self._sqs.make(f"of-{name}-{id(self)}.fifo", **fifo)
            cloud.function(code, name=name)
            target = {"Destination": arn}
            cloud.client.put_function_event_invoke_config(
                FunctionName=name,
                MaximumRetryAttempts=1,
                DestinationConfig={"OnSuccess": target, "OnFailure": target},
            )
        for name, most in RESERVED.items():
            cloud.client.put_function_concurrency(
                FunctionName=name, ReservedConcurrentExecutions=most
            )
        return urls

    def send(self, count: int, callers: int) -> None:
        """Send until ``count`` events are acknowledged; what is not acknowledged is sent anew."""
        names = [name for name in FUNCTIONS for _ in range(count // len(FUNCTIONS))]
        self._random.shuffle(names)
        with ThreadPoolExecutor(callers) as pool:
            list(pool.map(self._send_all, [names[n::callers] for n in range(callers)]))

    def _send_all(self, names: list[str]) -> None:
        connection: http.client.HTTPConnection | None = None
        for name in names:
            while True:
                try:
                    if connection is None:
                        address = urlsplit(self.server.endpoint).netloc
                        connection = http.client.HTTPConnection(address, timeout=20)
                    connection.request(
                        "POST",
                        f"/2015-03-31/functions/{name}/invocations",
                        json.dumps({"to": name}),
                        {"X-Amz-Invocation-Type": "Event", "Authorization": SCOPE},
                    )
                    answer = connection.getresponse()
                    answer.read()
                    assert answer.status == 202, answer.status
                    self.accepted[str(answer.headers["x-amzn-RequestId"])] = name
                    break
                except (OSError, http.client.HTTPException):
                    if connection is not None:
                        connection.close()
                    connection = None
                    time.sleep(0.02)
        if connection is not None:
            connection.close()

    def kill(self) -> None:
        self.server.kill()
        self.kills += 1
        self.server = self._start()

    def unsettled(self) -> float:
        seen = metrics(self.server)
        assert seen["lamella_events_conservation_difference"] == 0
        return seen['lamella_events{state="waiting"}'] + seen['lamella_events{state="leased"}']

    def settle(self, seconds: float) -> None:
        """Wait until every event has come to its end, asking now and then."""
        end = time.monotonic() + seconds
        while left := self.unsettled():
            assert time.monotonic() < end, f"{left} events are left after {seconds} s"
            time.sleep(0.1)

    def ends(self) -> dict[str, Counter[str]]:
        """How often each request id was told of, by function."""
        told = {}
        for name, url in self.told.items():
            told[name] = Counter(
                each["MessageAttributes"]["RequestID"]["StringValue"]
                if name == "dead"
                else json.loads(each["Body"])["requestContext"]["requestId"]
                for each in self._sqs.take(url)
            )
        return told


SCOPE = "AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/lambda/aws4_request, SignedHeaders=host, Signature=0"


def survive(data: Path, sqs: Queues, *, events: int, kills: int, pause: float) -> None:
    options = ("--aws-endpoint", sqs.endpoint, "--event-retry-seconds", "0.2")
    trial = Trial(data, sqs, options)
    try:
        sending = threading.Thread(target=trial.send, args=(events, 4))
        sending.start()
        for number in range(1, kills + 1):
            # By what was accepted, not by the time alone: a busy machine takes as many kills. Every
            # other one comes in the midst of the sending, the rest once more events run.
            while sending.is_alive() and len(trial.accepted) < events * number // (kills + 1):
                time.sleep(0.005)
            time.sleep(0 if number % 2 else pause)
            trial.kill()
        sending.join()
        # Moto's queues, which are one process, take most of this.
        trial.settle(180 + events * 0.15)
        seen = metrics(trial.server)
        ended = {how: count for how, count in seen.items() if "settled_total" in how}
        assert seen["lamella_events_accepted_total"] == sum(ended.values())
        assert seen["lamella_events_accepted_total"] >= len(trial.accepted) == events
        assert ended['lamella_events_settled_total{how="dropped"}'] == 0
        assert ended['lamella_events_settled_total{how="undeliverable"}'] == 0
        told = trial.ends()
        lost = [one for one, name in trial.accepted.items() if not told[name][one]]
        assert lost == []
        # queues that know duplicates: what is told again by the next server is told once
        twice = {n: [one for one, c in counts.items() if c > 1] for n, counts in told.items()}
        assert twice == {name: [] for name in told}
    finally:
        trial.server.stop()


@pytest.mark.timeout(400)
def test_no_event_is_lost_or_settled_twice_by_two_kills(sqs: Queues, tmp_path: Path) -> None:
    survive(tmp_path / "data", sqs, events=40, kills=2, pause=0.8)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_five_thousand_events_survive_kills_every_few_seconds(sqs: Queues, tmp_path: Path) -> None:
    survive(tmp_path / "data", sqs, events=5_000, kills=12, pause=2.0)
