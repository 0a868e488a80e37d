"""``lamella doctor``: what this host can and cannot do, with the mend for each lack."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from lamella.cli import output

if TYPE_CHECKING:
    from lamella.runtimes.catalog import Row
    from lamella.sandbox.probe import Finding

WANTED_FREE_BYTES = 2 * 2**30
"""Room for a few large layers, packed and unpacked, with their bytecode."""


def doctor(as_json: output.Json = False) -> None:
    """Say what this host can and cannot enforce, which runtimes it has, and how to mend lacks.

    Each check is really tried: a box is made, an overlay mounted. The exit code is 1 when
    functions cannot run here at all.

    \b
    Examples:
      lamella doctor
      lamella doctor --json
    """
    from lamella.runtimes.catalog import Catalog
    from lamella.sandbox import probe

    findings = (*probe.examine(), free_space(_data()))
    runtimes = Catalog.discover(pins=_pins()).rows()
    if as_json:
        output.as_json(
            {
                "host": [asdict(each) for each in findings],
                "runtimes": [asdict(each) for each in runtimes],
            }
        )
    else:
        output.table("Host", ("", "what", "found", "mend"), map(_host_row, findings))
        print()
        output.table("Runtimes", ("", "runtime", "found", "remark"), map(_runtime_row, runtimes))
        print()
        print(_verdict(findings))
    if not able(findings):
        raise typer.Exit(output.FAILED)


def able(findings: tuple[Finding, ...]) -> bool:
    """Whether functions can run here: nothing that is needed is missing."""
    return all(each.ok for each in findings if each.needed)


def _verdict(findings: tuple[Finding, ...]) -> str:
    if not able(findings):
        return "Functions cannot run here until what is marked FAIL is mended."
    lacking = sum(not each.ok and not each.optional for each in findings)
    if lacking:
        return f"Functions run here, with {lacking} of the checks not held (marked weak)."
    return "Functions run here, with everything enforced."


def _host_row(finding: Finding) -> tuple[str, str, str, str]:
    lack = "FAIL" if finding.needed else "no" if finding.optional else "weak"
    mark = "ok" if finding.ok else lack
    return mark, finding.name, finding.detail, "" if finding.ok else finding.mend


def _runtime_row(row: Row) -> tuple[str, str, str, str]:
    return "ok" if row.available else "no", row.runtime, row.interpreter, row.remark


def free_space(folder: Path) -> Finding:
    """Whether ``folder``, or the nearest one above that exists, has room for layers."""
    from lamella.sandbox.probe import Finding

    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    return Finding(
        "free space",
        free >= WANTED_FREE_BYTES,
        f"{output.size(free)} in {folder}",
        "Make room, or keep data elsewhere with --data DIR.",
    )


def _pins() -> dict[str, Path]:
    """The runtimes pinned by hand; none where they cannot be read, which a server says itself."""
    from lamella.errors import HostError
    from lamella.runtimes import pins

    try:
        return pins.load(_data())
    except HostError as error:
        print(error, file=sys.stderr)
        return {}


def _data() -> Path:
    from lamella.config import default_data

    return Path(os.environ.get("LAMELLA_DATA") or default_data(os.environ, os.getuid()))
