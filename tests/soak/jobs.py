"""What a worker does, one thing after the other, and what may come of each.

A job returns when all was as it should be and raises `Unexpected` when not. Two things may happen
to any invocation and are counted instead: the host is full (429), or somebody killed its box.
"""

from __future__ import annotations

import json
import socket
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from tests.e2e.server import Cloud, Invoked
from tests.soak.functions import READER, Functions, word

KILLED = ("signal: killed", "signal: 9")
"""Of a runtime, and of an extension."""
MEGABYTE = 1_048_576


class Unexpected(AssertionError):
    """An answer that should not have been."""


class Throttled(Exception):
    """There was no room for an invocation."""


class Killed(Exception):
    """The box of an invocation was killed from outside."""


@dataclass
class Tally:
    """What came of everything, over all workers."""

    done: Counter[str] = field(default_factory=Counter)
    throttled: int = 0
    killed: int = 0
    accepted: int = 0
    unexpected: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, name: str, how: str | None = None) -> None:
        """One job is over; ``how`` is what else happened than what was meant to."""
        with self._lock:
            self.done[name] += 1
            if how is not None:
                self.unexpected.append(f"{name}: {how}")

    def count(self, what: str) -> None:
        with self._lock:
            setattr(self, what, getattr(self, what) + 1)


def was_killed(answer: Any) -> bool:
    return any(each in str(answer) for each in KILLED)


def expect(true: bool, *why: object) -> None:
    if not true:
        raise Unexpected(" ".join(str(each)[:600] for each in why))


class Worker:
    """A caller with a client, a random series and a function of its own."""

    def __init__(
        self, number: int, endpoint: str, seed: str, shared: Functions, tally: Tally
    ) -> None:
        self.cloud = Cloud(endpoint)
        self.random = Random(f"{seed}-{number}")
        self.shared = shared
        self.tally = tally
        self.place = urlsplit(endpoint)
        self.own = f"soak-own-{number}"
        self.layer = f"soak-layer-{number}"
        self.words = 0
        self.cloud.function(READER, name=self.own)

    def once(self) -> None:
        """Do one thing."""
        names, weights = zip(*JOBS.items(), strict=True)
        (job,) = self.random.choices(names, weights)
        try:
            job(self)
        except Throttled:
            self.tally.count("throttled")
        except Killed:
            self.tally.count("killed")
        except (Unexpected, ClientError, OSError, ValueError, KeyError) as error:
            self.tally.add(job.__name__, f"{type(error).__name__}: {error}")
        else:
            self.tally.add(job.__name__)

    def invoke(self, name: str, event: Any, **more: Any) -> Invoked:
        try:
            answer = self.cloud.invoke(name, event, **more)
        except ClientError as error:
            if error.response["Error"]["Code"] == "TooManyRequestsException":
                raise Throttled from None
            raise
        if answer.error and was_killed(answer.payload) and "memory" not in str(event):
            raise Killed
        return answer

    def result(self, name: str, event: Any, **more: Any) -> Any:
        answer = self.invoke(name, event, **more)
        expect(answer.error is None, name, answer.payload, answer.log)
        return answer.payload


def echo(worker: Worker) -> None:
    event = {"n": worker.random.random(), "text": "é中😀" * worker.random.randrange(9)}
    name = worker.random.choice(worker.shared.echoes)
    answer = worker.result(name, event)
    expect(answer == event, name, event, answer)


def large(worker: Worker) -> None:
    event = "x" * worker.random.randrange(MEGABYTE, 5 * MEGABYTE)
    expect(worker.result(worker.shared.python, event) == event, "another payload came back")


def large_answer(worker: Worker) -> None:
    size = worker.random.choice((5 * MEGABYTE, 7 * MEGABYTE))
    answer = worker.invoke(worker.shared.python, {"do": "answer", "bytes": size})
    if size < 6 * MEGABYTE:
        expect(answer.payload == "x" * size, "another answer", answer.error)
    else:
        expect(answer.payload["errorType"] == "Function.ResponseSizeTooLarge", answer.payload)


def too_large(worker: Worker) -> None:
    try:
        worker.invoke(worker.shared.python, "x" * (6 * MEGABYTE + 1))
    except ClientError as error:
        expect(error.response["Error"]["Code"] == "RequestTooLargeException", error)
    else:
        raise Unexpected("a payload over the limit was taken")


def function_error(worker: Worker) -> None:
    answer = worker.invoke(worker.shared.python, {"do": "error"})
    expect((answer.error, answer.payload["errorType"]) == ("Unhandled", "ValueError"), answer)


def crash(worker: Worker) -> None:
    how = worker.random.choice(("exit", "segfault"))
    answer = worker.invoke(worker.shared.python, {"do": how})
    expect(answer.payload["errorType"] == "Runtime.ExitError", answer)
    said = "exit status 3" if how == "exit" else "signal: segmentation fault"
    expect(said in answer.payload["errorMessage"], how, answer.payload)


def memory(worker: Worker) -> None:
    answer = worker.invoke(worker.shared.short, {"do": "memory"})
    expect(answer.error == "Unhandled", answer)
    told = {"Runtime.ExitError", "Runtime.OutOfMemory", "Sandbox.Timedout", "MemoryError"}
    expect(answer.payload["errorType"] in told, answer.payload)


def timeout(worker: Worker) -> None:
    answer = worker.invoke(worker.shared.short, {"do": "sleep", "seconds": 30})
    expect("Task timed out after 1.00 seconds" in str(answer.payload), answer)


