"""Rows: what the handler is told of its invocation."""

from __future__ import annotations

import base64
import re

from tests.behaviours.bench import Bench
from tests.behaviours.rows import row

PART = "The invocation"


@row(PART, "context", "the context: request, function, version, ARN, memory, log names, time left")
def context(bench: Bench) -> None:
    said = bench.invoke(bench.shared, "context")
    seen = said.payload
    assert 0 < seen.pop("left") <= 30_000
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", seen.pop("stream"))
    assert seen.pop("client", None) is None
    assert seen == {
        "missing": [],
        "id": said.request_id,
        "name": bench.shared,
        "version": "$LATEST",
        "arn": f"arn:aws:lambda:eu-west-1:000000000000:function:{bench.shared}",
        "memory": "512",
        "group": f"/aws/lambda/{bench.shared}",
    }


@row(PART, "client context", "the caller's client context")
def client_context(bench: Bench) -> None:
    sent = base64.b64encode(b'{"custom": {"k": "v"}}').decode()
    assert bench.result(bench.shared, "context", ClientContext=sent)["client"] == {"k": "v"}


@row(PART, "time left", "the time that is left follows the function's timeout")
def time_left(bench: Bench) -> None:
    left = bench.result(bench.own(Timeout=5), "context")["left"]
    assert 0 < left <= 5000


@row(PART, "trace", "each invocation has an X-Ray trace of its own")
def trace(bench: Bench) -> None:
    seen = [bench.result(bench.shared, "trace") for _ in range(2)]
    assert len(set(seen)) == 2
    for each in seen:
        assert re.match(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=[01]", each)
