"""``lamella layer …``: look into layers, published or not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lamella.cli import layer_profile, output

if TYPE_CHECKING:
    from lamella.layers.manifest import Manifest

app = typer.Typer(help="Look into layers.", no_args_is_help=True)
app.command("profile")(layer_profile.command)


@app.callback()
def group() -> None:
    """Look into layers, published or not."""


@app.command("inspect")
def inspect(
    archive: Annotated[Path, typer.Argument(metavar="ZIP", help="The layer's zip.")],
    as_json: output.Json = False,
) -> None:
    """Say what a layer's zip holds, whether it would be accepted, and what is doubtful in it.

    All faults are named at once. The exit code is 1 when the zip would be refused.

    \b
    Examples:
      lamella layer inspect layer.zip
      lamella layer inspect layer.zip --json
    """
    try:
        report = examined(archive)
    except OSError as error:
        output.fail(f"{archive} cannot be read: {error.strerror or error}", output.MISUSED)
    if as_json:
        output.as_json(report)
    else:
        _print(report)
    if report["faults"]:
        raise typer.Exit(output.FAILED)


def examined(archive: Path) -> dict[str, Any]:
    """What is known of the zip: sizes in bytes, counts, folders, ``faults`` and ``warnings``."""
    from lamella.errors import ApiError, ArchiveRefused
    from lamella.layers.archive import check
    from lamella.model import limits

    report: dict[str, Any] = {"path": str(archive), "zipped_size": archive.stat().st_size}
    try:
        manifest = check(archive, quota=limits.UNZIPPED_BYTES)
    except ArchiveRefused as refused:
        return {**report, "faults": list(refused.faults), "warnings": []}
    except ApiError as refused:
        return {**report, "faults": [refused.message], "warnings": []}
    return {**report, **_described(manifest), "faults": [], "warnings": list(manifest.warnings)}


def _described(manifest: Manifest) -> dict[str, Any]:
    from lamella.layers.manifest import Kind

    kinds = [entry.kind for entry in manifest.entries]
    folders: dict[str, int] = {}
    for entry in manifest.entries:
        if entry.kind is not Kind.DIR:
            top, _, rest = entry.path.partition("/")
            folders[f"{top}/" if rest else "."] = folders.get(f"{top}/" if rest else ".", 0) + 1
    return {
        "unzipped_size": manifest.unzipped_size,
        "files": kinds.count(Kind.FILE),
        "links": kinds.count(Kind.SYMLINK),
        "folders": folders,
    }


def _print(report: dict[str, Any]) -> None:
    print(f"{report['path']}: {output.size(report['zipped_size'])} zipped", end="")
    if report["faults"]:
        print(", refused")
        for fault in report["faults"]:
            print(f"  fault: {fault}")
        return
    print(f", {output.size(report['unzipped_size'])} unzipped, accepted")
    print(f"  {report['files']} files, {report['links']} links")
    for folder, count in sorted(report["folders"].items()):
        print(f"  {folder:<14} {count}")
    for warning in report["warnings"]:
        print(f"  warning: {warning}")
