"""What every environment of a server stands on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from lamella.invoke.failing import Failing
from lamella.invoke.frost import Frost
from lamella.invoke.furnish import Furnished
from lamella.invoke.memory import MemoryWatch
from lamella.invoke.session import OpenDoor
from lamella.invoke.starts import Starts
from lamella.invoke.zygote import Holding
from lamella.model.function import Function
from lamella.sandbox.reserve import Place, Reserve
from lamella.sandbox.spawn import Spawner


class Places(Protocol):
    """Where environments begin."""

    async def place(self, function: Function, furnished: Furnished) -> Place:
        """A place for an environment that starts. Raises OSError if no group can be made."""
        ...


@dataclass(frozen=True, slots=True)
class Ground:
    """What every environment of a server stands on."""

    spawner: Spawner
    reserve: Reserve
    places: Places
    watch: MemoryWatch
    frost: Frost
    holding: Holding
    failing: Failing
    open_door: OpenDoor
    starts: Starts