def output(worker: Worker) -> None:
    worker.result(worker.shared.python, {"do": "print", "lines": 2_000})


def extension(worker: Worker) -> None:
    how = worker.random.choice(("", "", "", "exit"))
    answer = worker.invoke(worker.shared.extended, {"do": how})
    expect((answer.error is not None) == (how == "exit"), answer)


def event(worker: Worker) -> None:
    name = worker.random.choice(worker.shared.asynchronous)
    what = worker.random.choice(("", "", "error", "exit"))
    try:
        answer = worker.cloud.client.invoke(
            FunctionName=name, InvocationType="Event", Payload=json.dumps({"do": what}).encode()
        )
    finally:
        worker.tally.count("accepted")
    expect(answer["StatusCode"] == 202, answer)


def stream(worker: Worker) -> None:
    what = worker.random.choice(("", "large", "error", "die"))
    try:
        answer = worker.cloud.client.invoke_with_response_stream(
            FunctionName=worker.shared.streaming, Payload=json.dumps(what).encode()
        )
    except ClientError as error:
        if error.response["Error"]["Code"] == "TooManyRequestsException":
            raise Throttled from None
        raise
    *chunks, last = answer["EventStream"]
    body = b"".join(each["PayloadChunk"]["Payload"] for each in chunks)
    end = last["InvokeComplete"]
    if was_killed(end):
        raise Killed
    failed = "ErrorCode" in end
    expect(failed == (what in ("error", "die")), what, end)
    if not failed:
        expect(body == (bytes(8 * MEGABYTE) if what == "large" else b"one,two"), what, len(body))


def hang_up(worker: Worker) -> None:
    """Callers who send half a request, read half an answer, or do not wait for any."""
    body = json.dumps({"do": "sleep", "seconds": 0.5}).encode()
    path = f"/2015-03-31/functions/{worker.shared.python}/invocations"
    sent = worker.random.choice((len(body), len(body) // 2))
    with socket.create_connection((worker.place.hostname, worker.place.port), 20) as kept:
        kept.sendall(
            f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body[:sent]
        )
        kept.settimeout(worker.random.choice((0.02, 0.3)))
        try:
            kept.recv(20)
        except TimeoutError:
            return


def layers(worker: Worker) -> None:
    """Publish, attach, see it, publish another, see that, delete both."""
    versions = []
    for _ in range(2):
        worker.words += 1
        said = f"word {worker.words}"
        versions.append(worker.cloud.layer(word(said), worker.layer))
        worker.cloud.configure(worker.own, Layers=[versions[-1]])
        seen = worker.result(worker.own, None)
        expect(seen[0] == said, seen, said)
    for arn in versions:
        worker.cloud.client.delete_layer_version(
            LayerName=worker.layer, VersionNumber=int(arn.rpartition(":")[2])
        )
    # What the function has stays with it.
    seen = worker.result(worker.own, None)
    expect(seen[0] == said, seen, said)
    worker.cloud.configure(worker.own, Layers=[])


def configuration(worker: Worker) -> None:
    worker.words += 1
    said = f"word {worker.words}"
    worker.cloud.configure(worker.own, Environment={"Variables": {"WORD": said}})
    seen = worker.result(worker.own, None)
    expect(seen[1] == said, seen, said)


def alias(worker: Worker) -> None:
    """Publish a version, move an alias to it, invoke that, delete the version before."""
    client, name = worker.cloud.client, worker.own
    worker.words += 1
    worker.cloud.configure(name, Environment={"Variables": {"WORD": str(worker.words)}})
    version = client.publish_version(FunctionName=name)["Version"]
    aliases = client.list_aliases(FunctionName=name)["Aliases"]
    if aliases:
        client.update_alias(FunctionName=name, Name="live", FunctionVersion=version)
    else:
        client.create_alias(FunctionName=name, Name="live", FunctionVersion=version)
    try:
        seen = worker.result(name, None, Qualifier="live")
        expect(seen[1:] == [str(worker.words), version], seen, version)
    finally:
        for each in aliases:
            client.delete_function(FunctionName=name, Qualifier=each["FunctionVersion"])


def function(worker: Worker) -> None:
    """A life: created, changed, invoked, deleted."""
    name = worker.cloud.function(READER, name=f"{worker.own}-short-lived")
    try:
        expect(worker.result(name, None)[2] == "$LATEST", name)
    finally:
        worker.cloud.client.delete_function(FunctionName=name)
    refused(worker, "ResourceNotFoundException", FunctionName=name, Payload=b"{}")


def refusals(worker: Worker) -> None:
    refused(worker, "ResourceNotFoundException", FunctionName="no-such-function")
    refused(worker, "InvalidRequestContentException", FunctionName=worker.own, Payload=b"{")
    refused(worker, "ResourceNotFoundException", FunctionName=worker.own, Qualifier="77777")


def refused(worker: Worker, code: str, **request: Any) -> None:
    try:
        worker.cloud.client.invoke(**request)
    except ClientError as error:
        expect(error.response["Error"]["Code"] == code, code, error)
    else:
        raise Unexpected(f"{request} was not refused")


JOBS: dict[Callable[[Worker], None], int] = {
    echo: 40,
    large: 2,
    large_answer: 1,
    too_large: 1,
    function_error: 6,
    crash: 3,
    memory: 1,
    timeout: 1,
    output: 3,
    extension: 4,
    event: 20,
    stream: 6,
    hang_up: 4,
    layers: 2,
    configuration: 2,
    alias: 2,
    function: 2,
    refusals: 3,
}
"""Each with its weight."""
