"""``lamella function imports``: what was learned of a function's imports, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from lamella.cli import accounts, output

if TYPE_CHECKING:
    from lamella.invoke.learned import LayerSet, Lesson

SHORT = 12


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The function's name or its ARN.")],
    account: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--account", metavar="DIGITS", help="The account.", show_default=False),
    ] = None,
    region: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--region", metavar="NAME", help="The region.", show_default=False),
    ] = None,
    data: accounts.Data = None,
    as_json: output.Json = False,
) -> None:
    """Show which modules are imported ahead of a function, and why the others are not.

    \b
    Examples:
      lamella function imports orders
      lamella function imports orders --json
    """
    from lamella.invoke import learned
    from lamella.model import arn

    named = arn.parse_function(name)
    if named is None:
        output.fail(f"{name} is no name of a function.", output.MISUSED)
    with accounts.opened(data) as records:
        found = learned.of_function(
            records, named.name, named.account or account, named.region or region
        )
    if as_json:
        output.as_json([_shown(*each) for each in found])
        return
    if not found:
        print(f"Nothing is known yet of what {named.name} imports.")
    for each in found:
        _print(*each)


def _print(which: LayerSet, lesson: Lesson) -> None:
    layers = ", ".join(layer[:SHORT] for layer in which.layers) or "no layers"
    modules, verdict = lesson.modules, lesson.verdict
    print(f"{which.runtime}, {layers}: {len(modules)} modules were imported.")
    if verdict is None:
        print("None was tried yet.")
        return
    print(f"{len(verdict.imported)} of them can be imported ahead.")
    if verdict.fault is not None:
        print(f"Nothing is imported ahead: the process {verdict.fault}.")
    if verdict.read:
        print(f"Variables that they look at: {', '.join(verdict.read)}")
    if verdict.refused:
        output.table("Left to the function", ("Module", "Why"), sorted(verdict.refused.items()))


def _shown(which: LayerSet, lesson: Lesson) -> dict[str, Any]:
    verdict = lesson.verdict
    return {
        "account": which.account,
        "runtime": which.runtime,
        "layers": list(which.layers),
        "modules": list(lesson.modules),
        "imported": None if verdict is None else list(verdict.imported),
        "refused": None if verdict is None else dict(verdict.refused),
        "variables": None if verdict is None else list(verdict.read),
        "fault": None if verdict is None else verdict.fault,
    }
