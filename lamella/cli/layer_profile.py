"""``lamella layer profile``: what a layer costs, measured in real boxes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from lamella.cli import endpoint as endpoints
from lamella.cli import output, profile, tidy

if TYPE_CHECKING:
    from lamella.toolchain.profile.layer import Layer, LayerPrice, Package

_What = Annotated[
    str, typer.Argument(metavar="ARN|ZIP", help="A layer version of a server, or a zip's file.")
]
_Runtime = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--runtime",
        metavar="NAME",
        help="The runtime to import with; by default one that the layer says it is for.",
        show_default=False,
    ),
]
_Beneath = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(
        "--with",
        metavar="ARN|ZIP",
        help="A layer that this one needs, listed before it; may be given several times.",
        show_default=False,
    ),
]


@tidy.end()
def command(
    what: _What,
    runtime: _Runtime = None,
    runs: Annotated[int, typer.Option(help="How often each import is measured.", min=1)] = 5,
    beneath: _Beneath = None,
    html: profile.Html = None,
    endpoint: endpoints.Endpoint = None,
    as_json: output.Json = False,
) -> None:
    """Say what a layer costs: unpacking, compiling, and the imports of all it brings.

    Everything runs in the boxes that functions run in, on a server that is started for it and
    gone afterwards; nothing is published where the layer comes from, and nothing is changed.

    \b
    Examples:
      lamella layer profile layer.zip
      lamella layer profile layer.zip --runtime python3.12 --html layer.html
      lamella layer profile arn:aws:lambda:eu-west-1:000000000000:layer:pandas:3 --json
    """
    profile.checked(html)
    layer, compatible = _layer(what, endpoint)
    needed = [_layer(each, endpoint)[0] for each in beneath or ()]
    chosen = runtime or _runtime(layer, compatible)
    profile.available(chosen)
    from lamella.toolchain.profile import chart
    from lamella.toolchain.profile.laboratory import is_measured
    from lamella.toolchain.profile.layer import price, unpacked

    if is_measured(chosen):
        title = f"Measuring {layer.name}"
        with profile.laboratory(title, {"LAMELLA_PRELOAD": "off"}) as (place, say):
            measured = price(place, layer, needed, runtime=chosen, runs=runs, say=say)
    else:
        measured = unpacked(layer, chosen, runs)
    profile.written(html, lambda: chart.of_layer(measured))
    if as_json:
        output.as_json(_told(measured))
    else:
        _print(measured)


def _layer(what: str, endpoint: str | None) -> tuple[Layer, Sequence[str]]:
    """A layer by its ARN or its file, and the runtimes it says it is for."""
    from lamella.errors import ApiError
    from lamella.model import arn
    from lamella.toolchain import fetch
    from lamella.toolchain.profile.layer import opened

    named = arn.parse_layer(what)
    try:
        if named is None:
            return opened(Path(what).name, Path(what).read_bytes()), ()
        if named.version is None:
            output.fail(f"{what} names no version: add one, such as {what}:1", output.MISUSED)
        content, compatible = fetch.layer(endpoints.client(endpoint, named.region), what)
        return opened(f"{named.name}:{named.version}", content), compatible
    except OSError as error:
        output.fail(f"{what} cannot be read: {error.strerror or error}", output.MISUSED)
    except fetch.NotFetched as error:
        output.fail(str(error))
    except ApiError as refused:
        output.fail(f"{what}: {refused.message}")


def _runtime(layer: Layer, compatible: Sequence[str]) -> str:
    """The first that the layer is for and this host has; else one by what its folders are for."""
    from lamella.runtimes.catalog import Catalog

    rows = [row for row in Catalog.discover().rows() if row.available]
    if compatible:
        here = {row.runtime for row in rows}
        return next((each for each in compatible if each in here), compatible[0])
    tops = {entry.path.partition("/")[0] for entry in layer.manifest.entries}
    if "nodejs" in tops and "python" not in tops:
        # A remark says that another version stands in; one of its own is the better choice.
        nodes = [row for row in rows if row.runtime.startswith("nodejs")]
        if nodes:
            return min(nodes, key=lambda row: bool(row.remark)).runtime
    return f"python3.{sys.version_info.minor}"


def _print(price: LayerPrice) -> None:
    from lamella.toolchain.profile.layer import contents
    from lamella.toolchain.profile.trace import by_owner

    layer, held = price.layer, contents(price.layer.manifest)
    size, zipped = output.size(held["unzippedSize"]), output.size(len(layer.content))
    title = f"{layer.name} on {price.runtime}: {zipped} zipped, {size} in {held['files']} files"
    broken = f", {price.broken} cannot be" if price.broken else ""
    rows = [("Unpack", profile.ms(price.unpack), "once a node")]
    if price.sources:
        of = f"once a node: {price.sources} sources{broken}"
        rows.append(("Compile", profile.ms(price.compile), of))
    if price.together.trace.imports:
        owners = profile.parts(by_owner(price.together.spent))
        rows.append(("Import all", profile.ms(price.together.took), owners))
    if price.source:
        of = "what importing all takes where nothing is compiled"
        rows.append(("Without bytecode", profile.ms(price.source), of))
    output.table(title, ("What", "Time", "Of it"), rows)
    if not price.packages:
        print(f"There is nothing in it that {price.runtime} could import.")
        return
    output.table(
        "Packages, each imported alone",
        ("Package", "Time", "Modules", "Of it"),
        map(_row, price.packages),
    )
    if price.omitted:
        print(f"{price.omitted} more packages were left out.")
    profile.modules(price.together.spent)


def _row(package: Package) -> tuple[str, ...]:
    from lamella.toolchain.profile.trace import by_owner

    if package.error is not None:
        return package.name, "failed", "-", package.error
    count = sum(1 for each in package.trace.imports if each.origin is not None)
    owners = profile.parts(by_owner(package.spent))
    return package.name, profile.ms(package.took), str(count), owners


def _told(price: LayerPrice) -> dict[str, Any]:
    from lamella.toolchain.profile.layer import contents

    return {
        "layer": price.layer.name,
        "runtime": price.runtime,
        "zippedSize": len(price.layer.content),
        **contents(price.layer.manifest),
        "unpackMs": round(price.unpack, 3),
        "compileMs": round(price.compile, 3),
        "sources": price.sources,
        "sourcesNotCompiled": price.broken,
        "importMs": round(price.together.took, 3),
        "importWithoutBytecodeMs": round(price.source, 3) if price.source else None,
        "packages": [_package(each) for each in price.packages],
        "packagesLeftOut": price.omitted,
        "together": _package(price.together),
    }


def _package(package: Package) -> dict[str, Any]:
    from lamella.toolchain.profile.trace import by_owner

    owners = by_owner(package.spent)
    return {
        "name": package.name,
        "ms": None if package.error is not None else round(package.took, 3),
        "runsMs": [round(each, 3) for each in package.runs],
        "error": package.error,
        "byOwnerMs": {name: round(took, 3) for name, took in owners.items()},
        "modules": profile.told(package.spent),
    }
