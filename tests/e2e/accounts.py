"""Access keys as an operator makes them, and clients that sign with them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lamella.accounts import keys
from lamella.wiring.accounts import account_records
from tests.commands import command
from tests.e2e.server import Cloud, Server


def lamella(*words: str, data: Path) -> Any:
    """Run a command on the data directory; what it prints, as JSON."""
    done = command(*words, "--data", str(data), "--json", environ=os.environ.copy())
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@dataclass(frozen=True)
class Key:
    """A key that was made; ``arn`` is its principal's."""

    id: str
    secret: str
    account: str
    arn: str

    def cloud(self, server: Server, region: str = "eu-west-1") -> Cloud:
        return Cloud(server.endpoint, account=self.id, secret=self.secret, region=region)


def new_key(
    server: Server, account: str, name: str = "", policy: dict[str, Any] | None = None
) -> Key:
    """A key of a server that runs, made beside it, as the command does but in this process."""
    with account_records(server.data) as records:
        made = keys.create(records, account, name, policy, datetime.now(UTC))
    return Key(made.id, made.secret, made.account, made.principal_arn)
