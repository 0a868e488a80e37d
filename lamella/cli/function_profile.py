"""``lamella function profile``: how many milliseconds of a cold start belong to which layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from lamella.cli import endpoint as endpoints
from lamella.cli import output, profile, tidy
from lamella.config import SETTINGS

if TYPE_CHECKING:
    from lamella.toolchain.profile.function import FunctionPrice, Subject, Way

REST = "box, runtime, its client"

_Name = Annotated[
    str, typer.Argument(metavar="NAME", help="The function's name, NAME:QUALIFIER or its ARN.")
]
_Qualifier = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--qualifier", metavar="NAME", help="This version or alias of it.", show_default=False
    ),
]
_Region = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--region", metavar="NAME", help="The region.", show_default=False),
]


@tidy.end()
def command(
    name: _Name,
    qualifier: _Qualifier = None,
    runs: Annotated[int, typer.Option(help="How many cold starts are measured.", min=1)] = 7,
    html: profile.Html = None,
    endpoint: endpoints.Endpoint = None,
    region: _Region = None,
    as_json: output.Json = False,
) -> None:
    """Say how many milliseconds of a function's cold start belong to which layer.

    A copy of the function, with its layers, variables and memory, is started on a server that is
    started for it and gone afterwards: cold start after cold start up to the loaded handler,
    which is not called. The function itself is not touched.

    \b
    Examples:
      lamella function profile orders
      lamella function profile orders --qualifier live --runs 15 --html orders.html
    """
    from lamella.toolchain.profile.laboratory import is_measured

    profile.checked(html)
    subject = _subject(name, qualifier, endpoint, region)
    if not is_measured(subject.runtime):
        output.fail(
            f"{subject.name} runs on {subject.runtime or 'no runtime'}; what a cold start loads is"
            " measured for Python and Node.js."
        )
    profile.available(subject.runtime)
    from lamella.toolchain.profile import chart
    from lamella.toolchain.profile.function import PLAIN, PRELOADED, price

    preloads = any(each.name == "preload" for each in SETTINGS)
    ways = (PLAIN, PRELOADED) if preloads and subject.is_preloaded else (PLAIN,)
    with profile.laboratory(f"Measuring {subject.name}", {"LAMELLA_PRELOAD": "on"}) as (place, say):
        measured = price(place, subject, ways, runs=runs, say=say)
    profile.written(html, lambda: chart.of_function(measured))
    if as_json:
        output.as_json(_told(measured))
    else:
        _print(measured)
        if len(measured.ways) < len(ways):
            print("A server begins it as its first call, always: nothing of it is made ahead.")
    if measured.error is not None:
        output.fail(
            f"The handler of {subject.name} could not be loaded: {measured.error}\nIt is loaded"
            " without a network and with no service of AWS at hand."
        )


def _subject(name: str, qualifier: str | None, endpoint: str | None, region: str | None) -> Subject:
    """The function and its layers, as the server that has them tells."""
    from lamella.errors import ApiError
    from lamella.model import arn
    from lamella.toolchain import fetch
    from lamella.toolchain.profile.function import Subject
    from lamella.toolchain.profile.layer import opened

    named = arn.parse_function(name)
    if named is None:
        output.fail(f"{name} is no name of a function.", output.MISUSED)
    client = endpoints.client(endpoint, region or named.region)
    layers = []
    try:
        found = fetch.function(client, name, qualifier)
        arns = [each["Arn"] for each in found.configuration.get("Layers", ())]
        for each, shown in zip(arns, _names(arns), strict=True):
            layers.append(opened(shown, fetch.layer(client, each)[0]))
    except fetch.NotFetched as error:
        output.fail(str(error))
    except ApiError as refused:
        output.fail(f"{name}: {refused.message}")
    return Subject(named.name, found, tuple(layers))


def _names(layers: Sequence[str]) -> tuple[str, ...]:
    """``pandas:3`` for each ARN; the ARN itself where two accounts' layers share that."""
    short = [":".join(each.split(":")[-2:]) for each in layers]
    return tuple(
        name if short.count(name) == 1 else arn for arn, name in zip(layers, short, strict=True)
    )


def _print(price: FunctionPrice) -> None:
    subject, ways = price.subject, price.ways
    runs = len(ways[0].starts)
    owners = dict.fromkeys(owner for way in ways for owner in way.owners)
    listed = dict.fromkeys([each.name for each in subject.layers])
    kinds = ", ".join(way.title for way in ways)
    title = f"{subject.name} on {subject.runtime}: {runs} cold starts each, {kinds}"
    rows = [
        (owner, *(profile.ms(way.owners.get(owner, 0.0)) for way in ways))
        for owner in {**owners, **listed}
    ]
    rows.append((REST, *(profile.ms(way.rest) for way in ways)))
    rows.append(("cold start", *(profile.ms(way.cold) for way in ways)))
    rows.append(("warm call", *(profile.ms(way.warm) for way in ways)))
    output.table(title, ("Part", *(way.title.capitalize() for way in ways)), rows)
    profile.modules(ways[0].spent)


def _told(price: FunctionPrice) -> dict[str, Any]:
    return {
        "function": price.subject.name,
        "version": price.subject.function.configuration.get("Version"),
        "runtime": price.subject.runtime,
        "handler": price.subject.handler,
        "layers": [each.name for each in price.subject.layers],
        "error": price.error,
        "ways": {way.title: _way(way) for way in price.ways},
    }


def _way(way: Way) -> dict[str, Any]:
    return {
        "coldMs": round(way.cold, 3),
        "warmMs": round(way.warm, 3),
        "byOwnerMs": {owner: round(took, 3) for owner, took in way.owners.items()},
        "restMs": round(way.rest, 3),
        "runsMs": [round(start.cold, 3) for start in way.starts],
        "modules": profile.told(way.spent),
    }
