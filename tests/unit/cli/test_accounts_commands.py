"""``lamella keys`` and ``lamella orgs`` on a data directory, without a server."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.commands import command

A = "111122223333"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def run(data: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LAMELLA_DATA": str(data)}
    return command(*words, environ=environ)


def answer(data: Path, *words: str) -> Any:
    done = run(data, *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_key_is_made_listed_and_revoked_without_a_server(data: Path) -> None:
    done = run(data, "keys", "create", "--account", A, "--name", "ann")
    title, key_line, secret_line = done.stdout.splitlines()
    assert title == f"# arn:aws:iam::{A}:user/ann; the secret is not shown again"
    key_id = key_line.removeprefix("export AWS_ACCESS_KEY_ID=")
    secret = secret_line.removeprefix("export AWS_SECRET_ACCESS_KEY=")
    assert (len(key_id), len(secret)) == (20, 40)
    assert data.stat().st_mode & 0o777 == 0o700
    assert (data / "records.sqlite").stat().st_mode & 0o777 == 0o600

    (listed,) = answer(data, "keys", "list")
    assert listed.pop("created").endswith("+00:00")
    arn = f"arn:aws:iam::{A}:user/ann"
    expected = {"id": key_id, "account": A, "name": "ann", "arn": arn, "policy": None}
    assert listed == {**expected, "revoked": None}
    assert run(data, "keys", "revoke", key_id).stdout == f"{key_id} is revoked\n"
    plain = run(data, "keys", "list").stdout
    assert f"{key_id}\t{A}\tann\t" in plain
    assert "\tall\trevoked " in plain


def test_all_faults_of_a_key_are_named_and_nothing_is_made(data: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policy.json"
    policy.write_text('{"Statement": {"Effect": "Maybe", "Action": "*", "Resource": "*"}}')
    done = run(data, "keys", "create", "--account", "1", "--policy", str(policy))
    assert done.returncode == 2
    assert done.stdout == ""
    for fault in ("must be 12 digits", "Statement 1: Effect must be Allow", "needs a name"):
        assert fault in done.stderr
    assert answer(data, "keys", "list") == []


@pytest.mark.parametrize(("content", "fault"), [(None, "cannot be read"), ("{", "is not JSON")])
def test_a_policy_that_cannot_be_read_is_said_so(
    data: Path, tmp_path: Path, content: str | None, fault: str
) -> None:
    policy = tmp_path / "policy.json"
    if content:
        policy.write_text(content)
    done = run(data, "keys", "create", "--account", A, "--name", "a", "--policy", str(policy))
    assert (done.returncode, fault in done.stderr) == (2, True)


def test_what_is_not_understood_of_a_policy_is_warned_of(data: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policy.json"
    condition = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition}
    policy.write_text(json.dumps({"Statement": statement}))
    done = run(data, "keys", "create", "--account", A, "--name", "a", "--policy", str(policy))
    assert done.returncode == 0
    assert "Warning: Statement 1: the condition IpAddress on aws:SourceIp" in done.stderr


def test_organizations_are_kept_without_a_server(data: Path) -> None:
    org = run(data, "orgs", "create").stdout.strip()
    assert run(data, "orgs", "add", org, A).stdout == f"{A} is in {org}\n"
    assert answer(data, "orgs", "list") == [{"organization": org, "accounts": [A]}]
    assert run(data, "orgs", "list").stdout == f"# Organizations\n{org}\t{A}\n"
    assert run(data, "orgs", "remove", org, A).stdout == f"{A} is out of {org}\n"
    assert run(data, "orgs", "remove", org).stdout == f"{org} is gone\n"
    done = run(data, "orgs", "add", org, A)
    assert (done.returncode, done.stderr) == (2, f"There is no organization {org}.\n")


def test_a_data_directory_that_cannot_be_used_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run(tmp_path / "file" / "data", "keys", "list")
    assert done.returncode == 1
    assert "cannot be used" in done.stderr
    assert "Traceback" not in done.stderr
