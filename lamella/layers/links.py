"""Where a symbolic link leads, decided over names alone.

Nothing here looks at a disk: links are a mapping, so that a zip can be judged before it is
unpacked and a stack of layers before it is merged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

MAX_HOPS = 40
"""Links that Linux follows in one path before it answers ELOOP."""


MOUNTED = "/opt/"
"""Where every box shows the root of a layer: an absolute link below it stays inside."""


class Lost(StrEnum):
    """Why a path leads nowhere inside the root."""

    LEAVES = "leaves the root of the archive"
    LOOPS = "is part of a loop, or of a chain of more than 40 links"
    ENTANGLED = "is one of too many links that lead through one another"


@dataclass(slots=True)
class Budget:
    """Steps that may still be taken, over all links of an archive together.

    Each link can cost as many steps as 40 targets have parts; without a bound for all of them
    a small zip could keep a processor busy for an hour.
    """

    steps: int = 1_000_000


def follow(path: str, links: Mapping[str, str], budget: Budget) -> str | Lost:
    """The path that ``path`` leads to when every link on the way is followed, its last part too.

    Parts that do not exist count as folders, which refuses more than the kernel would.
    ``..`` above the root and absolute targets leave it, but for those below ``/opt``.
    """
    pending = path.split("/")[::-1]
    at: list[str] = []
    hops = 0
    while pending:
        budget.steps -= 1
        if budget.steps < 0:
            return Lost.ENTANGLED
        part = pending.pop()
        if part in ("", "."):
            continue
        if part == "..":
            if not at:
                return Lost.LEAVES
            at.pop()
            continue
        at.append(part)
        target = links.get("/".join(at))
        if target is None:
            continue
        hops += 1
        if hops > MAX_HOPS:
            return Lost.LOOPS
        at.pop()
        if target.startswith(MOUNTED):
            at.clear()
            target = target.removeprefix(MOUNTED)
        elif target.startswith("/"):
            return Lost.LEAVES
        pending.extend(target.split("/")[::-1])
    return "/".join(at)
