"""``lamella orgs …``: which accounts belong together, for grants that name an organization."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from lamella.cli import accounts, output

app = typer.Typer(help="Say which accounts form an organization.", no_args_is_help=True)

_Organization = Annotated[str, typer.Argument(metavar="ORG", help="The organization's id, o-….")]
_Account = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account: 12 digits.")]


@app.callback()
def group() -> None:
    """Say which accounts form an organization, beside a running server or without one."""


@app.command("create")
def create(
    organization: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(metavar="[ORG]", help="An id of your own; without one it is made up."),
    ] = None,
    data: accounts.Data = None,
    as_json: output.Json = False,
) -> None:
    """Make an organization, and print its id.

    \b
    Example:
      lamella orgs create
    """
    from lamella.accounts import organizations

    with accounts.opened(data) as records:
        name = organizations.create(records, organization)
    if as_json:
        output.as_json({"organization": name, "accounts": []})
        return
    print(name)


@app.command("add")
def add(
    organization: _Organization,
    account: _Account,
    data: accounts.Data = None,
    as_json: output.Json = False,
) -> None:
    """Make an account a member of an organization.

    \b
    Example:
      lamella orgs add o-a1b2c3d4e5 111122223333
    """
    from lamella.accounts import organizations

    with accounts.opened(data) as records:
        organizations.add(records, organization, account)
        members = organizations.listed(records)[organization]
    if as_json:
        output.as_json({"organization": organization, "accounts": members})
        return
    print(f"{account} is in {organization}")


@app.command("remove")
def remove(
    organization: _Organization,
    account: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(metavar="[ACCOUNT]", help="The member; without one the organization goes."),
    ] = None,
    data: accounts.Data = None,
    as_json: output.Json = False,
) -> None:
    """Take an account out of an organization, or remove the organization itself.

    Grants to the organization stay, for those who belong to it later.

    \b
    Examples:
      lamella orgs remove o-a1b2c3d4e5 111122223333
      lamella orgs remove o-a1b2c3d4e5
    """
    from lamella.accounts import organizations

    with accounts.opened(data) as records:
        organizations.remove(records, organization, account)
        members = organizations.listed(records).get(organization, [])
    if as_json:
        output.as_json({"organization": organization, "accounts": members})
        return
    print(f"{account} is out of {organization}" if account else f"{organization} is gone")


@app.command("list")
def listed(data: accounts.Data = None, as_json: output.Json = False) -> None:
    """List the organizations with their accounts.

    \b
    Example:
      lamella orgs list --json
    """
    from lamella.accounts import organizations

    with accounts.opened(data) as records:
        found = organizations.listed(records)
    if as_json:
        output.as_json([{"organization": each, "accounts": found[each]} for each in found])
        return
    rows = [(name, " ".join(members)) for name, members in found.items()]
    output.table("Organizations", ("Organization", "Accounts"), rows)
