"""Whether a soak went well: pure rules over what was seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MEGABYTE = 1_048_576
WARM_UP_SECONDS = 60.0
"""The time in which things may grow: caches fill, threads start, buffers are as large as they get."""
LEAST_SECONDS = 60.0
"""Over less time than this, after that, nothing is said about how things grow."""
RISE_A_MINUTE = MEGABYTE // 2
MARGIN = 12 * MEGABYTE
"""What memory goes up and down by whatever happens; it decides only in short runs."""
COUNT_MARGIN = 6
LEFT_MEMORY = 48 * MEGABYTE
"""The server's own memory afterwards, over that before: caches, and pages that are not given back."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What the server holds ``at`` so many seconds: bytes, then counts."""

    at: float
    memory: int
    keeper_memory: int
    descriptors: int
    threads: int
    processes: int
    mounts: int
    groups: int
    environments: int
    boxes_memory: int


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that had to be so."""

    what: str
    good: bool
    seen: str

    def __str__(self) -> str:
        return f"{'ok  ' if self.good else 'FAIL'} {self.what}: {self.seen}"


def slope(points: Sequence[tuple[float, float]]) -> float:
    """By how much the second grows with the first, by least squares; 0 for fewer than two."""
    if len({x for x, _ in points}) < 2:
        return 0.0
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread


def after_warm_up(samples: Sequence[Sample]) -> Sequence[Sample]:
    return [each for each in samples if each.at >= samples[0].at + WARM_UP_SECONDS]


def flat(samples: Sequence[Sample]) -> list[Finding]:
    """That memory does not rise by more than `RISE_A_MINUTE`, and a margin over all the time."""
    warm = after_warm_up(samples)
    seconds = warm[-1].at - warm[0].at if warm else 0.0
    if seconds < LEAST_SECONDS:
        return [Finding("nothing rises", True, f"{seconds:.0f} s are too few to tell")]
    bound = RISE_A_MINUTE * seconds / 60 + MARGIN
    findings = []
    for name in ("memory", "keeper_memory"):
        rise = slope([(each.at, getattr(each, name)) for each in warm]) * seconds
        findings.append(
            Finding(
                f"{name} does not rise",
                rise <= bound,
                f"{rise / MEGABYTE:+.1f} MB in {seconds:.0f} s (bound {bound / MEGABYTE:.1f})",
            )
        )
    for name, each_environment in (("descriptors", 12), ("threads", 0)):
        # Environments come and go, and have descriptors.
        points = [
            (each.at, getattr(each, name) - each_environment * each.environments) for each in warm
        ]
        rise = slope(points) * seconds
        most = COUNT_MARGIN + 4 * each_environment
        findings.append(Finding(f"{name} do not rise", rise <= most, f"{rise:+.1f} (bound {most})"))
    return findings


def nothing_left(before: Sample, after: Sample) -> list[Finding]:
    """That what there was at rest before is what there is at rest afterwards."""
    findings = []
    for name, margin in (
        ("processes", 0),
        ("groups", 0),
        ("mounts", 12),  # what boxes of a runtime need is mounted for the keeper, once
        ("descriptors", 12),  # connections to the records, two each, are made when first needed
        ("threads", 48),  # pools of threads fill when they are first needed
        ("environments", 0),
    ):
        had, has = getattr(before, name), getattr(after, name)
        findings.append(Finding(f"{name} left", has <= had + margin, f"{has}, {had} before"))
    grown = after.memory - before.memory
    findings.append(
        Finding(
            "memory left",
            grown <= LEFT_MEMORY,
            f"{grown / MEGABYTE:+.1f} MB (bound {LEFT_MEMORY // MEGABYTE})",
        )
    )
    return findings


def events(accepted: int, metrics: Mapping[str, int]) -> list[Finding]:
    """That every event that was accepted has settled, exactly once."""
    settled = sum(
        count for name, count in metrics.items() if name.startswith("lamella_events_settled_total")
    )
    total = metrics["lamella_events_accepted_total"]
    left = sum(count for name, count in metrics.items() if name.startswith("lamella_events{"))
    lost = metrics["lamella_events_conservation_difference"]
    good = accepted == total == settled and left == lost == 0
    seen = f"{accepted} sent, {total} accepted, {settled} settled, {left} left, {lost} lost"
    return [Finding("every accepted event settled", good, seen)]


def answers(done: int, killed: int, kills: int, unexpected: Sequence[str]) -> list[Finding]:
    """That every answer was one that may be; a box that is killed costs one invocation at most."""
    return [
        Finding("work was done", done > 0, f"{done} jobs"),
        Finding("no unexpected answer", not unexpected, f"{len(unexpected)}"),
        Finding("kills cost one answer each", killed <= kills, f"{killed} of {kills} kills"),
    ]
