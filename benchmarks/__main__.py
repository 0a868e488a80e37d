"""``make bench``: Lamella beside AWS's Runtime Interface Emulator, in one run."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import frozen, measure, report
from benchmarks.lamella import Lamella, lamella
from benchmarks.materials import CACHE, prepare
from benchmarks.rows import Row

PARTS = {
    "warm": measure.warm,
    "cold": measure.cold,
    "publish": measure.publish,
    "frozen": frozen.frozen,
    "extension": frozen.extension,
}


def main() -> None:
    chosen = _arguments()
    materials = prepare()
    rows: list[Row] = []
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=CACHE))
    try:
        with _servers(folder, wanted=not chosen.emulator_only) as servers:
            rounds = measure.QUICK if chosen.quick else measure.Rounds()
            bench = measure.Bench.of(materials, folder, servers, rounds)
            for part in chosen.only or PARTS:
                for row in PARTS[part](bench):
                    print("  ".join(cell for cell in row.cells() if cell), flush=True)
                    rows.append(row)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print()
    print(report.markdown(rows))
    if not (chosen.quick or chosen.only or chosen.emulator_only) or chosen.save:
        report.write(rows, report.RESULTS, chosen.save or "latest")


@contextlib.contextmanager
def _servers(folder: Path, *, wanted: bool) -> Iterator[tuple[Lamella | None, Lamella | None]]:
    """A server that everybody may call, and one that checks signatures."""
    if not wanted:
        yield None, None
        return
    with lamella(folder) as server, lamella(folder / "checking", signed=True) as checking:
        yield server, checking


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds; nothing is kept")
    parser.add_argument("--only", action="append", choices=list(PARTS), help="one part")
    parser.add_argument("--emulator-only", action="store_true", help="leave Lamella out")
    parser.add_argument("--save", metavar="NAME", help="keep the results under this name")
    return parser.parse_args()


if __name__ == "__main__":
    main()
