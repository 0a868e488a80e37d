"""Try every cell of the table on this machine and write docs/behaviours.md (``make behaviours``).

What was recorded of columns that this machine lacks stays.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from lamella.runtimes.catalog import Catalog
from tests.behaviours import table
from tests.behaviours.bench import Bench
from tests.behaviours.columns import columns
from tests.behaviours.table import Recorded
from tests.e2e.server import Cloud, serving


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.behaviours", description=__doc__)
    parser.add_argument("column", nargs="*", help="only these, by the start of their names")
    parser.add_argument("--row", action="append", default=[], help="only this row, by its key")
    parser.add_argument("--dry", action="store_true", help="write nothing")
    wanted = parser.parse_args()
    order = columns(Catalog.discover(os.environ))
    recorded = table.load()
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder) / "data") as server:
        for each in order:
            if each.interpreter is None or not each.name.startswith(tuple(wanted.column or [""])):
                continue
            bench = Bench(Cloud(server.endpoint), each, Path(folder))
            found = table.outcomes(bench, wanted.row)
            told = {key: wrong for key, wrong in found.items() if wrong is not None}
            print(f"{each.name}: {len(found) - len(told)} of {len(found)} rules", flush=True)
            for key, wrong in told.items():
                print(f"-- {key}\n{wrong}", flush=True)
            cells = {key: wrong is None for key, wrong in found.items()}
            if wanted.row and each.name in recorded:
                cells = {**recorded[each.name].cells, **cells}
            recorded[each.name] = Recorded(table.described(each), cells)
    if not wanted.dry:
        table.save(recorded, order)
        table.PAGE.write_text(table.page(recorded, order))
    return 0


if __name__ == "__main__":
    sys.exit(main())
