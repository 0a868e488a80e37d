"""What operations work with. `wiring` fills it; an operation takes from it what it needs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The parts below the API, one field each."""
