"""What waits of errors until they are looked into."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lamella.functions import failures
from lamella.invoke import blame
from lamella.invoke.failing import Failed, Failing
from lamella.layers.manifest import Manifest
from lamella.layers.owner import Owners
from lamella.model.function import Code, Function
from lamella.model.invocation import Reply
from lamella.records.sqlite import open_records

FUNCTION = Function(
    account="000000000000",
    region="eu-west-1",
    name="f",
    version="$LATEST",
    runtime="python3.11",
    handler="app.handler",
    role="r",
    code=Code(digest="0", size=0, unzipped_size=0),
    last_modified=datetime(2026, 1, 1, tzinfo=UTC),
    revision_id="1",
)


def no_manifest(digest: str) -> Manifest:
    raise KeyError(digest)


def unheard(line: str, record: dict[str, Any]) -> None:
    raise AssertionError(line)


def test_a_report_too_long_to_be_looked_into_is_not_kept(tmp_path: Path) -> None:
    payload = b'{"errorMessage": "' + b"x" * blame.MOST_BYTES + b'"}'
    records = open_records(tmp_path / "records.sqlite")
    failing = Failing(records, Owners(no_manifest))

    async def fail() -> None:
        before = sys.getrefcount(payload)
        failing.add(Failed(FUNCTION, FUNCTION.function_arn, "1", Reply(payload, "E"), b"", unheard))
        assert sys.getrefcount(payload) == before
        await failing.close()

    asyncio.run(fail())
    assert failing.unseen == 0
    assert failures.found(records, "f") == []
