"""``lamella keys …``: the access keys that a server with ``--auth sigv4`` knows."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from lamella.cli import accounts, output

if TYPE_CHECKING:
    from lamella.accounts.keys import AccessKey

app = typer.Typer(help="Make, list and revoke access keys.", no_args_is_help=True)

_Account = Annotated[
    str, typer.Option("--account", metavar="DIGITS", help="The account: 12 digits.")
]
_Name = Annotated[
    str,
    typer.Option("--name", metavar="NAME", help="The user's name; without one the account's root."),
]
_Policy = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(
        "--policy",
        metavar="FILE",
        help="An IAM policy (JSON) that says what the key may do; without one, everything.",
    ),
]


@app.callback()
def group() -> None:
    """Make, list and revoke access keys, beside a running server or without one."""


@app.command("create")
def create(
    account: _Account,
    name: _Name = "",
    policy: _Policy = None,
    data: accounts.Data = None,
    as_json: output.Json = False,
) -> None:
    """Make an access key of an account. A running server knows it at once.

    The secret is shown this once.

    \b
    Examples:
      lamella keys create --account 111122223333
      lamella keys create --account 111122223333 --name deploy --policy deploy.json
    """
    from lamella.accounts import keys

    limits = None if policy is None else _document(policy)
    with accounts.opened(data) as records:
        key = keys.create(records, account, name, limits, datetime.now(UTC))
    for doubt in key.limits.doubts if key.limits else ():
        print(f"Warning: {doubt} It allows nothing, and denies.", file=sys.stderr)
    if as_json:
        output.as_json({**_shown(key), "secret": key.secret})
        return
    print(f"# {key.principal_arn}; the secret is not shown again")
    print(f"export AWS_ACCESS_KEY_ID={key.id}")
    print(f"export AWS_SECRET_ACCESS_KEY={key.secret}")


@app.command("list")
def listed(data: accounts.Data = None, as_json: output.Json = False) -> None:
    """List the access keys, without their secrets.

    \b
    Example:
      lamella keys list --json
    """
    from lamella.accounts import keys

    with accounts.opened(data) as records:
        rows = [_shown(key) for key in keys.listed(records)]
    if as_json:
        output.as_json(rows)
        return
    heads = ("Key", "Account", "Name", "Created", "Policy", "State")
    output.table("Access keys", heads, [_row(row) for row in rows])


@app.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The access key's id, AKIA….")],
    data: accounts.Data = None,
    as_json: output.Json = False,
) -> None:
    """End an access key for good. A running server refuses it within a second.

    \b
    Example:
      lamella keys revoke AKIAEXAMPLEEXAMPLE23
    """
    from lamella.accounts import keys

    with accounts.opened(data) as records:
        key = keys.revoke(records, key_id, datetime.now(UTC))
    if as_json:
        output.as_json(_shown(key))
        return
    print(f"{key.id} is revoked")


def _document(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except OSError as error:
        output.fail(f"{path} cannot be read: {error.strerror or error}", output.MISUSED)
    except ValueError as error:
        output.fail(f"{path} is not JSON: {error}", output.MISUSED)


def _shown(key: AccessKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "account": key.account,
        "name": key.name,
        "arn": key.principal_arn,
        "created": key.created.isoformat(),
        "revoked": key.revoked and key.revoked.isoformat(),
        "policy": key.policy,
    }


def _row(shown: dict[str, Any]) -> tuple[str, ...]:
    state = f"revoked {shown['revoked']}" if shown["revoked"] else "good"
    limited = "limited" if shown["policy"] else "all"
    return (shown["id"], shown["account"], shown["name"] or "-", shown["created"], limited, state)
