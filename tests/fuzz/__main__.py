"""``make fuzz``: 20,000 made-up requests to a server of its own, or as many as are asked for.

``LAMELLA_FUZZ`` is the seed; without it every run is another.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.e2e.server import serving
from tests.fuzz.run import Series

REQUESTS = 20_000
OPTIONS = ("--max-environments", "4", "--idle-seconds", "2")
SHOWN = 20


def main(requests: int = REQUESTS) -> int:
    given = os.environ.get("LAMELLA_FUZZ", "")
    seed = int(given) if given.isdigit() else random.SystemRandom().randrange(10**6)
    print(f"{requests} requests from seed {seed} (the same again: LAMELLA_FUZZ={seed} make fuzz)")
    started = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="lamella-fuzz-") as folder,
        serving(Path(folder) / "data", *OPTIONS) as server,
    ):
        series = Series(server.endpoint, seed)
        for number in series.run(requests):
            if number % 1_800 == 0:
                print(f"{number:6} {time.monotonic() - started:4.0f} s", flush=True)
    counts = ", ".join(f"{count} {kind}" for kind, count in sorted(series.counts.items()))
    statuses = ", ".join(f"{count} of {code}" for code, count in sorted(series.statuses.items()))
    print(f"{counts}; answers: {statuses}; {time.monotonic() - started:.0f} s")
    first_of_a_kind = {(each.operation, each.why): each for each in reversed(series.broken)}
    for each in list(first_of_a_kind.values())[:SHOWN]:
        print(each)
    print(f"{len(series.broken)} answers against the law, seed {seed}")
    return 1 if series.broken else 0


if __name__ == "__main__":
    sys.exit(main(*(int(argument) for argument in sys.argv[1:2])))
