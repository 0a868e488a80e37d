"""``lamella function …``: what a server knows of its functions beyond what AWS's API tells."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from lamella.cli import accounts, function_imports, function_profile, output

if TYPE_CHECKING:
    from lamella.functions.failures import Failure, Failures

app = typer.Typer(help="Look into functions.", no_args_is_help=True)
app.command("profile")(function_profile.command)
app.command("imports")(function_imports.command)

UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}

_Name = Annotated[
    str, typer.Argument(metavar="NAME", help="The function's name, NAME:QUALIFIER or its ARN.")
]
_Since = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--since",
        metavar="WHEN",
        help="Only errors since then: 90s, 15m, 2h, 1d, or a time such as 2026-01-31T12:00:00Z.",
        show_default=False,
    ),
]
_Qualifier = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--qualifier",
        metavar="NAME",
        help="Only of this version, or of calls of this alias.",
        show_default=False,
    ),
]
_Account = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--account", metavar="DIGITS", help="The account.", show_default=False),
]
_Region = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--region", metavar="NAME", help="The region.", show_default=False),
]


@app.callback()
def group() -> None:
    """Look into functions, beside a running server or without one."""


@app.command("errors")
def errors(
    name: _Name,
    since: _Since = None,
    qualifier: _Qualifier = None,
    account: _Account = None,
    region: _Region = None,
    data: accounts.Data = None,
    as_json: output.Json = False,
) -> None:
    """Show the last errors of a function, and the layer versions that they came from.

    \b
    Examples:
      lamella function errors orders
      lamella function errors orders --since 1h --qualifier live --json
    """
    from lamella.functions import failures
    from lamella.model import arn

    named = arn.parse_function(name)
    if named is None:
        output.fail(f"{name} is no name of a function.", output.MISUSED)
    moment = 0.0 if since is None else _moment(since)
    with accounts.opened(data) as records:
        found = failures.found(
            records, named.name, named.account or account, named.region or region
        )
    wanted = qualifier or named.qualifier
    shown = (
        found
        if since is None and wanted is None
        else [each.since(moment, wanted) for each in found]
    )
    if as_json:
        output.as_json([_shown(each) for each in shown])
        return
    if not any(each.errors for each in shown):
        print(f"No errors of {named.name} are kept.")
    for each in shown:
        if each.errors:
            _print(each)


def _print(each: Failures) -> None:
    heads = ("Time", "Request", "Version", "Type", "Layer", "Place", "Message")
    output.table(f"Errors of {each.arn}", heads, map(_row, each.errors))
    if each.by_layer:
        counts: Sequence[tuple[str, int]] = sorted(each.by_layer.items(), key=lambda of: -of[1])
        rows = [(layer, str(count)) for layer, count in counts]
        output.table("By layer version", ("Layer", "Errors"), rows)


def _row(error: Failure) -> tuple[str, ...]:
    raised = next((each for each in error.layers if each.is_raised), None)
    place = "-"
    if raised is not None:
        place = f"{raised.file}:{raised.line}" if raised.line else raised.file
        place += f" (hides {', '.join(raised.hides)})" if raised.hides else ""
    return (
        _time(error.time),
        error.request_id,
        error.version,
        _plain(error.error_type),
        "-" if raised is None else raised.layer,
        _plain(place),
        _plain(error.message),
    )


def _shown(each: Failures) -> dict[str, Any]:
    return {
        "function": each.arn,
        "errors": [
            {
                "time": _time(error.time),
                "requestId": error.request_id,
                "version": error.version,
                "qualifier": error.qualifier or None,
                "errorType": error.error_type,
                "errorMessage": error.message,
                "layers": [
                    {
                        "layer": layer.layer,
                        "file": layer.file,
                        "line": layer.line or None,
                        "hides": list(layer.hides),
                        "raised": layer.is_raised,
                    }
                    for layer in error.layers
                ],
            }
            for error in each.errors
        ],
        "byLayer": dict(each.by_layer),
    }


def _plain(text: str) -> str:
    """A function's own text on one line, without what a terminal would obey."""
    return "".join(char if char.isprintable() else " " for char in text)


def _time(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def _moment(since: str) -> float:
    ago = re.fullmatch(r"(\d{1,9})([smhd])", since)
    if ago is not None:
        return time.time() - int(ago[1]) * UNITS[ago[2]]
    try:
        moment = datetime.fromisoformat(since)
    except ValueError:
        output.fail(f"{since} is no time: say 15m, 2h, or 2026-01-31T12:00:00Z.", output.MISUSED)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
