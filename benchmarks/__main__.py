"""``make bench``: Lamella beside what one would use instead, in one run and with one client."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from benchmarks import at_once, cold, frozen, measure, pictures, report, starts
from benchmarks.bench import QUICK, Bench, Rounds, servers
from benchmarks.materials import CACHE, prepare
from benchmarks.rows import Row

PARTS = {
    "warm": measure.warm,
    "cold": cold.cold,
    "layers": cold.layers,
    "first": starts.first,
    "burst": at_once.burst,
    "boxes": at_once.boxes,
    "memory": at_once.memory,
    "publish": measure.publish,
    "frozen": frozen.frozen,
    "extension": frozen.extension,
}


def main() -> None:
    chosen = _arguments()
    if chosen.redraw:
        pictures.renew()
        return
    rows, failed = _measured(chosen)
    facts = report.facts(rows)
    print()
    print(report.markdown(facts))
    report.write(facts, CACHE, "last")
    if failed:
        raise SystemExit(f"Failed: {', '.join(failed)}. What was measured is in {CACHE}/last.json.")
    if not (chosen.quick or chosen.only or chosen.emulator_only) or chosen.save:
        report.write(facts, report.RESULTS, chosen.save or report.LATEST)
        if not chosen.save:
            pictures.renew()


def _measured(chosen: argparse.Namespace) -> tuple[list[Row], list[str]]:
    """What was measured, and the parts that failed; the others are measured all the same."""
    materials = prepare()
    rows: list[Row] = []
    failed: list[str] = []
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=CACHE))
    try:
        with servers(folder, wanted=not chosen.emulator_only) as there:
            rounds = QUICK if chosen.quick else Rounds()
            bench = Bench(materials, folder, there, rounds)
            for part in chosen.only or PARTS:
                try:
                    for row in PARTS[part](bench):
                        print(report.line(row.as_json()), flush=True)
                        rows.append(row)
                except (RuntimeError, OSError) as error:
                    print(f"{part}: failed: {error}", flush=True)
                    failed.append(part)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return rows, failed


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds; nothing is kept")
    parser.add_argument("--only", action="append", choices=list(PARTS), help="one part")
    parser.add_argument("--emulator-only", action="store_true", help="leave Lamella out")
    parser.add_argument("--save", metavar="NAME", help="keep the results under this name")
    parser.add_argument(
        "--redraw", action="store_true", help="only draw what was kept, and renew README's table"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
