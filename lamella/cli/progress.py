"""Progress on the standard error: a line that moves at a terminal, plain lines anywhere else."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

SECONDS = 1.0
"""How long lines may be apart where they are not overwritten: some steps are short and many."""


@contextlib.contextmanager
def shown(title: str) -> Iterator[Callable[[str], None]]:
    """Yields what is told each next step; nothing is left on a terminal afterwards."""
    if not sys.stderr.isatty():
        yield _lines(title)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True)
    with console.status(Text(title), refresh_per_second=4) as status:
        yield lambda step: status.update(Text(f"{title}: {step}"))


def _lines(title: str) -> Callable[[str], None]:
    last = -SECONDS

    def say(step: str) -> None:
        nonlocal last
        if time.monotonic() - last >= SECONDS:
            last = time.monotonic()
            print(f"{title}: {step}", file=sys.stderr, flush=True)

    return say
