"""What is there and what is kept warm, as `lamella pool` and its page show it: plain values.

Of zygotes and environments an account sees its own; what belongs to nobody, boxes that wait and
counts of the whole server, is shown to everybody who may look.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from lamella.invoke.pool import Pool
from lamella.invoke.ready import ReadyBoxes
from lamella.invoke.snapshot import Snapshot, Snapshots
from lamella.invoke.zygote import Key, Zygote
from lamella.invoke.zygotes import Failure, Zygotes

View = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Warmth:
    """The parts that know. Used on the event loop."""

    pool: Pool
    ready: ReadyBoxes
    zygotes: Zygotes
    snapshots: Snapshots

    def view(self, account: str | None) -> View:
        """Everything that ``account`` may see, None for the operator."""
        zygotes = self.zygotes
        return {
            "account": account,
            "environments": [
                {
                    "function": shelf.function.qualified_arn,
                    "idle": len(shelf.idle),
                    "busy": len(shelf.busy),
                    "starting": shelf.starting + shelf.kept.starting,
                    "provisioned": len(shelf.ready),
                }
                for shelf in self.pool.shelves()
                if shelf.size and account in (None, shelf.function.account)
            ],
            "memory": {"held": self.pool.budget.held, "limit": self.pool.budget.most},
            "readyBoxes": [
                {
                    "program": PurePath(stock.plan.argv[0]).name,
                    "memoryMb": stock.plan.limits.memory // 1_048_576,
                    "waiting": len(stock.boxes),
                    "making": stock.making,
                    "failures": stock.failures,
                }
                for stock in self.ready.stocks()
            ],
            "zygoteMemory": {
                "held": sum(each.held for each in zygotes.standing()),
                "limit": zygotes.memory,
            },
            "zygotes": [
                _zygote(each) for each in zygotes.standing() if account in (None, each.key.account)
            ],
            "snapshots": [
                _snapshot(each)
                for each in reversed(self.snapshots.waiting())
                if account in (None, each.function.account)
            ],
            "snapshotMemory": {
                "held": self.snapshots.held,
                "limit": self.snapshots.memory,
            },
            "failures": [
                _failure(key, failure)
                for key, failure in zygotes.failures.items()
                if account in (None, key.account)
            ],
            "coldStarts": {
                way.value: {"count": seen.count, "seconds": round(seen.total, 4)}
                for way, seen in zygotes.starts.by_way.items()
            },
            "plainStarts": {why.value: count for why, count in zygotes.plain.items()},
        }


def short(key: Key) -> str:
    """A name of a layer set that is quick to type."""
    return hashlib.sha256(repr(tuple(key)).encode()).hexdigest()[:8]


def _zygote(each: Zygote) -> View:
    now = time.monotonic()
    return {
        "set": short(each.key),
        "account": each.key.account,
        "region": each.key.region,
        "interpreter": each.key.interpreter,
        "layers": [layer.arn for layer in each.function.layers],
        "forkOf": None if each.stem is None else short(each.stem.key),
        "memory": each.held,
        "shared": each.base.held,
        "imported": list(each.verdict.imported),
        "refused": dict(each.verdict.refused),
        "readVariables": sorted(each.read),
        "forks": each.forks,
        "living": each.living,
        "eggs": each.eggs.count,
        "eggsWanted": each.eggs.wanted,
        "rate": round(each.demand.rate(), 3),
        "savedSeconds": round(each.saves, 4),
        "madeInSeconds": round(each.seconds, 3),
        "ageSeconds": round(now - each.made_at, 1),
        "unusedSeconds": round(now - each.used_at, 1),
    }


def _snapshot(each: Snapshot) -> View:
    now = time.monotonic()
    return {
        "function": each.function.arn,
        "memory": each.held,
        "living": each.living,
        "eggs": each.eggs.count,
        "ageSeconds": round(now - each.made_at, 1),
        "unusedSeconds": round(now - each.used_at, 1),
    }


def _failure(key: Key, failure: Failure) -> View:
    return {
        "set": short(key),
        "account": key.account,
        "region": key.region,
        "interpreter": key.interpreter,
        "layers": [digest[:12] for digest in key.layers],
        "reason": failure.why,
        "count": failure.count,
        "againSeconds": round(max(0.0, failure.until - time.monotonic()), 1),
    }
