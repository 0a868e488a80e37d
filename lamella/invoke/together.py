"""Environments and what was made ahead of them, for whoever looks after memory: the latter first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

from lamella.invoke.pressure import Cause, Holder, Sized, Unused

LONG_AGO = -1e9
"""Before any environment was used: what nobody waits for ends first."""

W = TypeVar("W")


class Warm(Protocol[W]):
    """What was made ahead: ready boxes, or zygotes."""

    @property
    def count(self) -> int: ...

    def waiting(self) -> Sequence[W]:
        """In the order in which it is to end."""
        ...

    def evict(self, item: W) -> asyncio.Task[None] | None:
        """End one that is still there, for want of memory."""
        ...


@dataclass(frozen=True)
class Member:
    """Something that holds memory, and how it is ended."""

    held_by: Sized
    end: Callable[[Cause], asyncio.Task[None] | None]

    def memory_held(self) -> int:
        return self.held_by.memory_held()


class Together:
    """``warm`` are the kinds of what was made ahead, in the order in which they are to end."""

    def __init__(self, pool: Holder[Any], *warm: Warm[Any]) -> None:
        self._pool = pool
        self._warm = warm
        self.budget = pool.budget

    @property
    def count(self) -> int:
        return self._pool.count + sum(each.count for each in self._warm)

    def unused(self) -> list[Unused[Member]]:
        ahead = [
            Member(item, partial(_evict, each, item))
            for each in self._warm
            for item in each.waiting()
        ]
        found = [Unused(each, LONG_AGO + place) for place, each in enumerate(ahead)]
        for each in self._pool.unused():
            member = Member(each.environment, partial(self._pool.evict, each.environment))
            found.append(Unused(member, each.since, each.provisioned))
        return found

    def evict(self, member: Member, cause: Cause) -> asyncio.Task[None] | None:
        return member.end(cause)


def _evict(warm: Warm[W], item: W, _: Cause) -> asyncio.Task[None] | None:
    return warm.evict(item)
