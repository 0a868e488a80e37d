"""``make soak``: twenty minutes of mixed load on a server of its own, and a verdict.

``python -m tests.soak [SECONDS] [REPORT.json]``; ``LAMELLA_SOAK_SECONDS`` for another length,
``LAMELLA_SOAK`` for a seed. The exit status is 0 if all went well.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
from pathlib import Path

from tests.e2e.server import serving
from tests.soak.run import OPTIONS, Soak

SECONDS = 1_200.0
SHOWN = 30
LINES_SHOWN = 60


def main(arguments: list[str]) -> int:
    numbers = [each for each in arguments if each.replace(".", "", 1).isdigit()]
    paths = [Path(each) for each in arguments if each not in numbers]
    given = os.environ.get("LAMELLA_SOAK_SECONDS") or SECONDS
    seconds = float(numbers[0] if numbers else given)
    seed = os.environ.get("LAMELLA_SOAK") or str(random.SystemRandom().randrange(10**6))
    print(f"{seconds:.0f} seconds from seed {seed} (the same again: LAMELLA_SOAK={seed} make soak)")
    with (
        tempfile.TemporaryDirectory(prefix="lamella-soak-") as folder,
        serving(Path(folder) / "data", *OPTIONS) as server,
    ):
        soak = Soak(server, seconds, seed)
        shown = 0.0
        for line in soak.run():
            at = soak.samples[-1].at if soak.samples else 0.0
            if at >= shown:
                print(line, flush=True)
                shown = at + (seconds / LINES_SHOWN if soak.samples else 0.0)
        report = soak.report()
        for path in paths:
            path.write_text(json.dumps(report, indent=1))
        status = server.stop()
    done = ", ".join(f"{count} {name}" for name, count in soak.tally.done.most_common())
    print(f"{done}; {soak.tally.throttled} throttled, {soak.tally.killed} killed")
    print(f"environments ended: {report['environments_ended']}")
    for each in soak.tally.unexpected[:SHOWN]:
        print(each)
    for finding in soak.findings:
        print(finding)
    print(f"the server stopped with {status}")
    return 0 if soak.good and status == 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
