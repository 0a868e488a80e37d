"""One line a request, in batches, as text or JSON."""

from __future__ import annotations

import asyncio
import io
import json
import re

from lamella.api.access import AccessLog


def test_a_request_is_one_line_of_text() -> None:
    stream = io.StringIO()
    access = AccessLog(stream)
    access.record(201, "PublishLayerVersion", "shared-code", 0.0352, "0000-id")
    assert stream.getvalue() == ""
    access.flush()
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d 201 PublishLayerVersion shared-code 35\.2 ms 0000-id\n", stream.getvalue()
    )


def test_a_name_cannot_begin_a_line_of_its_own() -> None:
    stream = io.StringIO()
    access = AccessLog(stream)
    access.record(404, "GetFunction", "f\n12:00:00 200 Invoke", 0.001, "id")
    access.record(200, "ListLayers", "", 0.001, "id")
    access.flush()
    first, second = stream.getvalue().splitlines()
    assert r"'f\n12:00:00 200 Invoke'" in first
    assert " ListLayers - " in second


def test_json_lines_carry_the_same() -> None:
    stream = io.StringIO()
    access = AccessLog(stream, "json")
    access.record(200, "Invoke", "f", 0.0005, "id")
    access.flush()
    line = json.loads(stream.getvalue())
    assert line.pop("time") > 0
    assert line == {
        "status": 200,
        "operation": "Invoke",
        "subject": "f",
        "ms": 0.5,
        "requestId": "id",
    }


def test_what_has_come_is_written_when_the_writer_ends() -> None:
    stream = io.StringIO()
    access = AccessLog(stream)

    async def run() -> None:
        writer = asyncio.create_task(access.run())
        await asyncio.sleep(0)
        access.record(200, "Invoke", "f", 0.0005, "id")
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)

    asyncio.run(run())
    assert "Invoke f" in stream.getvalue()
