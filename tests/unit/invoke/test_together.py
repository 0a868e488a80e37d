"""What ends when memory gets short: what was made ahead first, then environments."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from lamella.invoke.pressure import Budget, Cause, Unused, in_turn
from lamella.invoke.together import Together


@dataclass(frozen=True)
class Thing:
    name: str

    def memory_held(self) -> int:
        return len(self.name)


@dataclass
class Things:
    """Holds things, as the pool and what is kept warm do."""

    names: list[str]
    ended: list[str] = field(default_factory=list)
    budget: Budget = field(default_factory=lambda: Budget(100))

    @property
    def count(self) -> int:
        return len(self.names)

    def waiting(self) -> list[Thing]:
        return [Thing(name) for name in self.names]

    def unused(self) -> list[Unused[Thing]]:
        return [Unused(Thing(name), since) for since, name in enumerate(self.names)]

    def evict(self, item: Thing, cause: Cause = Cause.HOST) -> asyncio.Task[None] | None:
        self.ended.append(item.name)
        return None


def test_boxes_and_zygotes_end_before_environments() -> None:
    pool, ready, zygotes = Things(["old", "new"]), Things(["box"]), Things(["zygote", "better"])
    together = Together(pool, ready, zygotes)
    assert together.count == 5
    ordered = in_turn(together.unused())
    assert [each.memory_held() for each in ordered] == [3, 6, 6, 3, 3]
    for each in ordered:
        together.evict(each, Cause.MEMORY)
    assert (ready.ended, zygotes.ended) == (["box"], ["zygote", "better"])
    assert pool.ended == ["old", "new"]
